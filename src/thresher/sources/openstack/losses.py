"""What a server of OpenStack has and the new VM will not have, told before anything is touched.

What depends on the target, such as an empty TPM, the target's translation tells. Sources: API references of Nova,
Cinder and Neutron; Nova's documentation, "Extra Specs"; Glance's "Useful image properties".
"""

from collections.abc import Iterator, Sequence

from thresher.model.vm import Loss, Severity
from thresher.sources.openstack.devices import order_is_certain, ports
from thresher.sources.openstack.hardware import extra_specs
from thresher.sources.openstack.rows import Attachment, Row, Surroundings, attachments, has_root_disk, image_id
from thresher.sources.openstack.states import obstacles

_READY = {"in-use", "available"}
"""The states of a volume that Cinder takes a snapshot in, with ``force`` (API reference, "Create a snapshot")."""
_BROKEN = ("error", "deleting")
_IMAGE_SIZE_CAP_GIB = 1024
"""Glance's default of ``image_size_cap``: larger images are refused to everybody (Glance, "Configuration Options")."""
_X86 = {"x86_64", "x86", "i686", "i386", "amd64"}
_SRIOV = {"direct", "direct-physical", "macvtap", "vdpa", "virtio-forwarder", "accelerator-direct", "remote-managed"}
"""Neutron's binding:vnic_type, of those that bypass or offload the virtual switch."""
_FLAVOR = (
    ("pci_passthrough:alias", "PciPassthrough", "A device of the host ({}) is passed through and not carried over."),
    ("resources:VGPU", "PciPassthrough", "A virtual GPU of the host is not carried over; give the new VM another."),
    ("accel:device_profile", "PciPassthrough", "The accelerator {} is not carried over."),
    ("hw:mem_encryption", "MemoryEncryption", "Its memory is encrypted by the host; that of the new VM is not."),
    ("hw:cpu_policy", "CpuPolicy", "The CPU policy {} is not carried over; pin the new VM's CPUs if that matters."),
    ("hw:numa_nodes", "NumaTopology", "Its NUMA topology ({} nodes) is not carried over."),
    ("hw:mem_page_size", "HugePages", "Memory pages of the size {} are not carried over; set them up if they matter."),
)  # fmt: skip
"""Extra specs of a flavor, with what becomes of them."""
_HARMLESS = {("hw:cpu_policy", "shared"), ("hw:mem_encryption", "false"), ("hw:mem_page_size", "small")}


def losses(server: Row, around: Surroundings, flavor: Row, properties: Row, threads: int) -> tuple[Loss, ...]:
    """Everything of a server that cannot be carried over, or not as it was."""
    return (
        *obstacles(server),
        *_image(server, around),
        *_machine(properties, threads),
        *_flavor(flavor),
        *_local_disks(flavor),
        *_volumes(server, around),
        *_ports(server, around),
        *_surroundings(server, around),
    )


def _blocker(rule: str, subject: str, message: str) -> Loss:
    return Loss(rule, subject, message, Severity.BLOCKER)


def flavor_gone() -> Loss:
    """A server whose flavor cannot be read, so that nobody knows its CPUs and memory."""
    message = (
        "Its flavor is deleted or cannot be read, and this cloud is older than Nova's microversion 2.47, which keeps a "
        "copy: resize it to a flavor that is there."
    )
    return _blocker("FlavorUnreadable", "VM", message)


def unreadable(server: Row) -> Loss:
    """A server of which Nova knows nothing but the id, because the cell that it is in is down (microversion 2.69)."""
    message = f"Nova cannot read it now (status {server.get('status') or 'UNKNOWN'}): see whether its cell is down."
    return _blocker("ConfigurationUnreadable", "VM", message)


def folder_ignored(folder: str) -> tuple[Loss, ...]:
    """Whether a folder was asked for, which is a matter of other sources; ``/`` is none."""
    if not folder.strip("/"):
        return ()
    return (Loss("FolderIgnored", "VM", f"OpenStack has no folders, so that the folder {folder!r} is ignored."),)


