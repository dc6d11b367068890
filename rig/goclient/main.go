// Goclient reads a disk as Longhorn's backing-image-manager does: with Go's default client, a HEAD and then one GET,
// 4 KiB at a time, zero blocks left as holes.
//
// It prints one JSON line: the size that HEAD stated, the bytes that came after unpacking and their SHA-512, the bytes
// on the wire, and whether the client unpacked gzip. An answer that breaks off is a failure, as it is for Longhorn.
// With -unhashed there is no SHA-512: Longhorn makes its own afterwards, of the file.
package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
)

type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

type outcome struct {
	Stated       int64  `json:"stated"`
	Length       int64  `json:"length"`
	Sha512       string `json:"sha512"`
	Wire         int64  `json:"wire"`
	Uncompressed bool   `json:"uncompressed"`
}

func main() {
	unhashed := flag.Bool("unhashed", false, "make no SHA-512")
	flag.Parse()
	if flag.NArg() < 2 {
		fail(fmt.Errorf("usage: goclient [-unhashed] URL FILE [BYTES]: BYTES ends the reading early"))
	}
	limit := int64(-1)
	if flag.NArg() > 2 {
		parsed, err := strconv.ParseInt(flag.Arg(2), 10, 64)
		if err != nil {
			fail(err)
		}
		limit = parsed
	}
	result, err := download(flag.Arg(0), flag.Arg(1), limit, !*unhashed)
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// counting is the default client, whose connections count what they read.
func counting(wire *atomic.Int64) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return countingConn{conn, wire}, nil
	}
	return &http.Client{Transport: transport}
}

func download(url, path string, limit int64, hashed bool) (*outcome, error) {
	var wire atomic.Int64
	client := counting(&wire)
	head, err := client.Head(url)
	if err != nil {
		return nil, err
	}
	head.Body.Close()
	if head.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HEAD: %s", head.Status)
	}
	answer, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET: %s", answer.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	result := &outcome{Stated: head.ContentLength, Uncompressed: answer.Uncompressed}
	body := io.Reader(answer.Body)
	if limit >= 0 {
		body = io.LimitReader(body, limit)
	}
	if err := result.copySparse(file, body, hashed); err != nil {
		return nil, err
	}
	result.Wire = wire.Load()
	return result, file.Truncate(result.Length)
}

func (o *outcome) copySparse(file *os.File, body io.Reader, hashed bool) error {
	digest := sha512.New()
	buffer, zeros := make([]byte, 4096), make([]byte, 4096)
	for {
		n, err := io.ReadFull(body, buffer)
		if n > 0 {
			if hashed {
				digest.Write(buffer[:n])
			}
			if !bytes.Equal(buffer[:n], zeros[:n]) {
				if _, err := file.WriteAt(buffer[:n], o.Length); err != nil {
					return err
				}
			}
			o.Length += int64(n)
		}
		if err == io.EOF || (err == io.ErrUnexpectedEOF && n > 0) {
			if err == io.ErrUnexpectedEOF {
				// ReadFull says so for a short last block; whether the body itself was cut shows the next read.
				if _, next := body.Read(buffer[:1]); next != io.EOF {
					return next
				}
			}
			break
		}
		if err != nil {
			return err
		}
	}
	if !hashed {
		return nil
	}
	o.Sha512 = hex.EncodeToString(digest.Sum(nil))
	return nil
}
