"""The catalogue in English: by rule, what it means and what to do."""

ENGLISH: dict[str, tuple[str, str]] = {
    # Guest and drivers
    "GuestDiskDriver": (
        "The guest system has no driver for the bus that its disk would hang on.",
        "Move the disk to an IDE or SATA controller at the source first, or update the guest.",
    ),
    "GuestNicDriver": (
        "The guest system has no driver for VirtIO network cards.",
        "Choose e1000 as networkInterfaceModel.",
    ),
    "GuestUntested": ("Nobody promises that this guest system runs on KVM.", "Try a copy first."),
    "WindowsDrivers": (
        "Windows needs the VirtIO drivers for its disks or its network.",
        "Install virtio-win in the guest before the import.",
    ),
    "WindowsDriversOld": (
        "virtio-win builds no drivers for this Windows any more.",
        "Install the last ones by hand before the import: they are on its ISO, but its installer passes over them.",
    ),
    "WindowsClock": (
        "Windows keeps local time, and the new VM's clock starts in UTC.",
        "Let the guest synchronise its time, or name its time zone in the new VM.",
    ),
    "ToolsMissing": (
        "Without VMware Tools the guest cannot be asked to shut down.",
        "Shut it down by hand, or set forcePowerOff.",
    ),
    "ToolsStay": (
        "VMware Tools do nothing in the new VM.",
        "Remove them after the import, and install qemu-guest-agent.",
    ),
    "NicNames": (
        "The guest may give its network cards other names.",
        "Name cards by their MAC address in the guest's network settings.",
    ),
    # Hardware
    "HardwareVersionNew": (
        "The hardware version is newer than those that are known here.",
        "Look at the new VM's devices after the import.",
    ),
    "UnknownHardware": (
        "Hardware of a kind that is not known here is not carried over.",
        "Remove it from the source VM, or set it up by hand.",
    ),
    "AlternativeHardware": (
        "The package describes the hardware in more than one way; one is taken.",
        "Compare the new VM's hardware with what you expect.",
    ),
    "CpuUnstated": ("The package states no vCPU count, so the VM gets one.", "Set cpu in the import."),
    "CpuTopologyChanged": (
        "The vCPUs asked for cannot be grouped as at the source.",
        "Choose a count that divides, or accept one vCPU for each socket.",
    ),
    "HotAdd": ("Memory or vCPUs can be added at the source while the VM runs.", "Set what it needs before the import."),
    "NestedVirtualization": (
        "The guest runs VMs of its own.",
        "See that the cluster's hosts allow nested virtualization.",
    ),
    "PciPassthrough": (
        "A device of the host is passed through and not carried over.",
        "Give the new VM a device of its host.",
    ),
    "UsbPassthrough": ("A USB device is not carried over.", "Attach it to the new VM."),
    "Usb": ("USB controllers and their devices are not carried over.", "Attach the devices to the new VM."),
    "ScsiPassthrough": (
        "A SCSI device of the host is passed through and not carried over.",
        "Give the new VM one of its host, or copy its contents.",
    ),
    "HostBusAdapter": ("Storage behind its own adapter is not carried over.", "Copy it by other means."),
    "SerialPort": ("What the serial port is connected to is not carried over.", "Use the new VM's serial console."),
    "ParallelPort": ("The new VM has no parallel port.", "Do without it, or use a USB adapter."),
    "Floppy": ("The new VM has no floppy drive.", "Copy the floppy's contents into a disk if they matter."),
    "Sound": ("The sound card is not carried over.", "Do without it."),
    "CdromMedia": ("The medium in the CD drive is not carried over.", "Attach it again."),
    "Nvdimm": ("vSphere does not export an NVDIMM, so its contents would be lost.", "Copy them to a disk first."),
    # The machine as a whole
    "ConfigurationUnreadable": (
        "The source does not let its configuration be read.",
        "Mend the VM at the source, or give the user the privilege.",
    ),
    "EncryptedVm": (
        "The VM is encrypted, or its files beside the disks are.",
        "Decrypt it before the import; for a vTPM alone, try the export first.",
    ),
    "FaultTolerance": ("Fault Tolerance is not carried over.", "Turn it off before the import."),
    "Template": ("It is a template and becomes an ordinary VM.", "Leave it out if that is not wanted."),
    "Suspended": (
        "The VM is suspended, and its memory cannot be imported.",
        "Resume it and shut it down, or set forcePowerOff.",
    ),
    "Snapshots": (
        "Snapshots stay at the source; the new VM has the present state.",
        "Remove snapshots that nobody needs: the export is faster then.",
    ),
    "ChangeTrackingOff": ("Changed block tracking is off.", "Turn it on where copies of changes alone are wanted."),
    "StartupOrder": ("The order in which VMs start is not carried over.", "Start them by hand in that order."),
    "OvfProperties": (
        "The appliance expects answers from its OVF environment, which is not passed on.",
        "Configure the guest by hand.",
    ),
    "DeploymentOption": (
        "The package offers several sizes, and the default is taken.",
        "Set cpu and memory in the import if another is wanted.",
    ),
    "UnknownSection": ("A part of the package is not acted upon.", "Look whether the VM depends on it."),
    # Firmware
    "EfiVariables": (
        "The source's EFI variables are not carried over.",
        "Add a boot entry in the new VM if it does not boot.",
    ),
    "EfiVariablesReset": (
        "The source's EFI variables are not carried over.",
        "Add a boot entry in the new VM if it does not boot.",
    ),
    "SecureBootKeys": ("Keys of your own for Secure Boot are not carried over.", "Enroll them again in the new VM."),
    "SecureBootWithoutEfi": (
        "Secure Boot has no meaning on a BIOS machine and is left out.",
        "Nothing, if the VM boots from BIOS.",
    ),
    "TpmState": (
        "The TPM's keys cannot be exported: the new TPM is empty.",
        "Suspend BitLocker, or have its recovery key at hand.",
    ),
    "TpmStateReset": (
        "The TPM's keys cannot be exported: the new TPM is empty.",
        "Suspend BitLocker, or have its recovery key at hand.",
    ),
    "UuidUnknown": (
        "The source states no SMBIOS UUID, so the guest gets a new one.",
        "Look after licences that depend on it.",
    ),
    "UuidShared": (
        "Several VMs have one SMBIOS UUID.",
        "Give one of them another if software in the guests depends on it.",
    ),
    # Disks
    "NoDisks": ("The VM has no disks.", "See whether it boots from the network; else leave it out."),
    "RawDeviceMapping": (
        "The disk is a raw device mapping or a disk of the host.",
        "Make the mapping virtual, or copy the LUN by other means.",
    ),
    "SharedDisk": (
        "Several VMs may write to the disk, and a copy would not be shared.",
        "Detach it before the import.",
    ),
    "IndependentDisk": (
        "The disk is independent of snapshots.",
        "Import it while the VM is off; a non-persistent disk keeps what is written from then on.",
    ),
    "LinkedClone": ("The disk is a linked clone: the copy holds both parts.", "Reckon with the whole size."),
    "DeltaDisk": ("The disk holds only the differences to another.", "Export the VM again without snapshots."),
    "CopiedDisk": ("One file is the contents of several disks: each gets a copy.", "Reckon with the whole size."),
    "UnattachedDisk": ("The package has a disk that no VM uses.", "Import it by itself if it is needed."),
    "DiskWithoutBacking": ("Nothing says where the disk's contents are.", "Detach it, or export the VM again."),
    "DiskSizeUnknown": (
        "A disk whose volume is made beforehand has no size: a blank one, or with diskMode volume any.",
        "Set its capacity at the source; of one that is not blank, diskMode image finds it out.",
    ),
    "DiskBusUnknown": ("The source states no bus for the disk.", "Set defaultDiskBusType if the guest needs another."),
    "DiskBusChanged": (
        "KubeVirt has no such disk bus, so the guest sees another.",
        "See that the guest has the driver before the import.",
    ),
    "FileSizeDiffers": (
        "A file's size is not what the package states.",
        "Export the package again if the import fails.",
    ),
    "CapacityDiffers": ("A disk's size is not what the package states.", "Check the disk's size after the import."),
    # Networks
    "NetworkUndecided": ("No destination is chosen for a network.", "Choose one in networks.yaml, and plan again."),
    "NetworkUnmapped": (
        "A network has no mapping; one NIC of a VM can go to the management network.",
        "Map the network.",
    ),
    "NetworkMissing": ("The NetworkAttachmentDefinition is not there.", "Make it, or map to another."),
    "MappingUnused": ("A row of the mapping matches no NIC.", "Correct its sourceNetwork, or remove it."),
    "NicModelReplaced": (
        "KubeVirt has no such NIC model, so the guest sees another.",
        "Set networkInterfaceModel if the guest needs a certain one.",
    ),
    "NicDisconnected": (
        "The NIC is disconnected at the source and comes up connected.",
        "Disconnect it in the guest if that matters.",
    ),
    "NicWithoutNetwork": ("The NIC is plugged in nowhere.", "Look where it belongs after the import."),
    "SriovNic": (
        "The function of a physical card behind the NIC is not carried over.",
        "Use the plain virtual card, or set up SR-IOV in the cluster.",
    ),
    "PassthroughNic": (
        "The function of a physical card behind the NIC is not carried over.",
        "Use the plain virtual card, or set up SR-IOV in the cluster.",
    ),
    "MacUnknown": (
        "The source states no MAC address, so the NIC gets a new one.",
        "Look after what depends on it: DHCP reservations, licences.",
    ),
    "InvalidMac": ("The MAC address stated is none, so the NIC gets a new one.", "Correct it at the source."),
    "MacDuplicate": ("Several NICs of the VM have one MAC address.", "Give each its own before the import."),
    "MacShared": (
        "NICs of several VMs have one MAC address.",
        "Give one of them another before both run on one network.",
    ),
    # Names
    "NameChanged": ("Kubernetes cannot hold the VM's name.", "Choose one with targetName, or accept the one shown."),
    "NameShared": (
        "Several VMs would have one name in the namespace.",
        "Accept the targetName shown, or choose another.",
    ),
    "NameTaken": (
        "A VM or an image of that name is already there.",
        "Choose another targetName, or remove what is there.",
    ),
    "TargetNameInvalid": (
        "The targetName is no valid name.",
        "Use at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit.",
    ),
    # OpenStack alone
    "FlavorUnreadable": (
        "The server's flavor is gone, so nobody knows its vCPUs and memory.",
        "Resize it to a flavor that is there.",
    ),
    "FolderIgnored": ("OpenStack has no folders.", "Leave folder out of the import."),
    "ImageUnreadable": (
        "The image that the server was made of is gone, and with it what it says of firmware, buses and TPM.",
        "See in the guest whether it boots by UEFI; set skipPreflightChecks where not, or mend the new VM by hand.",
    ),
    "MachineType": (
        "The machine type of the image is not taken over.",
        "Look at the new VM's devices after the import.",
    ),
    "Architecture": ("The image is made for a processor of another kind.", "See that the cluster has nodes of it."),
    "SecureBootOptional": (
        "The image leaves Secure Boot to the host, and the new VM has none.",
        "Turn it on in the new VM if the guest needs it.",
    ),
    "MemoryEncryption": (
        "The host encrypts the server's memory, and not that of the new VM.",
        "Leave it where it is if it must be encrypted.",
    ),
    "CpuThreads": ("Threads of a core become cores.", "Look after licences that count cores."),
    "CpuPolicy": ("CPUs that are pinned are not carried over.", "Pin the new VM's CPUs if that matters."),
    "NumaTopology": ("The NUMA topology is not carried over.", "Set it in the new VM if that matters."),
    "HugePages": ("Huge pages of memory are not carried over.", "Set them up in the new VM if they matter."),
    "EphemeralDisk": (
        "An ephemeral disk lies on its host alone and cannot be read.",
        "Copy what is needed to a volume first.",
    ),
    "SwapDisk": ("The swap disk is not carried over.", "See that the guest boots without it."),
    "VolumeUnreadable": ("Cinder does not let a volume be read.", "Give the user the right, or detach it."),
    "EncryptedVolume": ("The volume is encrypted.", "Copy it to a volume type that is not before the import."),
    "MultiAttach": (
        "Several servers could share the volume; the new disk has one VM.",
        "Nothing, if only this server uses it.",
    ),
    "LargeVolume": (
        "The volume is larger than 1 TiB, Glance's usual limit of an image, and is copied by an image.",
        "Have image_size_cap of Glance raised above its size.",
    ),
    "VolumeStatus": (
        "The volume is in a state in which Cinder takes no snapshot.",
        "Wait, or mend it at the source, or detach it.",
    ),
    "NicOrder": (
        "The order of the network cards is not certain.",
        "Compare it with the source where the guest names cards by it.",
    ),
    "PortUnreadable": (
        "Nova shows a network card for which Neutron has no port.",
        "See at the source what became of it.",
    ),
    "FixedAddress": (
        "The address was given by OpenStack's DHCP, or set in the guest.",
        "See that it fits the new network.",
    ),
    "TrunkPort": (
        "The port is a trunk, whose subports are VLANs in the guest.",
        "Map it to a network that lets their tags through.",
    ),
    "NicQos": ("The port's QoS policy is not carried over.", "Limit it in the new network if that matters."),
    "FloatingAddress": ("Floating addresses are not carried over.", "Give the new VM another way in."),
    "SecurityGroups": (
        "Security groups are not carried over: nothing filters the new VM's traffic.",
        "Write network policies, or a firewall in the guest.",
    ),
    "ConfigDrive": ("The configuration drive is not carried over.", "Tell cloud-init in the guest where its data is."),
    "ServerGroup": (
        "Server groups are not carried over: nothing keeps VMs apart or together.",
        "Set affinities in the new VMs.",
    ),
    "ServerState": (
        "The server is in a state in which it cannot be imported.",
        "Bring it to one in which it runs or is off.",
    ),
    "ServerBusy": ("Nova is busy with the server.", "Wait until that is done."),
    "ServerLocked": ("The server is locked, so that only an administrator may stop it.", "Unlock or stop it."),
    # Destination
    "StorageClassMissing": ("The storage class is not there.", "Make it, or name another."),
    "StorageShort": ("The destination has too little free storage.", "Make room, add storage, or import fewer VMs."),
    "MemoryShort": ("The destination has too little free memory.", "Make room, add nodes, or import fewer VMs."),
    "QuotaExceeded": ("The namespace's quota would be exceeded.", "Raise the quota."),
    "ScratchUnobtainable": ("Workers could get no scratch volume.", "Name a storage class for scratch that is there."),
    "PortUnreachable": (
        "A port of the source cannot be reached from the cluster.",
        "Open it in the firewalls on the way if the import fails.",
    ),
}