def _image(server: Row, around: Surroundings) -> Iterator[Loss]:
    """Whether anybody knows what the image says: Nova keeps a copy only since microversion 2.98."""
    key = image_id(server)
    embedded = isinstance(server.get("image"), dict) and "properties" in server["image"]
    if has_root_disk(server, around) and key not in around.images and not embedded:
        message = (
            f"The image {key} that it was made of is gone or cannot be read, so nobody tells its firmware, buses, TPM"
            " and system, and a guest that boots by UEFI would not boot: see in the guest (/sys/firmware/efi, "
            "msinfo32), and where it boots by BIOS, or you set the new VM's firmware by hand, set skipPreflightChecks."
        )
        yield _blocker("ImageUnreadable", "VM", message)


def _machine(properties: Row, threads: int) -> Iterator[Loss]:
    machine = str(properties.get("hw_machine_type") or "").lower()
    if machine and "q35" not in machine:
        message = f"Its machine type is {machine}, and the new VM's is q35: the guest sees another chipset."
        yield Loss("MachineType", "VM", message)
    architecture = str(properties.get("hw_architecture") or properties.get("architecture") or "").lower()
    if architecture and architecture not in _X86:
        message = f"Its image is made for {architecture}: the new VM needs a node of that architecture."
        yield Loss("Architecture", "VM", message)
    if properties.get("os_secure_boot") == "optional":
        message = (
            "Its image leaves Secure Boot to the host; the new VM has none. Turn it on there if the guest needs it."
        )
        yield Loss("SecureBootOptional", "firmware", message)
    if str(properties.get("hw_mem_encryption")).lower() == "true":
        yield Loss("MemoryEncryption", "VM", "Its memory is encrypted by the host; that of the new VM is not.")
    if threads > 1:
        message = f"The {threads} threads of each of its cores become cores."
        yield Loss("CpuThreads", "CPU", message)


def _flavor(flavor: Row) -> Iterator[Loss]:
    specs = extra_specs(flavor)
    for name, rule, message in _FLAVOR:
        value = str(specs.get(name) or "")
        if value and (name, value.lower()) not in _HARMLESS:
            yield Loss(rule, f"flavor's {name}", message.format(value))


def _local_disks(flavor: Row) -> Iterator[Loss]:
    ephemeral = int(flavor.get("ephemeral") or 0)
    if ephemeral:
        message = (
            f"Its {ephemeral} GiB of ephemeral disk lie on its host alone, and no API reads them: copy what is needed "
            "to a volume first, and see that the guest boots without that disk."
        )
        yield Loss("EphemeralDisk", "ephemeral disk", message)
    swap = int(flavor.get("swap") or 0)
    if swap:
        message = f"Its swap disk of {swap} MiB is not carried over: see that the guest boots without it."
        yield Loss("SwapDisk", "swap disk", message)


def _volumes(server: Row, around: Surroundings) -> Iterator[Loss]:
    for one in attachments(server, around):
        if one.volume is None:
            message = (
                "The volume is attached to it and cannot be read: see in Cinder whether it is there and whose it is."
            )
            yield _blocker("VolumeUnreadable", f"disk {one.id}", message)
        else:
            yield from _volume(one, one.volume)


