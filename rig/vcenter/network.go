package main

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// plug is a network to put a card into.
type plug struct {
	ref     types.ManagedObjectReference
	backing types.BaseVirtualDeviceBackingInfo
}

func (b *builder) addNetworks(s *site) error {
	switches := map[string]*object.DistributedVirtualSwitch{}
	for _, n := range s.spec.Networks {
		var err error
		switch n.Kind {
		case "distributed":
			err = b.addPortGroup(s, n, switches)
		case "opaque":
			err = b.addOpaque(s, n)
		default:
			err = b.addStandard(s, n)
		}
		if err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return nil
}

// network finds a network of the datacenter by its name.
func (b *builder) network(s *site, name string) (types.ManagedObjectReference, bool) {
	folder := b.g.model.Map().Get(s.folders.NetworkFolder.Reference()).(*simulator.Folder)
	found := b.g.model.Map().FindByName(name, folder.ChildEntity)
	if found == nil {
		return types.ManagedObjectReference{}, false
	}
	return found.Reference(), true
}

// addStandard adds a port group of every host's vSwitch0; "VM Network" is on each new host already.
func (b *builder) addStandard(s *site, n Network) error {
	if _, ok := b.network(s, n.Name); !ok {
		system, err := s.hosts[0].ConfigManager().NetworkSystem(b.ctx)
		if err != nil {
			return err
		}
		if err := system.AddPortGroup(b.ctx, types.HostPortGroupSpec{Name: n.Name, VswitchName: "vSwitch0"}); err != nil {
			return err
		}
	}
	ref, _ := b.network(s, n.Name)
	s.networks[n.Name] = plug{ref, &types.VirtualEthernetCardNetworkBackingInfo{
		VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: n.Name}, Network: &ref,
	}}
	return nil
}

// addPortGroup adds a distributed port group, and its switch where it is the first of it.
func (b *builder) addPortGroup(s *site, n Network, switches map[string]*object.DistributedVirtualSwitch) error {
	if switches[n.Switch] == nil {
		spec := types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{DVSConfigSpec: types.DVSConfigSpec{Name: n.Switch}}}
		task, err := s.folders.NetworkFolder.CreateDVS(b.ctx, spec)
		if err != nil {
			return err
		}
		info, err := task.WaitForResult(b.ctx)
		if err != nil {
			return err
		}
		switches[n.Switch] = object.NewDistributedVirtualSwitch(b.client, info.Result.(types.ManagedObjectReference))
	}
	spec := types.DVPortgroupConfigSpec{Name: n.Name, NumPorts: 1, Type: "earlyBinding"}
	task, err := switches[n.Switch].AddPortgroup(b.ctx, []types.DVPortgroupConfigSpec{spec})
	if err != nil {
		return err
	}
	if err := task.Wait(b.ctx); err != nil {
		return err
	}
	ref, _ := b.network(s, n.Name)
	backing, err := object.NewDistributedVirtualPortgroup(b.client, ref).EthernetCardBackingInfo(b.ctx)
	s.networks[n.Name] = plug{ref, backing}
	return err
}

// addOpaque adds a network that NSX manages.
func (b *builder) addOpaque(s *site, n Network) error {
	id := n.ID
	if id == "" {
		id = uuid.NewString()
	}
	folder := b.g.model.Map().Get(s.folders.NetworkFolder.Reference()).(*simulator.Folder)
	summary := types.OpaqueNetworkSummary{
		NetworkSummary:    types.NetworkSummary{Name: n.Name},
		OpaqueNetworkId:   id,
		OpaqueNetworkType: "nsx.LogicalSwitch",
	}
	if err := folder.AddOpaqueNetwork(b.g.context(), summary); err != nil {
		return err
	}
	ref, _ := b.network(s, n.Name)
	s.networks[n.Name] = plug{ref, &types.VirtualEthernetCardOpaqueNetworkBackingInfo{
		OpaqueNetworkId: id, OpaqueNetworkType: summary.OpaqueNetworkType,
	}}
	return nil
}
