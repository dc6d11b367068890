// The downloads of Harvester's image backends, by the client that they use: Go's default one.
//
//	downloader -head URL              what Harvester asks first
//	downloader -out FILE URL          Longhorn's backing-image-manager: HEAD, then one GET without Range
//	downloader -cdi -out FILE URL     CDI's importer: 128 bytes, HEAD, then ranges
//
// Every line of standard output is one JSON object; the last says how it ended.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"time"
)

type line struct {
	Event    string `json:"event"`
	Bytes    int64  `json:"bytes"`
	Total    int64  `json:"total"`
	Status   int    `json:"status,omitempty"`
	Gzip     bool   `json:"gzip,omitempty"`
	Checksum string `json:"checksum,omitempty"`
	Message  string `json:"message,omitempty"`
}

type options struct {
	out     string
	head    bool
	cdi     bool
	idle    time.Duration
	begin   time.Duration
	cutAt   int64
	rate    int64
	every   time.Duration
	context context.Context
	cancel  context.CancelCauseFunc
}

func main() {
	var o options
	flag.BoolVar(&o.head, "head", false, "only ask for the size")
	flag.BoolVar(&o.cdi, "cdi", false, "read as CDI's importer does")
	flag.StringVar(&o.out, "out", "", "file to write")
	flag.DurationVar(&o.idle, "idle", 30*time.Second, "a download without a byte for so long ends")
	flag.DurationVar(&o.begin, "begin", 60*time.Second, "an answer that takes so long is not waited for")
	flag.Int64Var(&o.cutAt, "cut-at", -1, "break off at this byte")
	flag.Int64Var(&o.rate, "rate", 0, "bytes a second")
	flag.DurationVar(&o.every, "every", 200*time.Millisecond, "how often to tell the progress")
	flag.Parse()
	o.context, o.cancel = context.WithCancelCause(context.Background())
	url := flag.Arg(0)
	var last line
	var err error
	switch {
	case o.head:
		last, err = head(&o, url)
	case o.cdi:
		last, err = ranges(&o, url)
	default:
		last, err = whole(&o, url)
	}
	if err != nil {
		last = line{Event: "failed", Bytes: last.Bytes, Total: last.Total, Message: err.Error()}
	}
	say(last)
	if err != nil {
		os.Exit(1)
	}
}

func say(l line) {
	text, _ := json.Marshal(l)
	os.Stdout.Write(append(text, '\n'))
}
