"""The Kubernetes kinds this target touches, and the few verbs it needs of a client."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON has it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of a Kubernetes API, and where it is found.

    Attributes:
        group: "" for the core group.
        version: such as ``v1``.
        name: the kind, as ``kind`` has it.
        plural: as paths have it.
        namespaced: whether its objects live in namespaces.
    """

    group: str
    version: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As ``apiVersion`` has it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """The path of a collection, an object or its subresource; all namespaces where none is given."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/" + "/".join([*parts, self.plural, *(part for part in (name, sub) if part)])


IMAGE = Kind("harvesterhci.io", "v1beta1", "VirtualMachineImage", "virtualmachineimages")
MACHINE = Kind("kubevirt.io", "v1", "VirtualMachine", "virtualmachines")
CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
NETWORK = Kind("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions")


class Objects(Protocol):
    """What this target asks of a Kubernetes client. Each raises TargetError."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        ...

    async def list_all(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Sequence[Object]:
        """All objects that the label selector takes."""
        ...

    async def apply(self, obj: Object, kind: Kind) -> Object:
        """Server-side apply as the field manager ``thresher``."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> bool:
        """Delete it, if it is (still) the one of that UID; whether it was there."""
        ...
