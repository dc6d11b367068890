package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// builder fills the simulator through its own API, as a user would.
type builder struct {
	g      *rig
	ctx    context.Context
	client *vim25.Client
	sites  map[string]*site // by the datacenter's path
	first  *site
}

// site is a datacenter under construction.
type site struct {
	spec     Datacenter
	folders  *object.DatacenterFolders
	hosts    []*object.HostSystem
	networks map[string]plug
	turn     int
}

// build makes the inventory.
func build(g *rig, inv *Inventory) error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, g.model.Service)
	if err != nil {
		return err
	}
	b := &builder{g: g, ctx: ctx, client: client, sites: map[string]*site{}}
	for _, spec := range inv.Datacenters {
		if err := b.addDatacenter(spec, inv.ESXi); err != nil {
			return fmt.Errorf("datacenter %s: %w", spec.Path, err)
		}
	}
	for i := range inv.VMs {
		if err := b.addVM(&inv.VMs[i]); err != nil {
			return fmt.Errorf("VM %s: %w", inv.VMs[i].Name, err)
		}
	}
	return nil
}

func (b *builder) addDatacenter(spec Datacenter, standalone bool) error {
	dc, err := b.datacenter(spec.Path, standalone)
	if err != nil {
		return err
	}
	s := &site{spec: spec, networks: map[string]plug{}}
	if s.folders, err = dc.Folders(b.ctx); err != nil {
		return err
	}
	b.sites[spec.Path] = s
	if b.first == nil {
		b.first = s
	}
	if err := b.addHosts(s, standalone); err != nil {
		return err
	}
	if err := b.addDatastores(s); err != nil {
		return err
	}
	return b.addNetworks(s)
}

// datacenter makes a datacenter and the folders on the way to it; a standalone host has its only one already.
func (b *builder) datacenter(at string, standalone bool) (*object.Datacenter, error) {
	if standalone {
		return object.NewDatacenter(b.client, b.g.model.Map().Any("Datacenter").Reference()), nil
	}
	folder, err := b.descend(object.NewRootFolder(b.client), path.Dir(at))
	if err != nil {
		return nil, err
	}
	return folder.CreateDatacenter(b.ctx, path.Base(at))
}

// descend walks down folders, making those that are missing. A %2f in a name is a slash.
func (b *builder) descend(folder *object.Folder, at string) (*object.Folder, error) {
	for name := range strings.SplitSeq(at, "/") {
		if name == "" || name == "." {
			continue
		}
		this, ok := b.g.model.Map().Get(folder.Reference()).(*simulator.Folder)
		if !ok {
			return nil, fmt.Errorf("%s is no folder", folder.Reference())
		}
		if child := b.g.model.Map().FindByName(name, this.ChildEntity); child != nil {
			folder = object.NewFolder(b.client, child.Reference())
			continue
		}
		var err error
		if folder, err = folder.CreateFolder(b.ctx, strings.ReplaceAll(name, "%2f", "/")); err != nil {
			return nil, err
		}
	}
	return folder, nil
}

