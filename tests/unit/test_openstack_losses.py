"""What a server of OpenStack would lose, and how much that matters, is told before anything is touched."""

from typing import Any

import pytest

from rig.openstack_rows import (
    DATA,
    IMAGE,
    NET_A,
    NET_B,
    SERVER,
    Json,
    address,
    around,
    attachment,
    flavor,
    from_volume,
    image,
    port,
    server,
    volume,
)
from thresher.model.vm import Loss, Severity
from thresher.sources.openstack.losses import folder_ignored
from thresher.sources.openstack.rows import Surroundings
from thresher.sources.openstack.translate import source_vm

A, B, C = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c"


def losses(row: Json, *rows: Json, **options: Any) -> tuple[Loss, ...]:
    found = source_vm(row, around(image(), *rows, **options)).losses
    assert all(loss.message.endswith(".") for loss in found)
    return found


def rules(row: Json, *rows: Json, **options: Any) -> list[tuple[str, str, bool]]:
    """Rule, subject, and whether it stops the import."""
    return [(loss.rule, loss.subject, loss.severity is Severity.BLOCKER) for loss in losses(row, *rows, **options)]


def state(vm_state: str, status: str, **changes: Any) -> Json:
    return server(**{"OS-EXT-STS:vm_state": vm_state, "status": status, **changes})


@pytest.mark.parametrize(
    ("vm_state", "status"),
    [
        ("building", "BUILD"),
        ("error", "ERROR"),
        ("rescued", "RESCUE"),
        ("resized", "VERIFY_RESIZE"),
        ("shelved", "SHELVED"),
        ("shelved_offloaded", "SHELVED_OFFLOADED"),
        ("soft-delete", "SOFT_DELETED"),
        ("something new", "UNKNOWN"),
    ],
)
def test_states_that_an_import_cannot_begin_in(vm_state: str, status: str) -> None:
    assert rules(state(vm_state, status)) == [("ServerState", "VM", True)]


@pytest.mark.parametrize(
    ("vm_state", "status"),
    [("active", "ACTIVE"), ("stopped", "SHUTOFF"), ("paused", "PAUSED"), ("suspended", "SUSPENDED")],
)
def test_states_that_are_the_import_s_own_matter(vm_state: str, status: str) -> None:
    assert rules(state(vm_state, status)) == []


def test_an_error_says_what_nova_says() -> None:
    row = state("error", "ERROR", fault={"code": 500, "message": "No valid host was found."})
    assert "Nova says: No valid host was found." in losses(row)[0].message


def test_a_task_has_to_be_waited_for() -> None:
    assert rules(server(**{"OS-EXT-STS:task_state": "migrating"})) == [("ServerBusy", "VM", True)]
    assert rules(server(**{"OS-EXT-STS:task_state": "powering-off"})) == []


def test_a_locked_server_cannot_be_stopped() -> None:
    locked = server(locked=True, locked_reason="payroll")
    assert rules(locked) == [("ServerLocked", "VM", True)]
    assert "payroll" in losses(locked)[0].message
    assert rules(state("stopped", "SHUTOFF", locked=True)) == []


@pytest.mark.parametrize(
    ("changes", "rule", "blocks"),
    [
        ({"encrypted": True}, "EncryptedVolume", True),
        ({"multiattach": True}, "MultiAttach", False),
        (
            {"multiattach": True, "attachments": [attachment("/dev/vdb"), attachment("/dev/vdc", "other")]},
            "SharedDisk",
            True,
        ),
        ({"status": "error"}, "VolumeStatus", True),
        ({"status": "error_extending"}, "VolumeStatus", True),
        ({"status": "backing-up"}, "VolumeStatus", False),
    ],
)
def test_volumes_that_are_more_than_a_disk(changes: Json, rule: str, blocks: bool) -> None:  # noqa: FBT001
    row = from_volume(DATA, image={"id": IMAGE, "links": []})
    assert rules(row, volume(DATA, "/dev/vdb", **changes)) == [(rule, f"disk {DATA}", blocks)]


def test_an_ordinary_volume_loses_nothing() -> None:
    assert rules(from_volume(DATA), volume(DATA, "/dev/vda")) == []


def test_a_volume_that_is_larger_than_glance_s_usual_limit_is_told() -> None:
    assert rules(from_volume(DATA), volume(DATA, "/dev/vda", 1024)) == []
    assert rules(from_volume(DATA), volume(DATA, "/dev/vda", 1025)) == [("LargeVolume", f"disk {DATA}", False)]
    assert "1025 GiB" in losses(from_volume(DATA), volume(DATA, "/dev/vda", 1025))[0].message


def test_a_volume_that_cannot_be_read_stops_the_import() -> None:
    assert rules(from_volume(DATA)) == [("VolumeUnreadable", f"disk {DATA}", True)]
    (disk,) = source_vm(from_volume(DATA), around()).disks
    assert (disk.key, disk.capacity) == (DATA, None)


def test_disks_that_no_api_reads() -> None:
    row = server(flavor=flavor(ephemeral=40, swap=2048))
    assert rules(row) == [("EphemeralDisk", "ephemeral disk", False), ("SwapDisk", "swap disk", False)]
    assert "40 GiB" in losses(row)[0].message
    assert "2048 MiB" in losses(row)[1].message


def test_swap_as_an_old_nova_writes_none() -> None:
    assert rules(server(flavor=flavor(swap=""))) == []


