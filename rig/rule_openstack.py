"""For each rule of a cloud alone: a server as the services describe it, and its twin."""

from collections.abc import Sequence
from typing import Any

from rig.openstack_rows import (
    DATA,
    IMAGE,
    NET_A,
    NET_B,
    SERVER,
    Json,
    address,
    around,
    flavor,
    from_volume,
    image,
    port,
    server,
    volume,
)
from rig.rule_cases import Case, Found, levels
from thresher.sources.openstack.losses import folder_ignored
from thresher.sources.openstack.translate import source_vm

MAC, ANOTHER_MAC, THIRD_MAC = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c"
OLD_FLAVOR = server(flavor={"id": "42", "links": []})
"""As Nova before microversion 2.47 refers to a flavor."""
BARE_IMAGE = server(image={"id": IMAGE, "links": []})
"""As Nova before microversion 2.98 refers to an image."""
ON_PROD = server(addresses={"prod": [address(MAC, "10.0.0.5")]})


def cloud(row: Json, *rows: Json, groups: Sequence[str] = (), flavors: dict[str, Json] | None = None) -> Found:
    """A server with the volumes, images and ports that the services list beside it."""
    known = around(*rows, groups={SERVER: list(groups)}, flavors=flavors)
    return lambda: levels(source_vm(row, known).losses)


def servers(made: Json, twin: Json) -> Case:
    """A rule over what Nova says."""
    return Case(cloud(made), cloud(twin))


def specs(made: dict[str, str], twin: dict[str, str]) -> Case:
    """A rule over a flavor's extra specs."""
    return servers(server(flavor=flavor(extra_specs=made)), server(flavor=flavor(extra_specs=twin)))


def properties(made: dict[str, str], twin: dict[str, str]) -> Case:
    """A rule over an image's properties."""
    return Case(cloud(BARE_IMAGE, image(**made)), cloud(BARE_IMAGE, image(**twin)))


def data_volume(**made: Any) -> Case:
    """A rule over what Cinder says of a volume."""
    row = from_volume(DATA)
    return Case(cloud(row, volume(DATA, "/dev/vda", **made)), cloud(row, volume(DATA, "/dev/vda")))


def plugged(**made: Any) -> Case:
    """A rule over what Neutron says of a port."""
    return Case(cloud(ON_PROD, port("p", MAC, **made)), cloud(ON_PROD, port("p", MAC)))


def cards(third: str) -> Found:
    """Three network cards, the last of them in that network: only within each network does Nova tell their order."""
    addresses = {"prod": [address(MAC, "10.0.0.5"), address(ANOTHER_MAC, "10.0.0.6")]}
    name = {NET_A: "prod", NET_B: "storage"}[third]
    addresses[name] = [*addresses.get(name, []), address(THIRD_MAC, "10.0.0.7")]
    ports = [port("1", MAC), port("2", ANOTHER_MAC), port("3", THIRD_MAC, third)]
    return cloud(server(addresses=addresses), *ports)


def floating(*addresses: Json) -> Found:
    """A server with one port, and Nova's list of its addresses."""
    return cloud(server(addresses={"prod": [address(MAC, "10.0.0.5"), *addresses]}), port("p", MAC))


def in_folder(folder: str) -> Found:
    """A server that is asked for in a folder."""
    return lambda: levels(folder_ignored(folder))


CASES: dict[str, Case] = {
    "FlavorUnreadable": Case(cloud(OLD_FLAVOR), cloud(OLD_FLAVOR, flavors={"42": flavor(id="42")})),
    "FolderIgnored": Case(in_folder("Prod"), in_folder("/")),
    "ImageUnreadable": Case(cloud(BARE_IMAGE), cloud(BARE_IMAGE, image())),
    "MachineType": properties({"hw_machine_type": "pc-i440fx-8.2"}, {"hw_machine_type": "pc-q35-8.2"}),
    "Architecture": properties({"hw_architecture": "aarch64"}, {"hw_architecture": "x86_64"}),
    "SecureBootOptional": properties(
        {"hw_firmware_type": "uefi", "os_secure_boot": "optional"},
        {"hw_firmware_type": "uefi", "os_secure_boot": "required"},
    ),
    "MemoryEncryption": specs({"hw:mem_encryption": "True"}, {"hw:mem_encryption": "False"}),
    "CpuThreads": specs({"hw:cpu_threads": "2"}, {"hw:cpu_threads": "1"}),
    "CpuPolicy": specs({"hw:cpu_policy": "dedicated"}, {"hw:cpu_policy": "shared"}),
    "NumaTopology": specs({"hw:numa_nodes": "2"}, {}),
    "HugePages": specs({"hw:mem_page_size": "large"}, {"hw:mem_page_size": "small"}),
    "EphemeralDisk": servers(server(flavor=flavor(ephemeral=40)), server()),
    "SwapDisk": servers(server(flavor=flavor(swap=2048)), server()),
    "VolumeUnreadable": Case(cloud(from_volume(DATA)), cloud(from_volume(DATA), volume(DATA, "/dev/vda"))),
    "EncryptedVolume": data_volume(encrypted=True),
    "MultiAttach": data_volume(multiattach=True),
    "LargeVolume": Case(
        cloud(from_volume(DATA), volume(DATA, "/dev/vda", 1025)),
        cloud(from_volume(DATA), volume(DATA, "/dev/vda", 1024)),
    ),
    "VolumeStatus": data_volume(status="error_extending"),
    "NicOrder": Case(cards(NET_B), cards(NET_A)),
    "PortUnreadable": Case(cloud(ON_PROD), cloud(ON_PROD, port("p", MAC))),
    "FixedAddress": plugged(fixed_ips=[{"subnet_id": "s", "ip_address": "10.0.0.5"}]),
    "TrunkPort": plugged(trunk_details={"trunk_id": "t", "sub_ports": []}),
    "NicQos": plugged(qos_policy_id="q"),
    "FloatingAddress": Case(floating(address(MAC, "203.0.113.5", "floating")), floating()),
    "SecurityGroups": plugged(security_groups=["85cc3048-abc3-43cc-89b3-377341426ac5"]),
    "ConfigDrive": servers(server(config_drive="True"), server()),
    "ServerGroup": Case(cloud(server(), groups=["web tier"]), cloud(server())),
    "ServerState": servers(server(**{"OS-EXT-STS:vm_state": "rescued", "status": "RESCUE"}), server()),
    "ServerBusy": servers(
        server(**{"OS-EXT-STS:task_state": "migrating"}), server(**{"OS-EXT-STS:task_state": "powering-off"})
    ),
    "ServerLocked": servers(server(locked=True), server()),
}
