package main

import (
	"fmt"
	"net/netip"
	"os"
	"path"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The keys that vSphere gives to devices, by kind. (Seen in any VM's config.hardware.device; the defaults are also in
// govmomi's simulator/esx/virtual_device.go.)
const (
	keyPCI       = 100
	keyIDE       = 200
	keySCSI      = 1000
	keySATA      = 15000
	keyNVMe      = 31000
	keyUSB       = 7000
	keyNIC       = 4000
	keyTPM       = 11000
	keyPCIPass   = 13000
	keyUSBDevice = 23000
)

// equip gives a new VM its devices and every property that no ConfigSpec sets.
func (b *builder) equip(s *site, vm *simulator.VirtualMachine, v *VM) error {
	hw := hardware{
		dir: path.Dir(vm.Config.Files.VmPathName), name: vm.Name, datastore: vm.Datastore[0],
		tracked: v.ChangeTracking, snapshots: len(v.Snapshots),
	}
	m := &machine{shutdown: v.Shutdown, disks: map[int32]*diskState{}}
	for i := range v.Disks {
		disk, err := hw.addDisk(i, &v.Disks[i])
		if err != nil {
			return err
		}
		m.disks[disk.Key] = &diskState{spec: v.Disks[i], bytes: v.Disks[i].Bytes}
		if err := b.linkRaw(vm, i, &v.Disks[i]); err != nil {
			return err
		}
	}
	vm.Network = nil
	for i, nic := range v.NICs {
		p, ok := s.networks[nic.Network]
		if !ok && nic.Network != "" {
			return fmt.Errorf("NIC %d: no network %s", i, nic.Network)
		}
		if err := hw.addNIC(i, nic, p); err != nil {
			return err
		}
		if ok {
			vm.Network = append(vm.Network, p.ref)
		}
	}
	hw.addOthers(v)
	vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, hw.devices...)
	describe(vm, v)
	b.g.machines[vm.Self] = m
	return nil
}

// hardware collects the devices of one VM.
type hardware struct {
	dir, name string
	datastore types.ManagedObjectReference
	tracked   bool
	snapshots int
	devices   []types.BaseVirtualDevice
}

// bus is where a kind of controller and its disks get their keys from.
type bus struct {
	controller, disk, units int32
}

var buses = map[string]bus{
	"ide": {keyIDE, 3000, 2}, "ahci": {keySATA, 16000, 30}, "nvme": {keyNVMe, 32000, 15},
	"pvscsi": {keySCSI, 2000, 16}, "lsilogic": {keySCSI, 2000, 16},
	"lsilogicsas": {keySCSI, 2000, 16}, "buslogic": {keySCSI, 2000, 16},
}

// controller finds or adds the controller of a disk. The two IDE controllers are in every VM.
func (hw *hardware) controller(kind string, number int32) (int32, error) {
	b, ok := buses[kind]
	if !ok {
		return 0, fmt.Errorf("no controller type %q", kind)
	}
	key := b.controller + number
	if kind == "ide" {
		return key, nil
	}
	for _, d := range hw.devices {
		if d.GetVirtualDevice().Key == key {
			return key, nil
		}
	}
	base := types.VirtualController{
		VirtualDevice: types.VirtualDevice{
			Key: key, ControllerKey: keyPCI,
			DeviceInfo: &types.Description{Label: fmt.Sprintf("%s controller %d", kind, number), Summary: kind},
		},
		BusNumber: number,
	}
	scsi := types.VirtualSCSIController{VirtualController: base, SharedBus: "noSharing", ScsiCtlrUnitNumber: 7}
	switch kind {
	case "pvscsi":
		hw.devices = append(hw.devices, &types.ParaVirtualSCSIController{VirtualSCSIController: scsi})
	case "lsilogic":
		hw.devices = append(hw.devices, &types.VirtualLsiLogicController{VirtualSCSIController: scsi})
	case "lsilogicsas":
		hw.devices = append(hw.devices, &types.VirtualLsiLogicSASController{VirtualSCSIController: scsi})
	case "buslogic":
		hw.devices = append(hw.devices, &types.VirtualBusLogicController{VirtualSCSIController: scsi})
	case "nvme":
		hw.devices = append(hw.devices, &types.VirtualNVMEController{VirtualController: base})
	case "ahci":
		ahci := &types.VirtualAHCIController{}
		ahci.VirtualController = base
		hw.devices = append(hw.devices, ahci)
	}
	return key, nil
}

func (hw *hardware) addDisk(index int, d *Disk) (*types.VirtualDisk, error) {
	key, err := hw.controller(d.Controller, d.Bus)
	if err != nil {
		return nil, err
	}
	b := buses[d.Controller]
	disk := &types.VirtualDisk{CapacityInBytes: d.Bytes, CapacityInKB: d.Bytes / 1024}
	disk.Key = b.disk + d.Bus*b.units + d.Unit
	disk.ControllerKey, disk.UnitNumber = key, types.NewInt32(d.Unit)
	disk.DeviceInfo = &types.Description{
		Label: fmt.Sprintf("Hard disk %d", index+1), Summary: fmt.Sprintf("%d KB", d.Bytes/1024),
	}
	disk.Backing = hw.backing(index, d)
	hw.devices = append(hw.devices, disk)
	return disk, nil
}

// backing is the file behind a disk. Each snapshot put a delta on top of what was there before; below it all is the
// disk that a linked clone depends on.
func (hw *hardware) backing(index int, d *Disk) types.BaseVirtualDeviceBackingInfo {
	base := fmt.Sprintf("%s/%s_%d", hw.dir, hw.name, index)
	if d.RDM != "" {
		return &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: hw.file(base + ".vmdk"), CompatibilityMode: d.RDM, DiskMode: d.Mode,
			DeviceName: fmt.Sprintf("vml.%032d", index), LunUuid: uuid.NewString(),
		}
	}
	flat := hw.flat(base+".vmdk", d)
	if d.Parent != "" {
		flat.Parent = hw.flat(d.Parent, d)
	}
	for delta := 1; delta <= hw.snapshots; delta++ {
		top := hw.flat(fmt.Sprintf("%s-%06d.vmdk", base, delta), d)
		top.Parent = flat
		flat = top
	}
	if hw.tracked {
		flat.ChangeId = changeID(0)
	}
	return flat
}