def _volume(one: Attachment, volume: Row) -> Iterator[Loss]:
    subject = f"disk {one.id}"
    if volume.get("encrypted"):
        message = (
            "The volume is encrypted, and its image would hold what nobody can read: retype it to a volume type "
            "without encryption first."
        )
        yield _blocker("EncryptedVolume", subject, message)
    if len(volume.get("attachments") or ()) > 1:
        message = (
            "Several servers may write to it at once, and a copy would not be shared: detach it before the import."
        )
        yield _blocker("SharedDisk", subject, message)
    elif volume.get("multiattach"):
        message = "Several servers could share it (multiattach); the new disk belongs to the new VM alone."
        yield Loss("MultiAttach", subject, message)
    size = int(volume.get("size") or 0)
    if size > _IMAGE_SIZE_CAP_GIB:
        message = (
            f"It has {size} GiB, and Glance takes no image above its image_size_cap, which is 1 TiB where nobody raised"
            " it: have the cloud's administrator see that it is above the disk's size."
        )
        yield Loss("LargeVolume", subject, message)
    status = str(volume.get("status"))
    if status.startswith(_BROKEN):
        message = f"Cinder calls the volume {status}, and takes no snapshot of it: mend it there, or detach it."
        yield _blocker("VolumeStatus", subject, message)
    elif status not in _READY:
        message = f"The volume is {status} now: its copy waits until that is done."
        yield Loss("VolumeStatus", subject, message)


def _ports(server: Row, around: Surroundings) -> Iterator[Loss]:
    found = ports(server, around)
    if not order_is_certain(server, found):
        message = (
            "Nova tells the order of its network cards only within each network: compare the new VM's with it where "
            "the guest names them by their order."
        )
        yield Loss("NicOrder", "NICs", message)
    for port in found:
        yield from _port(port)
    known = {str(port.get("mac_address")).lower() for port in found}
    for ones in (server.get("addresses") or {}).values():
        for mac in sorted({str(one.get("OS-EXT-IPS-MAC:mac_addr")).lower() for one in ones} - known):
            message = "Nova shows a network card with this address, and Neutron no port: see there what became of it."
            yield _blocker("PortUnreadable", f"MAC {mac}", message)


def _port(port: Row) -> Iterator[Loss]:
    subject = f"NIC {port['id']}"
    fixed = [one["ip_address"] for one in port.get("fixed_ips") or () if one.get("ip_address")]
    if fixed:
        message = (
            f"Its address {', '.join(fixed)} was given by OpenStack's DHCP or set in the guest: the new network gives "
            "another one, or the guest keeps a static one."
        )
        yield Loss("FixedAddress", subject, message)
    if port.get("binding:vnic_type") in _SRIOV:
        message = (
            "The function of a physical network card behind it is not carried over: it becomes a plain virtual one."
        )
        yield Loss("SriovNic", subject, message)
    if port.get("trunk_details"):
        message = (
            "It is a trunk, whose subports are VLANs in the guest: map it to a network that lets their tags through."
        )
        yield Loss("TrunkPort", subject, message)
    if port.get("qos_policy_id"):
        yield Loss("NicQos", subject, "Its QoS policy is not carried over.")


def _surroundings(server: Row, around: Surroundings) -> Iterator[Loss]:
    floating = _floating(server)
    if floating:
        message = f"Its floating IPs ({', '.join(floating)}) stay with OpenStack: give its users a new address."
        yield Loss("FloatingAddress", "VM", message)
    secured = [port for port in ports(server, around) if port.get("security_groups")]
    if secured:
        names = ", ".join(sorted({str(one.get("name")) for one in server.get("security_groups") or ()})) or "unnamed"
        message = f"Its security groups ({names}) are not carried over: nothing filters the new VM's traffic."
        yield Loss("SecurityGroups", "VM", message)
    if server.get("config_drive"):
        message = (
            "Its configuration drive is not carried over: what cloud-init reads at each start is no longer there, and "
            "what it once set up stays."
        )
        yield Loss("ConfigDrive", "VM", message)
    groups = around.groups.get(server["id"], ())
    if groups:
        message = f"Its server groups ({', '.join(groups)}) are not carried over: nothing keeps VMs apart or together."
        yield Loss("ServerGroup", "VM", message)


def _floating(server: Row) -> Sequence[str]:
    ones = [one for found in (server.get("addresses") or {}).values() for one in found]
    return sorted({one["addr"] for one in ones if one.get("OS-EXT-IPS:type") == "floating"})
