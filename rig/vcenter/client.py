"""What tests do with a simulated vCenter through pyvmomi and plain HTTPS, as its users would."""

import hashlib
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pyVim.connect import SmartStubAdapter
from pyVmomi import vim, vmodl

from rig.vcenter.process import VCenter


@contextmanager
def connected(vc: VCenter, password: str | None = None) -> Iterator[vim.ServiceInstance]:
    """Log in, and out again in the end."""
    context = ssl.create_default_context(cadata=vc.ca_pem)
    stub = SmartStubAdapter(host="127.0.0.1", port=vc.port, sslContext=context)
    si = vim.ServiceInstance("ServiceInstance", stub)
    try:
        si.RetrieveContent().sessionManager.Login(vc.username, password or vc.password)
        yield si
        with suppress(vim.fault.NotAuthenticated):  # a test may have ended the session
            si.RetrieveContent().sessionManager.Logout()
    finally:
        stub.DropConnections()


def find(si: vim.ServiceInstance, path: str) -> Any:
    """The object at an inventory path."""
    found = si.content.searchIndex.FindByInventoryPath(path)
    assert found is not None, path
    return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come; pytest's own time-out speaks up where it does not."""
    while not condition():
        time.sleep(0.02)


def finished(task: Any) -> Any:
    """Wait for a task and return its result. Raises the task's error."""
    until(lambda: task.info.state in ("success", "error"))
    if task.info.state == "error":
        raise task.info.error
    return task.info.result


def read_vms(si: vim.ServiceInstance, paths: list[str], page: int) -> list[dict[str, Any]]:
    """Read all VMs through one PropertyCollector request and its continuations."""
    view = si.content.viewManager.CreateContainerView(
        container=si.content.rootFolder, type=[vim.VirtualMachine], recursive=True
    )
    query = vmodl.query.PropertyCollector
    members = query.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[members])],
        propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=paths)],
    )
    collector = si.content.propertyCollector
    result = collector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=page))
    objects = list(result.objects)
    while result.token:
        result = collector.ContinueRetrievePropertiesEx(result.token)
        objects += result.objects
    view.Destroy()
    return [{prop.name: prop.val for prop in found.propSet} | {"": found.obj._moId} for found in objects]  # noqa: SLF001 - pyvmomi has no public name for a moref


def ready(lease: Any) -> Any:
    """Wait until a lease is ready."""
    until(lambda: lease.state != vim.HttpNfcLease.State.initializing)
    assert lease.state == vim.HttpNfcLease.State.ready, lease.error
    return lease


def disks(lease: Any) -> list[Any]:
    """The disks among the items of a lease."""
    return [item for item in lease.info.deviceUrl if item.disk]


def unchecked() -> ssl.SSLContext:
    """The context for an ESXi host: its certificate is checked by the lease's thumbprint instead."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def opened(url: str, headers: dict[str, str] | None = None) -> Any:
    """Open a URL without checking its certificate."""
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - the lease says https
    return urllib.request.urlopen(request, context=unchecked(), timeout=30)  # noqa: S310 - likewise


def download(url: str, headers: dict[str, str] | None = None) -> bytes:
    """All bytes of a URL."""
    with opened(url, headers) as reply:
        body: bytes = reply.read()
        return body


def fingerprint(vc: VCenter) -> str:
    """The SHA-256 of vCenter's certificate as a client sees it."""
    return colons(ssl.get_server_certificate(("127.0.0.1", vc.port)))


def colons(pem: str) -> str:
    """The SHA-256 of a certificate."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    return ":".join(f"{byte:02X}" for byte in digest)


def thumbprint(port: int | None) -> str:
    """The SHA-1 of the certificate on a port of 127.0.0.1, as vSphere writes it."""
    pem = ssl.get_server_certificate(("127.0.0.1", port or 0))
    digest = hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem)).digest()  # noqa: S324 - vSphere's thumbprints are SHA-1
    return ":".join(f"{byte:02X}" for byte in digest)
