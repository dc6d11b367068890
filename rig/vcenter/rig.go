package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// rig is the running simulator and all that the tests may ask of it.
type rig struct {
	username, password string

	ca      *authority
	model   *simulator.Model
	storage string // the folder that holds the datastores' files
	vcenter *endpoint
	esxi    map[string]*endpoint // by host name
	control net.Listener
	journal *journal
	memory  *memory

	mu       sync.Mutex
	faults   Faults
	machines map[types.ManagedObjectReference]*machine
	leases   map[string]*lease
	cut      chan struct{} // closed when every download under way is to be cut
}

// machine is what the rig knows of a VM beyond what the API shows.
type machine struct {
	shutdown Shutdown
	disks    map[int32]*diskState // by device key
}

// start makes the inventory and opens every listener.
func start(inv *Inventory, username, password string, selfSigned bool, again *memory) (*rig, error) {
	g := &rig{
		username: username, password: password,
		esxi:     map[string]*endpoint{},
		journal:  newJournal(),
		machines: map[types.ManagedObjectReference]*machine{},
		leases:   map[string]*lease{},
		memory:   again,
		cut:      make(chan struct{}),
	}
	var err error
	if g.ca, err = newAuthority(selfSigned, again); err != nil {
		return nil, err
	}
	if g.storage, err = os.MkdirTemp("", "thresher-vcenter-"); err != nil {
		return nil, err
	}
	if g.vcenter, err = listen("vcenter", g.ca, again.port); err != nil {
		return nil, err
	}
	if err := g.simulate(inv); err != nil {
		g.stop()
		return nil, err
	}
	if err := g.serve(inv.ESXi); err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

// simulate creates the model and fills it.
func (g *rig) simulate(inv *Inventory) error {
	g.model = simulator.VPX()
	if inv.ESXi {
		g.model = simulator.ESX()
	}
	// Clients speak the API's version that the server states, and miss what came after it.
	about := &g.model.ServiceContent.About
	about.Version, about.ApiVersion = "8.0.3", "8.0.3.0"
	// The inventory file says all that there is.
	g.model.Datacenter, g.model.Machine, g.model.Datastore = 0, 0, 0
	if err := g.model.Create(); err != nil {
		return err
	}
	service := g.model.Service
	service.Listen = &url.URL{
		Host: fmt.Sprintf("127.0.0.1:%d", g.vcenter.port()),
		User: url.UserPassword(g.username, g.password),
	}
	service.RegisterSDK(g.model.Map(), vim25.Path+"/vimService")
	g.model.Map().Handler = g.hook
	if err := build(g, inv); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	if err := g.recall(); err != nil {
		return fmt.Errorf("power: %w", err)
	}
	g.model.Map().AddHandler(newPowerWatch(g))
	return nil
}

// serve answers on every listener: vCenter, each ESXi host, and the tests' control.
func (g *rig) serve(standalone bool) error {
	mux := g.model.Service.ServeMux
	mux.HandleFunc(vim25.Path+"/vimServiceVersions.xml", g.model.Service.ServiceVersions)
	mux.HandleFunc("/folder/", g.serveFolder)
	for name, host := range g.esxi {
		nfc := http.NewServeMux()
		nfc.HandleFunc("GET /nfc/{lease}/{file}", g.serveNFC(name))
		if standalone { // the host is the server that the client logged in to
			mux.Handle("/nfc/", nfc)
			continue
		}
		host.serve(nfc)
	}
	g.vcenter.serve(g.unavailable(mux))
	var err error
	if g.control, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", g.memory.controlPort)); err != nil {
		return err
	}
	server := &http.Server{Handler: g.controls(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(g.control) }()
	return nil
}

// stop removes the files that the simulator made.
func (g *rig) stop() {
	if g.model != nil {
		g.model.Remove()
	}
	_ = os.RemoveAll(g.storage)
}

func (g *rig) sdkURL() string     { return g.vcenterURL() + vim25.Path }
func (g *rig) controlURL() string { return "http://" + g.control.Addr().String() }
func (g *rig) vcenterURL() string { return fmt.Sprintf("https://127.0.0.1:%d", g.vcenter.port()) }

// context is the rig's own identity towards the simulator, a new one for each use: locks are held by identity.
func (g *rig) context() *simulator.Context {
	ctx := *g.model.Service.Context
	return &ctx
}

// machine looks a VM's state up; nil where the object is no VM of the inventory.
func (g *rig) machine(ref types.ManagedObjectReference) *machine {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machines[ref]
}