func (hw *hardware) file(name string) types.VirtualDeviceFileBackingInfo {
	return types.VirtualDeviceFileBackingInfo{FileName: name, Datastore: &hw.datastore}
}

func (hw *hardware) flat(name string, d *Disk) *types.VirtualDiskFlatVer2BackingInfo {
	return &types.VirtualDiskFlatVer2BackingInfo{
		VirtualDeviceFileBackingInfo: hw.file(name), DiskMode: d.Mode, Sharing: d.Sharing,
		ThinProvisioned: types.NewBool(true), Uuid: uuid.NewString(), ContentId: d.ContentID,
	}
}

func (hw *hardware) addNIC(index int, n NIC, p plug) error {
	card := types.VirtualEthernetCard{MacAddress: n.MAC, AddressType: "assigned"}
	card.Key, card.ControllerKey = int32(keyNIC+index), keyPCI
	card.UnitNumber = types.NewInt32(int32(7 + index))
	card.DeviceInfo = &types.Description{Label: fmt.Sprintf("Network adapter %d", index+1), Summary: n.Network}
	card.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: n.Connected, Status: "untried"}
	card.Backing = p.backing
	var device types.BaseVirtualDevice
	switch n.Model {
	case "vmxnet3":
		vmxnet3 := &types.VirtualVmxnet3{}
		vmxnet3.VirtualEthernetCard = card
		device = vmxnet3
	case "vmxnet2":
		vmxnet2 := &types.VirtualVmxnet2{}
		vmxnet2.VirtualEthernetCard = card
		device = vmxnet2
	case "e1000":
		device = &types.VirtualE1000{VirtualEthernetCard: card}
	case "e1000e":
		device = &types.VirtualE1000e{VirtualEthernetCard: card}
	case "pcnet32":
		device = &types.VirtualPCNet32{VirtualEthernetCard: card}
	case "sriov":
		device = &types.VirtualSriovEthernetCard{VirtualEthernetCard: card}
	default:
		return fmt.Errorf("NIC %d: no model %q", index, n.Model)
	}
	hw.devices = append(hw.devices, device)
	return nil
}

// addOthers adds what is neither disk nor NIC: CD-ROM, TPM, USB, PCI passthrough.
func (hw *hardware) addOthers(v *VM) {
	if v.CDROM != "" {
		cdrom := &types.VirtualCdrom{}
		cdrom.Key, cdrom.ControllerKey, cdrom.UnitNumber = 3002, keyIDE+1, types.NewInt32(0)
		cdrom.Backing = &types.VirtualCdromIsoBackingInfo{VirtualDeviceFileBackingInfo: hw.file(v.CDROM)}
		hw.devices = append(hw.devices, cdrom)
	}
	if v.TPM {
		tpm := &types.VirtualTPM{}
		tpm.Key, tpm.ControllerKey = keyTPM, keyPCI
		hw.devices = append(hw.devices, tpm)
	}
	if v.USB {
		controller := &types.VirtualUSBController{}
		controller.Key, controller.ControllerKey = keyUSB, keyPCI
		usb := &types.VirtualUSB{Connected: true}
		usb.Key, usb.ControllerKey = keyUSBDevice, keyUSB
		usb.Backing = &types.VirtualUSBUSBBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "path:0/1/2"},
		}
		hw.devices = append(hw.devices, controller, usb)
	}
	if v.PCI {
		pass := &types.VirtualPCIPassthrough{}
		pass.Key, pass.ControllerKey = keyPCIPass, keyPCI
		pass.Backing = &types.VirtualPCIPassthroughDeviceBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "NVIDIA L40S"},
			Id:                             "0000:3b:00.0", DeviceId: "26b9", SystemId: uuid.NewString(), VendorId: 0x10de,
		}
		hw.devices = append(hw.devices, pass)
	}
}

