package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// exVM is a VM with the methods that the simulator lacks, as one session sees it. The simulator prefers a session's
// own object to the global one, and asserts the global one's type: so the wrapper lives in the session alone.
type exVM struct {
	*simulator.VirtualMachine
	g *rig
}

// exSnapshot is likewise a snapshot that can be exported.
type exSnapshot struct {
	*simulator.VirtualMachineSnapshot
	g *rig
}

// extend puts the wrapper of a called object into the caller's session, and drops wrappers of what no longer is.
func (g *rig) extend(ctx *simulator.Context, ref types.ManagedObjectReference) {
	if ctx.Session == nil {
		return
	}
	for _, kind := range []string{"VirtualMachine", "VirtualMachineSnapshot"} {
		for _, own := range ctx.Session.AllReference(kind) {
			if ctx.Map.Get(own.Reference()) == nil {
				ctx.Session.Registry.Remove(ctx, own.Reference())
			}
		}
	}
	if ctx.Session.Registry.Get(ref) != nil {
		return
	}
	switch o := ctx.Map.Get(ref).(type) {
	case *simulator.VirtualMachine:
		ctx.Session.Put(&exVM{o, g})
	case *simulator.VirtualMachineSnapshot:
		ctx.Session.Put(&exSnapshot{o, g})
	case *simulator.AuthorizationManager:
		ctx.Session.Put(&exAuthorization{o, g})
	}
}

// ExportVm opens a lease on a VM that is off.
func (v *exVM) ExportVm(ctx *simulator.Context, _ *types.ExportVm) soap.HasFault {
	if state := v.Runtime.PowerState; state != types.VirtualMachinePowerStatePoweredOff {
		return &methods.ExportVmBody{Fault_: simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: state,
		})}
	}
	ref := v.g.openLease(ctx, v.VirtualMachine, v.Config.Hardware.Device, true)
	return &methods.ExportVmBody{Res: &types.ExportVmResponse{Returnval: ref}}
}

// ExportSnapshot opens a lease on a snapshot's disks; the VM may run and stays usable.
func (s *exSnapshot) ExportSnapshot(ctx *simulator.Context, _ *types.ExportSnapshot) soap.HasFault {
	vm := ctx.Map.Get(s.Vm).(*simulator.VirtualMachine)
	ref := s.g.openLease(ctx, vm, s.Config.Hardware.Device, false)
	return &methods.ExportSnapshotBody{Res: &types.ExportSnapshotResponse{Returnval: ref}}
}

// CreateSnapshotTask gives each tracked disk a new change id first.
func (v *exVM) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	v.g.nextGeneration(v.VirtualMachine)
	return v.VirtualMachine.CreateSnapshotTask(ctx, req)
}

// CreateSnapshotExTask likewise.
func (v *exVM) CreateSnapshotExTask(ctx *simulator.Context, req *types.CreateSnapshotEx_Task) soap.HasFault {
	v.g.nextGeneration(v.VirtualMachine)
	return v.VirtualMachine.CreateSnapshotExTask(ctx, req)
}