@pytest.mark.parametrize(
    ("specs", "rule"),
    [
        ({"pci_passthrough:alias": "a100:1"}, "PciPassthrough"),
        ({"resources:VGPU": "1"}, "PciPassthrough"),
        ({"accel:device_profile": "fpga"}, "PciPassthrough"),
        ({"hw:cpu_policy": "dedicated"}, "CpuPolicy"),
        ({"hw:numa_nodes": "2"}, "NumaTopology"),
        ({"hw:mem_page_size": "large"}, "HugePages"),
        ({"hw:mem_encryption": "True"}, "MemoryEncryption"),
    ],
)
def test_what_a_flavor_asks_of_a_host(specs: dict[str, str], rule: str) -> None:
    ((found, subject, blocks),) = rules(server(flavor=flavor(extra_specs=specs)))
    assert (found, subject, blocks) == (rule, f"flavor's {next(iter(specs))}", False)


@pytest.mark.parametrize(
    "specs", [{"hw:cpu_policy": "shared"}, {"hw:mem_encryption": "False"}, {"hw:mem_page_size": "small"}]
)
def test_extra_specs_that_ask_for_what_is_usual(specs: dict[str, str]) -> None:
    assert rules(server(flavor=flavor(extra_specs=specs))) == []


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ({"hw_machine_type": "pc-i440fx-8.2"}, "MachineType"),
        ({"hw_machine_type": "pc"}, "MachineType"),
        ({"hw_architecture": "aarch64"}, "Architecture"),
        ({"os_secure_boot": "optional"}, "SecureBootOptional"),
        ({"hw_mem_encryption": "true"}, "MemoryEncryption"),
        ({"hw_cpu_threads": "2"}, "CpuThreads"),
    ],
)
def test_what_an_image_asks_for(stated: dict[str, str], rule: str) -> None:
    found = source_vm(server(), around(image(**stated))).losses
    assert [(loss.rule, loss.severity) for loss in found] == [(rule, Severity.WARNING)]


@pytest.mark.parametrize("stated", [{"hw_machine_type": "pc-q35-8.2"}, {"hw_architecture": "x86_64"}])
def test_what_is_the_same_there(stated: dict[str, str]) -> None:
    assert source_vm(server(), around(image(**stated))).losses == ()


def test_an_image_that_is_gone_leaves_its_properties_unknown() -> None:
    gone = server(image={"id": IMAGE, "links": []})
    (loss,) = source_vm(gone, Surroundings()).losses
    assert (loss.rule, loss.severity) == ("ImageUnreadable", Severity.BLOCKER), "a UEFI guest would become a BIOS VM"
    assert "skipPreflightChecks" in loss.message
    kept = server(image={"id": IMAGE, "links": [], "properties": {"hw_firmware_type": "uefi"}})
    assert source_vm(kept, Surroundings()).losses == ()


def test_addresses_do_not_come_along() -> None:
    fixed = [{"subnet_id": "s", "ip_address": "10.0.0.5"}]
    addresses = {"prod": [address(A, "10.0.0.5"), address(A, "203.0.113.5", "floating")]}
    row = server(addresses=addresses)
    found = losses(row, port("p", A, fixed_ips=fixed))
    assert [(loss.rule, loss.subject) for loss in found] == [("FixedAddress", "NIC p"), ("FloatingAddress", "VM")]
    assert "10.0.0.5" in found[0].message
    assert "203.0.113.5" in found[1].message


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"binding:vnic_type": "direct"}, "SriovNic"),
        ({"trunk_details": {"trunk_id": "t", "sub_ports": []}}, "TrunkPort"),
        ({"qos_policy_id": "q"}, "NicQos"),
    ],
)
def test_ports_that_are_more_than_a_card(changes: Json, rule: str) -> None:
    row = server(addresses={"prod": [address(A, "10.0.0.5")]})
    assert rules(row, port("p", A, **changes)) == [(rule, "NIC p", False)]


def test_security_groups_are_named() -> None:
    row = server(addresses={"prod": [address(A, "10.0.0.5")]}, security_groups=[{"name": "web"}, {"name": "default"}])
    (loss,) = losses(row, port("p", A, security_groups=["1", "2"]))
    assert loss.rule == "SecurityGroups"
    assert "default, web" in loss.message


def test_a_card_that_neutron_has_no_port_for_stops_the_import() -> None:
    row = server(addresses={"prod": [address(A, "10.0.0.5")]})
    assert ("PortUnreadable", f"MAC {A}", True) in rules(row)


def test_an_order_that_nova_does_not_tell_is_told() -> None:
    """``addresses`` groups the cards by network: A, B, A and A, A, B look alike."""
    addresses = {"prod": [address(A, "10.0.0.5"), address(C, "10.0.0.6")], "storage": [address(B, "10.1.0.5")]}
    ports = [port("1", A, NET_A), port("2", B, NET_B), port("3", C, NET_A)]
    assert rules(server(addresses=addresses), *ports) == [("NicOrder", "NICs", False)]
    one_each = {"prod": [address(A, "10.0.0.5")], "storage": [address(B, "10.1.0.5")]}
    assert rules(server(addresses=one_each), *ports[:2]) == []
    one_network = {"prod": [address(A, "10.0.0.5"), address(C, "10.0.0.6")]}
    assert rules(server(addresses=one_network), ports[0], ports[2]) == []


def test_what_surrounds_a_server() -> None:
    row = server(config_drive="True")
    found = rules(row, groups={SERVER: ["web tier"]})
    assert found == [("ConfigDrive", "VM", False), ("ServerGroup", "VM", False)]
    assert "web tier" in losses(row, groups={SERVER: ["web tier"]})[1].message


def test_a_folder_is_said_to_be_ignored() -> None:
    (loss,) = folder_ignored("Prod")
    assert "'Prod'" in loss.message