// committed is what the VM's files take: as much as its exports are long, where any is served.
func committed(v *VM, otherwise int64) int64 {
	sum := int64(0)
	for _, d := range v.Disks {
		if info, err := os.Stat(d.Stream); err == nil {
			sum += info.Size()
		}
	}
	if sum == 0 {
		return otherwise
	}
	return sum
}

// describe sets the properties outside of config.hardware.
func describe(vm *simulator.VirtualMachine, v *VM) {
	// Clients that check enumerations, pyvmomi is one, refuse the empty values that the simulator leaves.
	vm.Runtime.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
	vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceState(v.FaultTolerance)
	vm.GuestHeartbeatStatus = types.ManagedEntityStatusGray
	vm.Summary.Runtime.RecordReplayState = vm.Runtime.RecordReplayState
	vm.Summary.Runtime.FaultToleranceState = vm.Runtime.FaultToleranceState
	vm.Summary.Config.TpmPresent = types.NewBool(v.TPM)
	vm.Config.ChangeTrackingEnabled = types.NewBool(v.ChangeTracking)
	if v.EncryptionKey != "" {
		vm.Config.KeyId = &types.CryptoKeyId{KeyId: v.EncryptionKey, ProviderId: &types.KeyProviderId{Id: "native"}}
	}
	if vm.Summary.Storage != nil {
		vm.Summary.Storage.Committed = committed(v, vm.Summary.Storage.Committed)
	}
	vm.Summary.Config.NumVirtualDisks = int32(len(v.Disks))
	vm.Summary.Config.NumEthernetCards = int32(len(v.NICs))
	vm.Guest.ToolsStatus = types.VirtualMachineToolsStatus(v.Tools)
	vm.Guest.ToolsVersionStatus2 = string(toolsVersions[vm.Guest.ToolsStatus])
	vm.Summary.Guest.ToolsStatus = vm.Guest.ToolsStatus
	setToolsRunning(&vm.VirtualMachine, v.Power == "poweredOn")
	if vm.Guest.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning) {
		vm.Guest.Net = guestNet(v.NICs)
	}
}

// guestNet is what VMware Tools tell of the network cards. (GuestNicInfo in the vSphere Web Services API.)
func guestNet(nics []NIC) []types.GuestNicInfo {
	var told []types.GuestNicInfo
	for i, nic := range nics {
		config := &types.NetIpConfigInfo{}
		for _, address := range nic.Addresses {
			prefix := netip.MustParsePrefix(address)
			config.IpAddress = append(config.IpAddress, types.NetIpConfigInfoIpAddress{
				IpAddress: prefix.Addr().String(), PrefixLength: int32(prefix.Bits()), State: "preferred",
			})
		}
		if config.IpAddress != nil {
			told = append(told, types.GuestNicInfo{
				Network: nic.Network, MacAddress: nic.MAC, Connected: nic.Connected,
				DeviceConfigId: int32(keyNIC + i), IpConfig: config,
			})
		}
	}
	return told
}

// toolsVersions is the newer property that says of each deprecated status what it says of the version.
var toolsVersions = map[types.VirtualMachineToolsStatus]types.VirtualMachineToolsVersionStatus{
	types.VirtualMachineToolsStatusToolsOk:           types.VirtualMachineToolsVersionStatusGuestToolsCurrent,
	types.VirtualMachineToolsStatusToolsNotRunning:   types.VirtualMachineToolsVersionStatusGuestToolsCurrent,
	types.VirtualMachineToolsStatusToolsOld:          types.VirtualMachineToolsVersionStatusGuestToolsSupportedOld,
	types.VirtualMachineToolsStatusToolsNotInstalled: types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled,
}

// copyDevices copies what differs between two VMs of one count: the MAC addresses, and connections, which a power
// operation changes in place.
func copyDevices(devices []types.BaseVirtualDevice, number int) []types.BaseVirtualDevice {
	copied := make([]types.BaseVirtualDevice, len(devices))
	copy(copied, devices)
	for i, d := range devices {
		vmxnet3, ok := d.(*types.VirtualVmxnet3)
		if !ok {
			continue
		}
		card, connection := *vmxnet3, *vmxnet3.Connectable
		card.Connectable = &connection
		card.MacAddress = fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|number>>16&0x3f, number>>8&0xff, number&0xff)
		copied[i] = &card
	}
	return copied
}
