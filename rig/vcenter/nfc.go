package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// chunk is how much is sent at once, unless the link is slow.
const chunk = 64 << 10

// open opens the file's bytes.
func (f nfcFile) open() (io.ReadCloser, error) {
	if f.path == "" {
		return io.NopCloser(strings.NewReader(f.data)), nil
	}
	return os.Open(f.path)
}

// serveNFC serves the files of leases as the ESXi host of that name: chunked, of unstated length, without Range.
func (g *rig) serveNFC(host string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		l, faults := g.leases[r.PathValue("lease")], g.faults
		g.mu.Unlock()
		entry := &Download{Host: host, File: r.PathValue("file"), Range: r.Header.Get("Range"), Status: http.StatusOK}
		g.journal.begin(entry)
		defer g.journal.finish(entry)
		if faults.NFCStatus != 0 {
			entry.Status = faults.NFCStatus
			http.Error(w, http.StatusText(entry.Status), entry.Status)
			return
		}
		if l == nil || l.host != host || l.State != types.HttpNfcLeaseStateReady || !l.serves(entry.File) {
			entry.Status = http.StatusNotFound
			http.NotFound(w, r)
			return
		}
		entry.VM = l.name
		g.send(w, l, entry)
	}
}

func (l *lease) serves(file string) bool {
	_, ok := l.files[file]
	return ok
}

// send sends a file's bytes, and whatever fault is due on the way.
func (g *rig) send(w http.ResponseWriter, l *lease, entry *Download) {
	file, err := l.files[entry.File].open()
	if err != nil {
		entry.Status = http.StatusInternalServerError
		http.Error(w, err.Error(), entry.Status)
		return
	}
	defer func() { _ = file.Close() }()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	w.WriteHeader(http.StatusOK)
	flush(w)
	s := &stream{w: w, l: l, entry: entry, cut: -1, failAt: -1, rate: func() int64 { return 0 }}
	if l.files[entry.File].disk {
		s.arm(g)
	}
	buffer := make([]byte, s.chunk())
	for {
		n, err := io.ReadFull(file, buffer)
		if n > 0 {
			s.write(buffer[:n])
		}
		if err != nil { // the end
			return
		}
	}
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// stream is one download under way.
type stream struct {
	w      http.ResponseWriter
	l      *lease
	entry  *Download
	cut    int64 // cut the connection after so many bytes; never where negative
	failAt int64 // fail the lease once it has served so many bytes; never where negative
	rate   func() int64  // bytes a second at this moment; as fast as it goes where it is 0
	broken chan struct{} // closed when the connection is to be cut; nil for never
}

// arm takes the faults that are due for a disk.
func (s *stream) arm(g *rig) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.rate, s.broken = g.rate, g.cut
	if after := g.faults.LeaseErrorAfter; after != nil {
		s.failAt = *after
	}
	if g.faults.CutTimes > 0 {
		g.faults.CutTimes--
		s.cut = g.faults.CutAfter
	}
}

// chunk is small enough on a slow link that bytes trickle about twenty times a second.
func (s *stream) chunk() int64 {
	rate := s.rate()
	if rate <= 0 {
		return chunk
	}
	return min(chunk, max(1, rate/20))
}

// rate is how fast each stream is now, so that a link can slow down while it is in use.
func (g *rig) rate() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults.BytesPerSecond
}

// cutAll cuts the connections of all downloads under way.
func (g *rig) cutAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.cut)
	g.cut = make(chan struct{})
}

// write sends one buffer. It panics with http.ErrAbortHandler to cut the connection: without the last chunk, so that
// the client cannot take what it has for all.
func (s *stream) write(p []byte) {
	if s.cut >= 0 && s.entry.Bytes+int64(len(p)) > s.cut {
		p = p[:s.cut-s.entry.Bytes]
	}
	if rate := s.rate(); rate > 0 {
		select {
		case <-s.l.ended:
		case <-s.broken:
		case <-time.After(time.Duration(float64(len(p)) / float64(rate) * float64(time.Second))):
		}
	}
	select {
	case <-s.l.ended:
		panic(http.ErrAbortHandler)
	case <-s.broken:
		panic(http.ErrAbortHandler)
	default:
	}
	n, err := s.w.Write(p)
	s.entry.Bytes += int64(n)
	s.l.g.journal.sent(n)
	served := s.l.served.Add(int64(n))
	if s.failAt >= 0 && served >= s.failAt {
		s.l.fail("A general system error occurred: injected by the test", &types.SystemError{Reason: "injected"})
	}
	if s.cut >= 0 && s.entry.Bytes >= s.cut {
		flush(s.w)
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// serveFolder serves the files of datastores, with Range, to those who are logged in.
func (g *rig) serveFolder(w http.ResponseWriter, r *http.Request) {
	entry := &Download{File: strings.TrimPrefix(r.URL.Path, "/folder/"), Range: r.Header.Get("Range")}
	g.journal.begin(entry)
	defer g.journal.finish(entry)
	if !g.authenticated(r) {
		entry.Status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "unauthorized", entry.Status)
		return
	}
	g.model.Service.ServeDatastore(&counted{w, entry}, r)
}

// counted notes what a handler answers.
type counted struct {
	http.ResponseWriter
	entry *Download
}

// WriteHeader notes the status.
func (c *counted) WriteHeader(status int) {
	c.entry.Status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.entry.Bytes += int64(n)
	return n, err
}

// linkRaw puts a disk's raw file where its datastore keeps the -flat.vmdk.
func (b *builder) linkRaw(vm *simulator.VirtualMachine, index int, d *Disk) error {
	if d.Raw == "" {
		return nil
	}
	datastore := b.g.model.Map().Get(vm.Datastore[0]).(*simulator.Datastore)
	_, inside, _ := strings.Cut(vm.Config.Files.VmPathName, "] ")
	folder := filepath.Join(datastore.Summary.Url, filepath.Dir(inside))
	return os.Symlink(d.Raw, filepath.Join(folder, flatName(vm.Name, index)))
}
