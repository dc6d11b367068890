package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const sector = 512

// head is Harvester's own check (pkg/image/common: CheckURLAndUpdate): any status under 400 will do.
func head(o *options, url string) (line, error) {
	reply, err := request(o, http.MethodHead, url, "")
	if err != nil {
		return line{}, err
	}
	defer reply.Body.Close()
	if reply.StatusCode < 200 || reply.StatusCode >= 400 {
		return line{}, fmt.Errorf("got %d status code from %s", reply.StatusCode, url)
	}
	return line{Event: "done", Total: max(reply.ContentLength, 0), Status: reply.StatusCode}, nil
}

// size is what both backends ask before they read: 200 and a Content-Length.
func size(o *options, url string) (int64, error) {
	reply, err := request(o, http.MethodHead, url, "")
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("expected status code 200 from %s, got %s", url, reply.Status)
	}
	if reply.ContentLength <= 0 {
		return 0, fmt.Errorf("no Content-Length in the answer of %s to HEAD", url)
	}
	return reply.ContentLength, nil
}

// whole downloads as Longhorn's backing-image-manager does: one GET, no Range, no resume.
func whole(o *options, url string) (line, error) {
	total, err := size(o, url)
	if err != nil {
		return line{}, err
	}
	reply, err := request(o, http.MethodGet, url, "")
	if err != nil {
		return line{Total: total}, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return line{Total: total}, fmt.Errorf("expected status code 200 from %s, got %s", url, reply.Status)
	}
	w, err := newWriter(o, total)
	if err != nil {
		return line{Total: total}, err
	}
	defer w.close()
	if err := w.copy(reply.Body); err != nil {
		return line{Bytes: w.bytes, Total: total}, err
	}
	if err := w.finish(); err != nil {
		return line{Bytes: w.bytes, Total: total}, err
	}
	checksum, err := w.sum()
	return line{Event: "done", Bytes: w.bytes, Total: total, Gzip: reply.Uncompressed, Checksum: checksum}, err
}

const (
	probe = 128     // what CDI reads to recognise a qcow2 image
	piece = 4 << 20 // one range
)

// ranges downloads as CDI's importer does. A server that ignores Range would be read into memory as a whole,
// which is how the real one dies.
func ranges(o *options, url string) (line, error) {
	first, err := part(o, url, 0, probe-1)
	if err != nil {
		return line{}, err
	}
	magic, err := io.ReadAll(first)
	first.Close()
	if err != nil || len(magic) < probe {
		return line{}, fmt.Errorf("could not read the %d bytes of the header: got %d: %v", probe, len(magic), err)
	}
	if string(magic[:4]) == "QFI\xfb" {
		return line{}, errors.New("the image is qcow2, which this rig does not convert: serve raw bytes")
	}
	total, err := size(o, url)
	if err != nil {
		return line{}, err
	}
	w, err := newWriter(o, total)
	if err != nil {
		return line{Total: total}, err
	}
	defer w.close()
	for w.bytes < total {
		body, err := part(o, url, w.bytes, min(w.bytes+piece, total)-1)
		if err != nil {
			return line{Bytes: w.bytes, Total: total}, err
		}
		before := w.bytes
		err = w.copy(body)
		body.Close()
		if err == nil && w.bytes == before {
			err = errors.New("an empty answer to a Range request")
		}
		if err != nil {
			return line{Bytes: w.bytes, Total: total}, err
		}
	}
	if err := w.finish(); err != nil {
		return line{Bytes: w.bytes, Total: total}, err
	}
	return line{Event: "done", Bytes: w.bytes, Total: total}, nil
}

func part(o *options, url string, from, to int64) (io.ReadCloser, error) {
	reply, err := request(o, http.MethodGet, url, fmt.Sprintf("bytes=%d-%d", from, to))
	if err != nil {
		return nil, err
	}
	if reply.StatusCode != http.StatusPartialContent {
		reply.Body.Close()
		return nil, fmt.Errorf("the importer ran out of memory: %s answered %s to a Range request", url, reply.Status)
	}
	return reply.Body, nil
}

func request(o *options, method, url, span string) (*http.Response, error) {
	ask, err := http.NewRequestWithContext(o.context, method, url, nil)
	if err != nil {
		return nil, err
	}
	if span != "" {
		ask.Header.Set("Range", span)
	}
	late := time.AfterFunc(o.begin, func() { o.cancel(fmt.Errorf("no answer from %s within %s", url, o.begin)) })
	defer late.Stop()
	reply, err := http.DefaultClient.Do(ask)
	if cause := context.Cause(o.context); cause != nil {
		return nil, cause
	}
	return reply, err
}
