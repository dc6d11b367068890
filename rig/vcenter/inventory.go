package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// Inventory is what the simulator holds, as its JSON file states it.
type Inventory struct {
	// ESXi makes it a standalone host, which has one datacenter of a fixed name.
	ESXi        bool         `json:"esxi"`
	Datacenters []Datacenter `json:"datacenters"`
	VMs         []VM         `json:"vms"`
}

// Datacenter is one datacenter with what lies in it.
type Datacenter struct {
	// Path is its name, after the folders it lies in: "EU/Berlin".
	Path       string    `json:"path"`
	Hosts      []string  `json:"hosts"`
	Datastores []string  `json:"datastores"`
	Networks   []Network `json:"networks"`
}

// Network is a network that VMs plug into.
type Network struct {
	Name string `json:"name"`
	// Kind is standard, distributed or opaque.
	Kind string `json:"kind"`
	// Switch is the distributed switch of a distributed port group.
	Switch string `json:"switch"`
	// ID is the opaque network's id.
	ID string `json:"id"`
}

// VM is one virtual machine, or Count of them that differ in name, UUIDs and MAC addresses.
type VM struct {
	Name string `json:"name"`
	// Datacenter is the path of its datacenter; the first one where it is empty.
	Datacenter string `json:"datacenter"`
	// Folder is where it lies below the datacenter's VM folder: "Prod/Web"; a %2f in it is a slash of a name.
	Folder string `json:"folder"`
	// Host is the ESXi host it is on; the datacenter's hosts take turns where it is empty.
	Host  string `json:"host"`
	Count int    `json:"count"`

	GuestID         string `json:"guest_id"`
	CPUs            int32  `json:"cpus"`
	CoresPerSocket  int32  `json:"cores_per_socket"`
	MemoryMB        int64  `json:"memory_mb"`
	Firmware        string `json:"firmware"`
	SecureBoot      bool   `json:"secure_boot"`
	TPM             bool   `json:"tpm"`
	HardwareVersion string `json:"hardware_version"`
	UUID            string `json:"uuid"`
	InstanceUUID    string `json:"instance_uuid"`
	Annotation      string `json:"annotation"`

	Disks []Disk `json:"disks"`
	NICs  []NIC  `json:"nics"`
	// CDROM is the datastore path of an ISO image in its drive: "[ds] iso/a.iso".
	CDROM string `json:"cdrom"`
	USB   bool   `json:"usb"`
	PCI   bool   `json:"pci_passthrough"`

	Snapshots      []string `json:"snapshots"`
	EncryptionKey  string   `json:"encryption_key"`
	FaultTolerance string   `json:"fault_tolerance"`
	ChangeTracking bool     `json:"change_tracking"`
	// Tools is VirtualMachineToolsStatus: toolsOk, toolsOld, toolsNotRunning, toolsNotInstalled.
	Tools    string   `json:"tools"`
	Power    string   `json:"power"`
	Shutdown Shutdown `json:"shutdown"`
}

// Shutdown is how a guest answers when it is asked to shut down.
type Shutdown struct {
	// Seconds is how long it takes.
	Seconds float64 `json:"seconds"`
	// Never makes it ignore the request.
	Never bool `json:"never"`
}

// Disk is one virtual disk and the files that its bytes come from.
type Disk struct {
	// Controller is pvscsi, lsilogic, lsilogicsas, buslogic, ahci, ide or nvme.
	Controller string `json:"controller"`
	Bus        int32  `json:"bus"`
	Unit       int32  `json:"unit"`
	Bytes      int64  `json:"bytes"`
	// Stream is the stream-optimized VMDK that an export serves.
	Stream string `json:"stream"`
	// Raw is the file that is served as the -flat.vmdk in the datastore.
	Raw  string `json:"raw"`
	Mode string `json:"mode"`
	// Sharing is VirtualDiskSharing: sharingNone or sharingMultiWriter.
	Sharing string `json:"sharing"`
	// RDM is the compatibility mode of a raw device mapping, physicalMode or virtualMode; empty for a file.
	RDM string `json:"rdm"`
	// Parent is the datastore path of the disk that a linked clone depends on.
	Parent string `json:"parent"`
	// ContentID is what the backing states of its content; empty where it states nothing.
	ContentID string `json:"content_id"`
}

// NIC is one network card.
type NIC struct {
	// Model is vmxnet3, vmxnet2, e1000, e1000e, pcnet32 or sriov.
	Model string `json:"model"`
	// Network is the name of one of the datacenter's networks; empty for a card without a backing.
	Network   string `json:"network"`
	MAC       string `json:"mac"`
	Connected bool   `json:"connected"`
	// Addresses are those of the guest, "10.0.0.5/24"; VMware Tools tell them while they run.
	Addresses []string `json:"addresses"`
}

// readInventory reads the inventory of a JSON file; a field that it does not know is an error.
func readInventory(path string) (*Inventory, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	inv := new(Inventory)
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(inv); err != nil {
		return nil, fmt.Errorf("inventory %s: %w", path, err)
	}
	if len(inv.Datacenters) == 0 {
		return nil, fmt.Errorf("inventory %s: no datacenter", path)
	}
	return inv, nil
}
