package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const block = 4 << 10 // Longhorn reads so much at a time

var zeros = make([]byte, block)

// writer writes sparsely, counts, hashes, and ends a download that stands still.
type writer struct {
	o      *options
	file   *os.File
	total  int64
	bytes  int64
	start  time.Time
	told   time.Time
	watch  *time.Timer
}

func newWriter(o *options, total int64) (*writer, error) {
	file, err := os.Create(o.out)
	if err != nil {
		return nil, err
	}
	w := &writer{o: o, file: file, total: total, start: time.Now()}
	w.watch = time.AfterFunc(o.idle, func() {
		o.cancel(fmt.Errorf("no byte for %s: the download timed out", o.idle))
	})
	return w, nil
}

func (w *writer) close() {
	w.watch.Stop()
	w.file.Close()
}

// copy takes a body up to its end.
func (w *writer) copy(body io.Reader) error {
	buffer := make([]byte, block)
	for {
		n, err := io.ReadFull(body, buffer)
		if n > 0 {
			w.watch.Reset(w.o.idle)
			if failed := w.write(buffer[:n]); failed != nil {
				return failed
			}
		}
		switch {
		case errors.Is(err, io.EOF) && n == 0, errors.Is(err, io.ErrUnexpectedEOF) && w.bytes == w.total:
			return nil
		case err != nil:
			if cause := context.Cause(w.o.context); cause != nil {
				return cause
			}
			return fmt.Errorf("the download broke off after %d of %d bytes: %w", w.bytes, w.total, err)
		}
	}
}

func (w *writer) write(data []byte) error {
	if w.o.cutAt >= 0 && w.bytes+int64(len(data)) > w.o.cutAt {
		return fmt.Errorf("connection reset at byte %d of %d", w.o.cutAt, w.total)
	}
	if !bytes.Equal(data, zeros[:len(data)]) {
		if _, err := w.file.WriteAt(data, w.bytes); err != nil {
			return err
		}
	}
	w.bytes += int64(len(data))
	if w.o.rate > 0 {
		due := w.start.Add(time.Duration(float64(w.bytes) / float64(w.o.rate) * float64(time.Second)))
		time.Sleep(time.Until(due))
	}
	if time.Since(w.told) > w.o.every {
		w.told = time.Now()
		say(line{Event: "progress", Bytes: w.bytes, Total: w.total})
	}
	return nil
}

func (w *writer) finish() error {
	if w.bytes != w.total {
		return fmt.Errorf("got %d bytes, but HEAD announced %d", w.bytes, w.total)
	}
	if w.bytes%sector != 0 {
		return fmt.Errorf("the size %d is no multiple of %d", w.bytes, sector)
	}
	return w.file.Truncate(w.bytes)
}

// sum is the SHA-512 of the whole file, holes included, which Longhorn makes of every image once its bytes are there
// (backing-image-manager, pkg/sync/sync_file.go: postProcessSyncFile).
func (w *writer) sum() (string, error) {
	w.watch.Stop()
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	digest := sha512.New()
	if _, err := io.Copy(digest, w.file); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}
