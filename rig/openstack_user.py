"""A user who imports from the rig's OpenStack: what they write, and what they look at."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rig.disks import sample_raw
from rig.openstack import Credential, OpenstackCloud
from thresher.model.units import GIB, MIB, Bytes

API = "migration.harvesterhci.io/v1beta1"
CAPACITY = Bytes(GIB)
"""The smallest volume that Cinder makes."""
MARKER = "came from OpenStack"


def boot_disk(folder: Path) -> Path:
    """A disk that says :data:`MARKER` when it boots."""
    return sample_raw(folder / "boot.raw", CAPACITY, 1, marker=MARKER, data=Bytes(24 * MIB))


def data_disk(folder: Path) -> Path:
    """A disk that does not boot."""
    return sample_raw(folder / "data.raw", CAPACITY, 2, data=Bytes(24 * MIB))


def source(cloud: OpenstackCloud, namespace: str, credential: Credential | None = None, *, tls: bool = False) -> str:
    """The Secret and the OpenstackSource ``openstack``, as JSON documents of one YAML text."""
    login = {key: value for key, value in asdict(credential or cloud.password).items() if value}
    if tls:
        login["ca_cert"] = cloud.ca_pem
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": namespace},
        "stringData": login,
    }
    spec = {
        "endpoint": cloud.secure_endpoint if tls else cloud.endpoint,
        "region": cloud.region,
        "credentials": {"name": "login", "namespace": namespace},
        "uploadImageRetryDelay": 1,
    }
    return _documents(secret, _object("OpenstackSource", "openstack", namespace, spec))


def vm_import(name: str, vm: str, namespace: str, **more: Any) -> str:  # what JSON holds
    """The VirtualMachineImport of a server, with the network blue mapped; ``more`` adds to its spec."""
    spec = {
        "virtualMachineName": vm,
        "gracefulShutdownTimeoutSeconds": 5,
        "networkMapping": [{"sourceNetwork": "blue", "destinationNetwork": f"{namespace}/vlan1"}],
        "sourceCluster": {"apiVersion": API, "kind": "OpenstackSource", "name": "openstack", "namespace": namespace},
        **more,
    }
    return _documents(_object("VirtualMachineImport", name, namespace, spec))


def power(cloud: OpenstackCloud, server: str) -> str:
    """A server's status: ``ACTIVE``, ``SHUTOFF``."""
    return str(cloud.admin.compute.get_server(server).status)


def _object(kind: str, name: str, namespace: str, spec: object) -> dict[str, object]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _documents(*objects: object) -> str:
    return "".join(f"---\n{json.dumps(each)}\n" for each in objects)
