"""Properties of one object, in one request."""

from collections.abc import Sequence
from typing import Any

from pyVmomi import vmodl

_Query = vmodl.query.PropertyCollector


def read(instance: Any, subject: Any, paths: Sequence[str]) -> dict[str, Any]:
    """Read properties of a managed object through the PropertyCollector; what is unset is not in the answer.

    It blocks, and raises what pyvmomi raises: call it through the connection.

    Args:
        instance: the logged-in ``vim.ServiceInstance``.
        subject: the managed object.
        paths: of its properties, such as ``runtime.powerState``.
    """
    wanted = _Query.FilterSpec(
        objectSet=[_Query.ObjectSpec(obj=subject)],
        propSet=[_Query.PropertySpec(type=type(subject), pathSet=list(paths))],
    )
    answer = instance.content.propertyCollector.RetrievePropertiesEx([wanted], _Query.RetrieveOptions())
    found = answer.objects[0]
    for missing in found.missingSet or ():
        raise missing.fault
    return {prop.name: prop.val for prop in found.propSet}
