package main

import (
	"encoding/json"
	"net/http"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Session is an open session.
type Session struct {
	Key   string `json:"key"`
	User  string `json:"user"`
	Calls int64  `json:"calls"`
}

// Lease is an open lease.
type Lease struct {
	VM       string `json:"vm"`
	Host     string `json:"host"`
	State    string `json:"state"`
	Progress int32  `json:"progress"`
}

// Machine is a VM as it is now.
type Machine struct {
	Moref     string   `json:"moref"`
	Name      string   `json:"name"`
	Power     string   `json:"power"`
	Host      string   `json:"host"`
	Snapshots []string `json:"snapshots"`
}

// Endpoint is a server's certificate: the CA that issued it and its SHA-256.
type Endpoint struct {
	CA          string `json:"ca"`
	Fingerprint string `json:"fingerprint"`
	Thumbprint  string `json:"thumbprint"`
}

// controls is the tests' own door, plain HTTP and JSON.
func (g *rig) controls() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /faults", accept(func(f *Faults) error { g.setFaults(*f); return nil }))
	mux.HandleFunc("POST /expire", accept(func(*struct{}) error { g.expireSessions(); return nil }))
	mux.HandleFunc("POST /cut", accept(func(*struct{}) error { g.cutAll(); return nil }))
	mux.HandleFunc("POST /time-out", accept(func(*struct{}) error { g.timeOutAll(); return nil }))
	mux.HandleFunc("POST /certificate", accept(g.renewCertificate))
	mux.HandleFunc("POST /shutdown", accept(g.setShutdown))
	mux.HandleFunc("POST /write", accept(g.guestWrote))
	mux.HandleFunc("DELETE /log", accept(func(*struct{}) error { g.journal.reset(); return nil }))
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) {
		g.journal.read(func(l *Log) { answer(w, l) })
	})
	mux.HandleFunc("GET /sessions", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.listSessions()) })
	mux.HandleFunc("GET /leases", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.listLeases()) })
	mux.HandleFunc("GET /vms", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.listMachines()) })
	mux.HandleFunc("GET /endpoints", func(w http.ResponseWriter, _ *http.Request) { answer(w, g.listEndpoints()) })
	return mux
}

// accept decodes a request's JSON for a handler.
func accept[T any](handle func(*T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value := new(T)
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		err := decoder.Decode(value)
		if err == nil {
			err = handle(value)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

type which struct {
	// Host is an ESXi host; vCenter itself where it is empty.
	Host string `json:"host"`
}

func (g *rig) renewCertificate(w *which) error {
	if w.Host == "" {
		return g.vcenter.renew()
	}
	host, ok := g.esxi[w.Host]
	if !ok {
		return &unknown{"host", w.Host}
	}
	return host.renew()
}

type unknown struct{ kind, name string }

func (u *unknown) Error() string { return "no " + u.kind + " " + u.name }

type shutdownOf struct {
	Moref string `json:"moref"`
	Shutdown
}

func (g *rig) setShutdown(s *shutdownOf) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.machines[types.ManagedObjectReference{Type: "VirtualMachine", Value: s.Moref}]
	if !ok {
		return &unknown{"VM", s.Moref}
	}
	m.shutdown = s.Shutdown
	return nil
}

type guestWrite struct {
	Moref  string `json:"moref"`
	Key    int32  `json:"key"`
	Start  int64  `json:"start"`
	Length int64  `json:"length"`
}

// guestWrote notes for changed block tracking that a guest wrote to its disk.
func (g *rig) guestWrote(q *guestWrite) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	m, ok := g.machines[types.ManagedObjectReference{Type: "VirtualMachine", Value: q.Moref}]
	if !ok || m.disks[q.Key] == nil {
		return &unknown{"disk of VM", q.Moref}
	}
	disk := m.disks[q.Key]
	disk.writes = append(disk.writes, write{disk.generation, q.Start, q.Length})
	return nil
}

func (g *rig) listSessions() []Session {
	list := []Session{}
	for _, s := range g.sessions() {
		list = append(list, Session{Key: s.Key, User: s.UserName, Calls: s.CallCount})
	}
	return list
}

func (g *rig) listLeases() []Lease {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := []Lease{}
	for _, l := range g.leases {
		list = append(list, Lease{VM: l.name, Host: l.host, State: string(l.State), Progress: l.TransferProgress})
	}
	return list
}

func (g *rig) listMachines() []Machine {
	list := []Machine{}
	registry := g.model.Map()
	for _, e := range registry.All("VirtualMachine") {
		vm := e.(*simulator.VirtualMachine)
		m := Machine{Moref: vm.Self.Value, Name: vm.Name, Power: string(vm.Runtime.PowerState), Snapshots: []string{}}
		m.Host = registry.Get(*vm.Runtime.Host).(*simulator.HostSystem).Name
		if vm.Snapshot != nil {
			m.Snapshots = snapshotNames(vm.Snapshot.RootSnapshotList)
		}
		list = append(list, m)
	}
	return list
}

func snapshotNames(tree []types.VirtualMachineSnapshotTree) []string {
	names := []string{}
	for _, s := range tree {
		names = append(append(names, s.Name), snapshotNames(s.ChildSnapshotList)...)
	}
	return names
}

// listEndpoints are the servers by name; vCenter's is empty.
func (g *rig) listEndpoints() map[string]Endpoint {
	list := map[string]Endpoint{"": g.vcenter.describe()}
	for name, host := range g.esxi {
		list[name] = host.describe()
	}
	return list
}

func (e *endpoint) describe() Endpoint {
	return Endpoint{CA: e.ca.pem(e.certificate()), Fingerprint: e.fingerprint(), Thumbprint: e.thumbprint()}
}