func (b *builder) addHosts(s *site, standalone bool) error {
	if standalone {
		host := b.g.model.Map().Any("HostSystem")
		s.hosts = []*object.HostSystem{object.NewHostSystem(b.client, host.Reference())}
		b.g.esxi[host.Entity().Name] = b.g.vcenter
		return nil
	}
	for _, name := range s.spec.Hosts {
		task, err := s.folders.HostFolder.AddStandaloneHost(b.ctx, types.HostConnectSpec{HostName: name}, true, nil, nil)
		if err != nil {
			return err
		}
		info, err := task.WaitForResult(b.ctx)
		if err != nil {
			return err
		}
		cr := info.Result.(types.ManagedObjectReference)
		s.hosts = append(s.hosts, object.NewHostSystem(b.client, cr))
		if b.g.esxi[name] == nil {
			if b.g.esxi[name], err = listen(name, b.g.ca, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *builder) addDatastores(s *site) error {
	for _, name := range s.spec.Datastores {
		folder := filepath.Join(b.g.storage, uuid.NewString())
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
		for _, host := range s.hosts {
			system, err := host.ConfigManager().DatastoreSystem(b.ctx)
			if err != nil {
				return err
			}
			if _, err := system.CreateLocalDatastore(b.ctx, name, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// addVM makes a VM, and the others of its count as copies of it.
func (b *builder) addVM(v *VM) error {
	s := b.first
	if v.Datacenter != "" {
		s = b.sites[v.Datacenter]
	}
	if s == nil {
		return fmt.Errorf("no datacenter %s", v.Datacenter)
	}
	folder, err := b.descend(s.folders.VmFolder, v.Folder)
	if err != nil {
		return err
	}
	first := *v
	if v.Count > 1 {
		first.Name = numbered(v.Name, 1)
	}
	vm, err := b.create(s, folder, &first)
	if err != nil {
		return err
	}
	for i := 2; i <= v.Count; i++ {
		b.copy(vm, numbered(v.Name, i), i)
	}
	return nil
}

func numbered(name string, i int) string { return fmt.Sprintf("%s-%05d", name, i) }

// create makes one VM through the API and then sets what the API does not let a user set.
func (b *builder) create(s *site, folder *object.Folder, v *VM) (*simulator.VirtualMachine, error) {
	host, err := b.place(s, v.Host)
	if err != nil {
		return nil, err
	}
	pool, err := host.ResourcePool(b.ctx)
	if err != nil {
		return nil, err
	}
	task, err := folder.CreateVM(b.ctx, configSpec(v, s.spec.Datastores[0]), pool, host)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(b.ctx)
	if err != nil {
		return nil, err
	}
	vm := b.g.model.Map().Get(info.Result.(types.ManagedObjectReference)).(*simulator.VirtualMachine)
	if err := b.equip(s, vm, v); err != nil {
		return nil, err
	}
	return vm, b.settle(vm, v)
}

func (b *builder) place(s *site, name string) (*object.HostSystem, error) {
	if name == "" {
		s.turn++
		return s.hosts[s.turn%len(s.hosts)], nil
	}
	for _, host := range s.hosts {
		if b.g.model.Map().Get(host.Reference()).(mo.Entity).Entity().Name == name {
			return host, nil
		}
	}
	return nil, fmt.Errorf("no host %s", name)
}

func configSpec(v *VM, datastore string) types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{
		Name: v.Name, GuestId: v.GuestID, NumCPUs: v.CPUs, NumCoresPerSocket: types.NewInt32(v.CoresPerSocket),
		MemoryMB: v.MemoryMB, Firmware: v.Firmware, Version: v.HardwareVersion, Annotation: v.Annotation,
		Uuid: v.UUID, InstanceUuid: v.InstanceUUID,
		BootOptions: &types.VirtualMachineBootOptions{EfiSecureBootEnabled: types.NewBool(v.SecureBoot)},
		Files:       &types.VirtualMachineFileInfo{VmPathName: "[" + datastore + "]"},
	}
}

// settle takes the snapshots and switches the VM on, where it should have or be so.
func (b *builder) settle(vm *simulator.VirtualMachine, v *VM) error {
	this := object.NewVirtualMachine(b.client, vm.Self)
	for _, name := range v.Snapshots {
		task, err := this.CreateSnapshot(b.ctx, name, "", false, false)
		if err == nil {
			err = task.Wait(b.ctx)
		}
		if err != nil {
			return err
		}
	}
	switch v.Power {
	case "poweredOff":
		return nil
	case "suspended":
		defer func() { setPower(vm, types.VirtualMachinePowerStateSuspended) }()
	}
	task, err := this.PowerOn(b.ctx)
	if err != nil {
		return err
	}
	return task.Wait(b.ctx)
}

func setPower(vm *simulator.VirtualMachine, state types.VirtualMachinePowerState) {
	vm.Runtime.PowerState, vm.Summary.Runtime.PowerState = state, state
}

// copy adds a VM like another, under a new name, with UUIDs and MAC addresses of its own. Ten thousand of them take
// less than a second; through the API each would make a folder of files.
func (b *builder) copy(from *simulator.VirtualMachine, name string, number int) {
	registry := b.g.model.Map()
	vm := &simulator.VirtualMachine{VirtualMachine: from.VirtualMachine}
	registry.NewEntity(vm)
	config, guest := *from.Config, *from.Guest
	config.Name, config.Uuid, config.InstanceUuid = name, uuid.NewString(), uuid.NewString()
	config.Hardware.Device = copyDevices(config.Hardware.Device, number)
	vm.Config, vm.Guest, vm.Name = &config, &guest, name
	vm.Summary.Config.Name, vm.Summary.Config.Uuid = name, config.Uuid
	vm.Summary.Config.InstanceUuid, vm.Summary.Vm = config.InstanceUuid, &vm.Self
	folder := registry.Get(*from.Parent).(*simulator.Folder)
	folder.ChildEntity = append(folder.ChildEntity, vm.Self)
	registry.PutEntity(folder, vm)
	host := registry.Get(*vm.Runtime.Host).(*simulator.HostSystem)
	host.Vm = append(host.Vm, vm.Self)
	b.g.machines[vm.Self] = b.g.machines[from.Self]
}
