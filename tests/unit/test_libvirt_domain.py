"""The domain XML says to libvirt what the source platform said (https://libvirt.org/formatdomain.html)."""

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from rig.source_vms import CASES, FOUR_NICS, FOUR_NICS_SPEC, LINUX_BIOS, SIX_DISKS, SPEC, UUID, WINDOWS
from thresher.model.spec import ImportSpec
from thresher.model.vm import Bus, Disk, SourceVM
from thresher.targets.local.domain import domain_xml


def domain(spec: ImportSpec, vm: SourceVM, *, kvm: bool = True) -> Element:
    disks = [Path(f"/vms/disk-{index}.raw") for index in range(len(vm.disks))]
    root: Element = fromstring(domain_xml(spec, vm, disks, kvm=kvm).encode())
    return root


def attributes(root: Element, path: str, name: str) -> list[str | None]:
    return [found.get(name) for found in root.findall(path)]


def test_the_machine_is_the_sources() -> None:
    root = domain(SPEC, LINUX_BIOS)
    assert root.tag == "domain"
    assert root.get("type") == "kvm"
    assert root.findtext("name") == "web"
    assert root.findtext("uuid") == UUID
    assert root.findtext("description") == "The shop's web server\nasked for by Kim"
    assert (root.findtext("memory"), attributes(root, "memory", "unit")) == ("4096", ["MiB"])
    assert root.findtext("vcpu") == "4"
    topology = root.find("cpu/topology")
    assert topology is not None
    assert topology.attrib == {"sockets": "2", "cores": "2", "threads": "1"}
    assert root.findtext("os/type") == "hvm"
    assert root.find("os[@firmware]") is None
    assert attributes(root, "clock", "offset") == ["utc"]


def test_without_kvm_it_is_emulated() -> None:
    assert domain(SPEC, LINUX_BIOS, kvm=False).get("type") == "qemu"


def test_windows_has_efi_secure_boot_tpm_and_its_clock() -> None:
    root = domain(SPEC, WINDOWS)
    assert attributes(root, "os", "firmware") == ["efi"]
    assert attributes(root, "os/firmware/feature[@name='secure-boot']", "enabled") == ["yes"]
    assert attributes(root, "features/smm", "state") == ["on"]
    assert attributes(root, "devices/tpm/backend", "version") == ["2.0"]
    assert attributes(root, "clock", "offset") == ["localtime"]
    assert attributes(root, "features/hyperv/spinlocks", "retries") == ["8191"]


def test_every_disk_has_its_bus_its_file_and_its_turn() -> None:
    root = domain(SPEC, SIX_DISKS)
    buses = ["scsi", "sata", "sata", "sata", "virtio", "virtio"]
    assert attributes(root, "devices/disk/target", "bus") == buses
    assert attributes(root, "devices/disk/target", "dev") == ["sda", "sdb", "sdc", "sdd", "vda", "vdb"]
    assert attributes(root, "devices/disk/source", "file") == [f"/vms/disk-{i}.raw" for i in range(6)]
    assert set(attributes(root, "devices/disk/driver", "type")) == {"raw"}
    assert attributes(root, "devices/disk/boot", "order") == ["3", "4", "1", "5", "2", "6"]
    assert attributes(root, "devices/controller[@type='scsi']", "model") == ["virtio-scsi"]


def test_the_twenty_seventh_disk_has_two_letters() -> None:
    vm = replace(LINUX_BIOS, disks=tuple(Disk(str(i), None, Bus.VIRTIO) for i in range(28)))
    names = attributes(domain(SPEC, vm), "devices/disk/target", "dev")
    assert names[25:] == ["vdz", "vdaa", "vdab"]


def test_every_nic_is_there_with_its_mac() -> None:
    root = domain(FOUR_NICS_SPEC, FOUR_NICS)
    assert attributes(root, "devices/interface/mac", "address") == [f"00:50:56:00:00:0{i}" for i in range(4)]
    assert attributes(root, "devices/interface/model", "type") == ["rtl8139", "virtio", "virtio", "pcnet"]


def test_notes_that_xml_cannot_hold_do_not_break_it() -> None:
    root = domain(SPEC, replace(LINUX_BIOS, notes="a\x00b<&>\x1b[0m"))
    assert root.findtext("description") == "ab<&>[0m"


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_what_libvirt_insists_on(name: str) -> None:
    spec, vm = CASES[name]
    root = domain(spec, vm)
    for path in ("name", "memory", "vcpu", "os/type", "devices"):
        assert len(root.findall(path)) == 1
    devices = attributes(root, "devices/disk/target", "dev")
    assert len(set(devices)) == len(devices) == len(vm.disks)
