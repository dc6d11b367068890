"""The manifests that a person hands over: the same text that goes to a cluster, as typed objects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from thresher.api.common import API_VERSION, DEFAULT_NAMESPACE, GROUP, ApiObject, SecretReference
from thresher.api.openstack import OpenstackSource
from thresher.api.ova import OvaSource
from thresher.api.secret import Secret
from thresher.api.strict import near, parse
from thresher.api.virtualmachineimport import SourceReference, VirtualMachineImport
from thresher.api.vmware import VmwareSource
from thresher.api.yamldocs import documents
from thresher.model.errors import UsageError

AnySource = VmwareSource | OpenstackSource | OvaSource

_KINDS: dict[str, tuple[str, type[ApiObject]]] = {
    "VmwareSource": (API_VERSION, VmwareSource),
    "OpenstackSource": (API_VERSION, OpenstackSource),
    "OvaSource": (API_VERSION, OvaSource),
    "VirtualMachineImport": (API_VERSION, VirtualMachineImport),
    "Secret": ("v1", Secret),
}


@dataclass(frozen=True, slots=True)
class Manifests:
    """What the manifests hold.

    Attributes:
        imports: in the order written.
        sources: in the order written.
        secrets: in the order written.
        notes: a sentence for each document that was left out.
    """

    imports: tuple[VirtualMachineImport, ...] = ()
    sources: tuple[AnySource, ...] = ()
    secrets: tuple[Secret, ...] = ()
    notes: tuple[str, ...] = ()

    def source(self, ref: SourceReference) -> AnySource:
        """The source that ``ref`` names (see :attr:`VirtualMachineImport.source_ref`).

        Raises:
            UsageError: it is not among the manifests; the message lists those that are.
        """
        key = f"{ref.namespace or DEFAULT_NAMESPACE}/{ref.name}"
        for source in self.sources:
            if source.kind == ref.kind and source.metadata.key == key:
                return source
        raise _absent(f"{ref.kind} {key}", [f"{s.kind} {s.metadata.key}" for s in self.sources], "sources")

    def secret(self, ref: SecretReference) -> Secret:
        """The Secret that ``ref`` names (see ``secret_ref`` of each source).

        Raises:
            UsageError: it is not among the manifests; the message lists those that are.
        """
        key = f"{ref.namespace or DEFAULT_NAMESPACE}/{ref.name}"
        for secret in self.secrets:
            if secret.metadata.key == key:
                return secret
        raise _absent(f"Secret {key}", [s.metadata.key for s in self.secrets], "Secrets")


def _absent(wanted: str, there: Sequence[str], what: str) -> UsageError:
    return UsageError(
        f"{wanted} is referred to, but not among the manifests: add it or mend the reference. "
        f"The {what} there: {', '.join(there) or 'none'}."
    )


@dataclass(frozen=True, slots=True)
class _Item:
    """One object as read, and where it stood."""

    place: str
    value: Mapping[str, object]


def load_manifests(text: str) -> Manifests:
    """Read manifests of sources, Secrets and imports from YAML of one or more documents.

    Fields that no kind has are refused. A ``status`` is dropped unread, as the API server does: what an
    import found out before is not part of what is asked for. Kinds of others are left out with a note.

    Raises:
        UsageError: with the document, the object, the field and what to do.
    """
    objects: dict[tuple[str, str], ApiObject] = {}
    notes: list[str] = []
    for item in _items(text):
        obj = _object(item, notes)
        if obj is None:
            continue
        key = (obj.kind, obj.metadata.key)
        if key in objects:
            raise UsageError(f"{obj.kind} {obj.metadata.key} is there twice, again in {item.place}: keep one.")
        objects[key] = obj
    found = tuple(objects.values())
    return Manifests(
        imports=tuple(o for o in found if isinstance(o, VirtualMachineImport)),
        sources=tuple(o for o in found if isinstance(o, VmwareSource | OpenstackSource | OvaSource)),
        secrets=tuple(o for o in found if isinstance(o, Secret)),
        notes=tuple(notes),
    )


def _items(text: str) -> Iterator[_Item]:
    """The objects of ``text``; those of a ``List``, as ``kubectl get -o yaml`` prints it, one by one."""
    for document in documents(text):
        place = f"document {document.number}, line {document.line}"
        value = _mapping(document.value, place)
        if value.get("kind") != "List" or value.get("apiVersion") != "v1":
            yield _Item(place, value)
            continue
        items = value.get("items")
        if not isinstance(items, list):
            raise UsageError(f"The List ({place}) has no list of items: add it.")
        for index, entry in enumerate(items):
            inner = f"{place}, items[{index}]"
            yield _Item(inner, _mapping(entry, inner))


def _mapping(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"The manifest ({place}) is no object: it must begin with apiVersion and kind.")
    return value


def _object(item: _Item, notes: list[str]) -> ApiObject | None:
    """The typed object, or None with a note where the kind is none of ours."""
    version, kind = item.value.get("apiVersion"), item.value.get("kind")
    if not isinstance(version, str) or not isinstance(kind, str):
        raise UsageError(f"The manifest ({item.place}) needs apiVersion and kind, both text: add them.")
    label = _label(kind, item)
    if kind in _KINDS:
        expected, model = _KINDS[kind]
        if version != expected:
            raise UsageError(f"{label}: apiVersion is {version}, but must be {expected}.")
        return parse(model, {k: v for k, v in item.value.items() if k != "status"}, label)
    if version.partition("/")[0] == GROUP:
        raise UsageError(
            f"{label}: {GROUP} has no such kind.{near(kind, list(_KINDS))} Its kinds: "
            f"{', '.join(name for name, (v, _) in _KINDS.items() if v == API_VERSION)}."
        )
    notes.append(f"{label} is left out: only sources, Secrets and VirtualMachineImports are read.")
    return None


def _label(kind: str, item: _Item) -> str:
    meta = item.value.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    if not isinstance(name, str):
        return f"{kind} without a name ({item.place})"
    namespace = meta.get("namespace") if isinstance(meta, dict) else None
    return f"{kind} {namespace if isinstance(namespace, str) else DEFAULT_NAMESPACE}/{name} ({item.place})"
