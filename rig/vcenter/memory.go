package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

// memory is what a vCenter knows again after it was killed: its address, its authority, and the power of its VMs,
// which are the ESXi hosts' and not its own. Sessions and leases end with it, as they do for real.
type memory struct {
	folder            string // nothing is kept where it is empty
	port, controlPort int    // any free ones where they are 0
}

func (m *memory) file(name string) string { return filepath.Join(m.folder, name) }

// authority reads the authority's certificate and key; false where there are none yet.
func (m *memory) authority(a *authority) bool {
	if m.folder == "" {
		return false
	}
	data, err := os.ReadFile(m.file("authority.pem"))
	if err != nil {
		return false
	}
	cert, rest := pem.Decode(data)
	key, _ := pem.Decode(rest)
	if a.cert, err = x509.ParseCertificate(cert.Bytes); err != nil {
		return false
	}
	a.key, err = x509.ParseECPrivateKey(key.Bytes)
	return err == nil
}

// keep writes the authority down.
func (m *memory) keep(a *authority) error {
	if m.folder == "" {
		return nil
	}
	key, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})...)
	return os.WriteFile(m.file("authority.pem"), data, 0o600)
}

// power notes a VM's power. A line is one write, so that no end of the process leaves a part of it.
func (m *memory) power(moref, state string) {
	if m.folder == "" {
		return
	}
	file, err := os.OpenFile(m.file("power"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err) // a rig that forgets would have the tests blame the wrong one
	}
	defer func() { _ = file.Close() }()
	if _, err := fmt.Fprintf(file, "%s %s\n", moref, state); err != nil {
		panic(err)
	}
}

// powers are the last states that were noted, by moref. The same inventory gives the same morefs each time.
func (m *memory) powers() map[string]string {
	last := map[string]string{}
	if m.folder == "" {
		return last
	}
	file, err := os.Open(m.file("power"))
	if err != nil {
		return last
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		moref, state, _ := strings.Cut(lines.Text(), " ")
		last[moref] = state
	}
	return last
}

// recall switches the VMs to what they were before this process was started.
func (g *rig) recall() error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, g.model.Service)
	if err != nil {
		return err
	}
	powers := g.memory.powers()
	for _, e := range g.model.Map().All("VirtualMachine") {
		vm := e.(*simulator.VirtualMachine)
		state, noted := powers[vm.Self.Value]
		if !noted || state == string(vm.Runtime.PowerState) {
			continue
		}
		this := object.NewVirtualMachine(client, vm.Self)
		change := this.PowerOff
		if state == string(types.VirtualMachinePowerStatePoweredOn) {
			change = this.PowerOn
		}
		task, err := change(ctx)
		if err == nil {
			err = task.Wait(ctx)
		}
		if err != nil {
			return err
		}
		setToolsRunning(&vm.VirtualMachine, state == string(types.VirtualMachinePowerStatePoweredOn))
	}
	return nil
}
