package main

import "sync"

// Log is what happened since the start, or since it was last reset.
type Log struct {
	// SOAP counts the calls by method.
	SOAP map[string]int `json:"soap"`
	// Downloads are the requests for files, in the order in which they ended.
	Downloads []Download `json:"downloads"`
	// Streams are the downloads under way, and PeakStreams the most there were at once, by host.
	Streams     map[string]int `json:"streams"`
	PeakStreams map[string]int `json:"peak_streams"`
	Leases      []LeaseEnd     `json:"leases"`
	Power       []PowerChange  `json:"power"`
	// Bytes are those of all disks that leases served, of downloads under way, too.
	Bytes int64 `json:"bytes"`
}

// Download is a request for a file: of a lease where Host names an ESXi host, else of a datastore.
type Download struct {
	Host   string `json:"host"`
	VM     string `json:"vm"`
	File   string `json:"file"`
	Range  string `json:"range"`
	Status int    `json:"status"`
	Bytes  int64  `json:"bytes"`
}

// LeaseEnd is a lease that ended: completed, aborted, failed, or its session ended.
type LeaseEnd struct {
	VM       string `json:"vm"`
	How      string `json:"how"`
	Progress int32  `json:"progress"`
	Served   int64  `json:"served"`
}

// PowerChange is a VM that was switched.
type PowerChange struct {
	VM    string `json:"vm"`
	Moref string `json:"moref"`
	Power string `json:"power"`
}

// journal keeps the log.
type journal struct {
	mu  sync.Mutex
	log Log
}

func newJournal() *journal {
	j := new(journal)
	j.log.Streams = map[string]int{}
	j.reset()
	return j
}

// reset starts the log anew; downloads under way stay counted.
func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.log = Log{
		SOAP: map[string]int{}, Downloads: []Download{}, Leases: []LeaseEnd{}, Power: []PowerChange{},
		Streams: j.log.Streams, PeakStreams: map[string]int{},
	}
}

// read calls f with the log, which f must not keep.
func (j *journal) read(f func(*Log)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.log)
}

func (j *journal) call(method string) { j.read(func(l *Log) { l.SOAP[method]++ }) }

func (j *journal) lease(e LeaseEnd) { j.read(func(l *Log) { l.Leases = append(l.Leases, e) }) }

func (j *journal) sent(n int) { j.read(func(l *Log) { l.Bytes += int64(n) }) }

func (j *journal) power(c PowerChange) { j.read(func(l *Log) { l.Power = append(l.Power, c) }) }

func (j *journal) begin(d *Download) {
	j.read(func(l *Log) {
		l.Streams[d.Host]++
		l.PeakStreams[d.Host] = max(l.PeakStreams[d.Host], l.Streams[d.Host])
	})
}

func (j *journal) finish(d *Download) {
	j.read(func(l *Log) {
		l.Streams[d.Host]--
		l.Downloads = append(l.Downloads, *d)
	})
}
