package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ShutdownGuest asks the guest, which takes its time, or never answers, or has no VMware Tools to hear it.
func (v *exVM) ShutdownGuest(ctx *simulator.Context, r *types.ShutdownGuest) soap.HasFault {
	if v.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return v.VirtualMachine.ShutdownGuest(ctx, r) // InvalidPowerState
	}
	if v.Guest.ToolsRunningStatus != string(types.VirtualMachineToolsRunningStatusGuestToolsRunning) {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault("", new(types.ToolsUnavailable))}
	}
	v.g.mu.Lock()
	how := v.g.machines[v.Self].shutdown
	v.g.mu.Unlock()
	if !how.Never && how.Seconds == 0 {
		return v.VirtualMachine.ShutdownGuest(ctx, r)
	}
	if !how.Never {
		time.AfterFunc(time.Duration(how.Seconds*float64(time.Second)), func() {
			v.VirtualMachine.PowerOffVMTask(v.g.context(), &types.PowerOffVM_Task{This: v.Self})
		})
	}
	return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
}

// powerWatch is told of every property that changes. It keeps the guest's state in step with the VM's power, which
// the simulator does not, and writes each change of power down.
type powerWatch struct{ g *rig }

func newPowerWatch(g *rig) *powerWatch { return &powerWatch{g} }

// Reference makes it a managed object, as handlers must be.
func (*powerWatch) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "PowerWatch", Value: "power-watch"}
}

// PutObject has nothing to do.
func (*powerWatch) PutObject(*simulator.Context, mo.Reference) {}

// RemoveObject has nothing to do.
func (*powerWatch) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}

// UpdateObject looks for a VM whose power changed.
func (p *powerWatch) UpdateObject(_ *simulator.Context, o mo.Reference, changes []types.PropertyChange) {
	vm, ok := o.(*mo.VirtualMachine)
	if !ok {
		return
	}
	for _, change := range changes {
		if change.Name == "runtime.powerState" {
			setToolsRunning(vm, vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn)
			p.g.memory.power(vm.Self.Value, string(vm.Runtime.PowerState))
			p.g.journal.power(PowerChange{VM: vm.Name, Moref: vm.Self.Value, Power: string(vm.Runtime.PowerState)})
		}
	}
}

// setToolsRunning says whether VMware Tools run, which takes that they are installed and started, and power.
func setToolsRunning(vm *mo.VirtualMachine, powered bool) {
	status := types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
	tools := vm.Guest.ToolsStatus
	if powered && (tools == types.VirtualMachineToolsStatusToolsOk || tools == types.VirtualMachineToolsStatusToolsOld) {
		status = types.VirtualMachineToolsRunningStatusGuestToolsRunning
	}
	if status == types.VirtualMachineToolsRunningStatusGuestToolsNotRunning {
		vm.Guest.Net = nil
	}
	vm.Guest.ToolsRunningStatus = string(status)
	vm.Summary.Guest.ToolsRunningStatus = string(status)
}
