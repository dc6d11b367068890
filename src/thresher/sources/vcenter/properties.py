"""Properties of one known object, in one request."""

from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from thresher.model.vm import SourceVM
from thresher.sources.vcenter.collector import read_these


def machine(instance: Any, vm: SourceVM) -> Any:
    """The managed object of a VM, without asking for it."""
    return vim.VirtualMachine(vm.id, instance._stub)  # noqa: SLF001 - as pyvmomi's own samples do


def read(instance: Any, subject: Any, *paths: str) -> Mapping[str, Any]:
    """Read properties of a managed object; what is unset is not in the answer.

    It blocks, and raises what pyvmomi raises, also for a property that the user may not see: call it through the
    connection.

    Args:
        instance: the logged-in ``vim.ServiceInstance``.
        subject: the managed object.
        paths: of its properties, such as ``runtime.powerState``.
    """
    (row,) = read_these(instance.RetrieveContent(), [subject], paths)
    for fault in row.refused.values():
        raise fault
    return row.values
