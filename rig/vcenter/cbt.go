package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// diskState is what changed block tracking knows of a disk. The rig's mutex guards it.
type diskState struct {
	spec       Disk
	bytes      int64
	generation int // how many snapshots there were
	writes     []write
}

// write is something the guest wrote after snapshot number generation.
type write struct {
	generation    int
	start, length int64
}

// flatName is the data file of a VM's disk.
func flatName(vm string, index int) string { return fmt.Sprintf("%s_%d-flat.vmdk", vm, index) }

// changeID looks like vSphere's: a UUID of the tracking file, a slash, a sequence number.
func changeID(generation int) string {
	return fmt.Sprintf("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/%d", generation)
}

// generationOf reads a change id.
func generationOf(id string) (int, error) {
	_, number, found := strings.Cut(id, "/")
	if !found {
		return 0, errors.New("no sequence number")
	}
	generation := 0
	_, err := fmt.Sscanf(number, "%d", &generation)
	return generation, err
}

// nextGeneration gives each disk of a tracked VM its next change id, which the snapshot then records.
func (g *rig) nextGeneration(vm *simulator.VirtualMachine) {
	if on := vm.Config.ChangeTrackingEnabled; on == nil || !*on {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range vm.Config.Hardware.Device {
		disk, ok := d.(*types.VirtualDisk)
		if !ok {
			continue
		}
		if flat, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
			state := g.machines[vm.Self].disks[disk.Key]
			state.generation++
			flat.ChangeId = changeID(state.generation)
		}
	}
}

// QueryChangedDiskAreas says what changed between a change id and a snapshot; for "*", what is in use at all.
func (v *exVM) QueryChangedDiskAreas(ctx *simulator.Context, r *types.QueryChangedDiskAreas) soap.HasFault {
	body := new(methods.QueryChangedDiskAreasBody)
	devices, fault := v.devicesAt(ctx, r.Snapshot)
	if fault != nil {
		body.Fault_ = fault
		return body
	}
	disk, ok := devices.FindByKey(r.DeviceKey).(*types.VirtualDisk)
	if !ok {
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "deviceKey"})
		return body
	}
	flat, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok || flat.ChangeId == "" {
		body.Fault_ = simulator.Fault("Error caused by file", &types.FileFault{File: v.Name})
		return body
	}
	from, err := 0, error(nil)
	if r.ChangeId != "*" {
		from, err = generationOf(r.ChangeId)
	}
	until, _ := generationOf(flat.ChangeId)
	if err != nil || from > until || r.StartOffset < 0 || r.StartOffset >= disk.CapacityInBytes {
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "changeId"})
		return body
	}
	areas := v.g.changed(v.Self, r.DeviceKey, from, until)
	if r.ChangeId == "*" {
		areas = append(areas, v.g.allocated(v.Self, r.DeviceKey)...)
	}
	body.Res = &types.QueryChangedDiskAreasResponse{Returnval: types.DiskChangeInfo{
		StartOffset: r.StartOffset, Length: disk.CapacityInBytes - r.StartOffset,
		ChangedArea: merge(areas, r.StartOffset),
	}}
	return body
}

// devicesAt are the VM's devices at a snapshot, or now.
func (v *exVM) devicesAt(
	ctx *simulator.Context, ref *types.ManagedObjectReference,
) (object.VirtualDeviceList, *soap.Fault) {
	if ref == nil {
		return v.Config.Hardware.Device, nil
	}
	snapshot, ok := ctx.Map.Get(*ref).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return nil, simulator.Fault("", &types.ManagedObjectNotFound{Obj: *ref})
	}
	return snapshot.Config.Hardware.Device, nil
}

func (g *rig) changed(vm types.ManagedObjectReference, key int32, from, until int) []types.DiskChangeExtent {
	g.mu.Lock()
	defer g.mu.Unlock()
	var areas []types.DiskChangeExtent
	for _, w := range g.machines[vm].disks[key].writes {
		if w.generation >= from && w.generation < until {
			areas = append(areas, types.DiskChangeExtent{Start: w.start, Length: w.length})
		}
	}
	return areas
}

// allocated asks the file system where a disk's raw file has data.
func (g *rig) allocated(vm types.ManagedObjectReference, key int32) []types.DiskChangeExtent {
	const seekData, seekHole = 3, 4 // lseek(2)
	file, err := os.Open(g.machine(vm).disks[key].spec.Raw)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var areas []types.DiskChangeExtent
	for hole := int64(0); ; {
		data, err := file.Seek(hole, seekData)
		if err != nil { // ENXIO: no data after this
			return areas
		}
		if hole, err = file.Seek(data, seekHole); err != nil {
			return areas
		}
		areas = append(areas, types.DiskChangeExtent{Start: data, Length: hole - data})
	}
}

// merge sorts areas, joins those that overlap or touch, and drops what lies before start.
func merge(areas []types.DiskChangeExtent, start int64) []types.DiskChangeExtent {
	slices.SortFunc(areas, func(a, b types.DiskChangeExtent) int { return int(a.Start - b.Start) })
	var merged []types.DiskChangeExtent
	for _, a := range areas {
		end := a.Start + a.Length
		if a.Start = max(a.Start, start); a.Start >= end {
			continue
		}
		if n := len(merged) - 1; n >= 0 && a.Start <= merged[n].Start+merged[n].Length {
			merged[n].Length = max(merged[n].Length, end-merged[n].Start)
			continue
		}
		merged = append(merged, types.DiskChangeExtent{Start: a.Start, Length: end - a.Start})
	}
	return merged
}
