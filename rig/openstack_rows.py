"""Servers, volumes, images and ports as the API references have them, for tests of the translation.

Nova: "List Servers Detailed" at microversion 2.98; Cinder: "List accessible volumes with details"; Glance: "List
images"; Neutron: "List ports".
"""

from typing import Any

from thresher.sources.openstack.rows import Surroundings

SERVER = "5f4a0c5e-8f5b-4d3e-9c55-2b4f7d5c0a01"
IMAGE = "0a3c1c3e-6f54-4a3b-9b2c-5d8f1e7a2b02"
ROOT = "11111111-aaaa-4bbb-8ccc-000000000001"
DATA = "22222222-aaaa-4bbb-8ccc-000000000002"
NET_A = "aaaaaaaa-0000-4000-8000-00000000000a"
NET_B = "bbbbbbbb-0000-4000-8000-00000000000b"

Json = dict[str, Any]


def flavor(**changes: Any) -> Json:
    """As microversion 2.47 embeds it: ``ram`` and ``swap`` in MiB, ``disk`` and ``ephemeral`` in GiB."""
    return {
        "vcpus": 2,
        "ram": 4096,
        "disk": 20,
        "ephemeral": 0,
        "swap": 0,
        "original_name": "m1.medium",
        "extra_specs": {},
        **changes,
    }


def server(**changes: Any) -> Json:
    """A server that is active and was made of an image."""
    return {
        "id": SERVER,
        "name": "web-1",
        "status": "ACTIVE",
        "tenant_id": "6f70656e737461636b20342065766572",
        "created": "2026-03-01T08:15:30Z",
        "updated": "2026-03-01T08:15:41Z",
        "description": None,
        "addresses": {},
        "flavor": flavor(),
        "image": {"id": IMAGE, "links": [], "properties": {}},
        "config_drive": "",
        "locked": False,
        "locked_reason": None,
        "security_groups": [{"name": "default"}],
        "os-extended-volumes:volumes_attached": [],
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:power_state": 1,
        **changes,
    }


def from_volume(*volumes: str, **changes: Any) -> Json:
    """A server without an image; the API shows an empty string then."""
    attached = [{"id": volume, "delete_on_termination": False} for volume in volumes]
    return server(**{"image": "", "os-extended-volumes:volumes_attached": attached, **changes})


def volume(key: str, device: str, size: int = 1, **changes: Any) -> Json:
    """A volume that is attached to the server; ``size`` is in GiB."""
    return {
        "id": key,
        "name": "",
        "size": size,
        "status": "in-use",
        "bootable": "false",
        "encrypted": False,
        "multiattach": False,
        "volume_type": "ssd",
        "attachments": [attachment(device)],
        **changes,
    }


def attachment(device: str, server_id: str = SERVER) -> Json:
    """Of a volume's ``attachments``."""
    return {"server_id": server_id, "device": device, "attachment_id": "4b8b5b9a", "host_name": "cpu-1"}


def image(**properties: Any) -> Json:
    """An image with its properties beside its own fields, as Image API v2 shows them."""
    return {
        "id": IMAGE,
        "name": "ubuntu",
        "status": "active",
        "disk_format": "qcow2",
        "size": 638_000_000,
        "virtual_size": 2_361_393_152,
        "min_disk": 0,
        **properties,
    }


def port(key: str, mac: str, network: str = NET_A, **changes: Any) -> Json:
    """A port that is plugged into the server."""
    return {
        "id": key,
        "device_id": SERVER,
        "device_owner": "compute:nova",
        "mac_address": mac,
        "network_id": network,
        "fixed_ips": [],
        "security_groups": [],
        "binding:vnic_type": "normal",
        "created_at": "2026-03-01T08:15:31Z",
        **changes,
    }


def address(mac: str, addr: str, kind: str = "fixed") -> Json:
    """Of a server's ``addresses``."""
    return {"OS-EXT-IPS-MAC:mac_addr": mac, "OS-EXT-IPS:type": kind, "addr": addr, "version": 4}


def around(
    *rows: Json, groups: dict[str, list[str]] | None = None, flavors: dict[str, Json] | None = None
) -> Surroundings:
    """Volumes, images and ports, told apart by what they have."""
    return Surroundings(
        volumes={row["id"]: row for row in rows if "volume_type" in row},
        images={row["id"]: row for row in rows if "disk_format" in row},
        ports={SERVER: [row for row in rows if "mac_address" in row]},
        networks={NET_A: "prod", NET_B: "storage"},
        groups=groups or {},
        flavors=flavors or {},
    )
