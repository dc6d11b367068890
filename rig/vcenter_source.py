"""What tests of the vCenter source share: how to reach the simulator, and which VMs it has."""

import json
from functools import partial

from rig.vcenter import VCenter
from thresher.model.vm import SourceVM
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection
from thresher.sources.vcenter.export import export_vm
from thresher.sources.vcenter.limits import ExportLimits
from thresher.sources.vcenter.source import VCenterSource

MANIFESTS = """
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {login}
---
apiVersion: migration.harvesterhci.io/v1beta1
kind: VmwareSource
metadata: {{name: vcenter}}
spec: {{endpoint: "{url}", dc: DC0, credentials: {{name: login, namespace: default}}}}
"""


def source_manifests(vc: VCenter, *, ca: bool = False, password: str = "") -> str:
    """The source as a user writes it.

    Args:
        vc: the simulator.
        ca: whether its CA is stated; else its certificate is pinned.
        password: another than the right one.
    """
    login = {"username": vc.username, "password": password or vc.password} | ({"caCert": vc.ca_pem} if ca else {})
    return MANIFESTS.format(login=json.dumps(login), url=vc.url)


def connection(vc: VCenter) -> VCenterConnection:
    """A connection that trusts the simulator's CA."""
    return VCenterConnection(VCenterAccess(vc.url, vc.username, vc.password, ca_pem=vc.ca_pem, timeout_s=20))


def source(connection: VCenterConnection, limits: ExportLimits, datacenter: str = "DC0") -> VCenterSource:
    """The source as it is put together for an import."""
    return VCenterSource(connection, datacenter, partial(export_vm, limits=limits))


async def inventory(source: VCenterSource) -> dict[str, SourceVM]:
    """The VMs by name."""
    return {vm.name: vm for vm in await source.inventory()}
