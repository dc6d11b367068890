"""Reads what a PropertyCollector answers, into pyvmomi's own types, several times as fast as pyvmomi does.

pyvmomi looks up and checks the type of every element anew, and fills a new object with its defaults one by one: of
an inventory of 10,000 VMs, which has two million elements, that takes most of the time. Here what is known of a type
is worked out once. What comes out is the same, but for two things: a type that pyvmomi does not know is read as the
one that the API declares there, and a property that it does not know is passed over; pyvmomi raises for both.

SOAP 1.1 (section 3) forbids document type declarations in messages, so none is accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Protocol
from xml.parsers.expat import ExpatError, ParserCreate

from pyVmomi import vmodl
from pyVmomi.Iso8601 import ParseISO8601
from pyVmomi.VmomiSupport import (
    XMLNS_VMODL_BASE,
    XMLNS_XSI,
    DataObject,
    Enum,
    GetCompatibleType,
    GetWsdlType,
    ManagedObject,
)

_TYPE = f"{XMLNS_XSI} type"
_PIECE = 64 << 10
"""Bytes at a time; expat's own ParseFile asks for 2 KiB."""
_NAMES = 4096
"""Names of types and values kept in mind: more than the API has, and a bound for a server that makes up more."""
_REFERENCE = "ManagedObjectReference"
_LEAVES: dict[str, Callable[[str], Any]] = {
    "string": str,
    "anyURI": str,
    "boolean": lambda text: text in ("true", "1"),
    "byte": int,
    "short": int,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "dateTime": ParseISO8601,
    "base64Binary": str,
}
"""How the text of XML Schema's simple types is read. Nothing that is asked for holds binary data."""


class Readable(Protocol):
    """The body of an answer."""

    def read(self, amount: int, /) -> bytes:
        """Some more bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class _Member:
    """A property of a type: what it is called, what is in it, and whether it may repeat."""

    name: str
    shape: "_Shape"
    many: bool = False


class _Fields(dict[str, _Member | None]):
    """The members of a type by their names, each looked up when it is first met."""

    def __init__(self, find: Callable[[str], _Member | None]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: str) -> _Member | None:
        self[name] = found = self._find(name)
        return found


@dataclass(slots=True)
class _Shape:
    """How an element of some type is read: exactly one of ``leaf``, ``make`` and ``reference`` is so."""

    leaf: Callable[[str], Any] | None = None
    reference: bool = False
    make: type[Any] | None = None
    template: dict[str, Any] = field(default_factory=dict)
    lists: tuple[tuple[str, type[Any]], ...] = ()
    fields: _Fields = field(default_factory=lambda: _Fields(lambda _: None))


@cache
def _shape_of(kind: type[Any], version: str) -> _Shape:
    """How elements of a pyvmomi type are read."""
    kind = GetCompatibleType(kind, version)
    if issubclass(kind, ManagedObject):
        return _Shape(reference=True)
    if issubclass(kind, list):
        made = _Member("", _shape_of(kind.Item, version), many=True)  # type: ignore[attr-defined] # pyvmomi's arrays
        return _Shape(make=kind, fields=_Fields(lambda _: made))
    if issubclass(kind, DataObject):
        return _object(kind, version)
    return _Shape(leaf=_leaf_of(kind))


def _leaf_of(kind: type[Any]) -> Callable[[str], Any]:
    if kind is bool:
        return _LEAVES["boolean"]
    if issubclass(kind, Enum):
        return lru_cache(_NAMES)(kind)
    if issubclass(kind, int | float):
        return int if issubclass(kind, int) else float
    return ParseISO8601 if kind is datetime else str


def _object(kind: Any, version: str) -> _Shape:
    blank = kind()

    def member(name: str) -> _Member | None:
        try:
            info = kind._GetPropertyInfo(name)  # noqa: SLF001 - public by pyvmomi's own words
        except AttributeError:
            return None
        many = issubclass(info.type, list)
        inner: Any = info.type.Item if many else info.type
        if issubclass(inner, Exception) and kind is not vmodl.LocalizedMethodFault:
            inner = vmodl.LocalizedMethodFault
        return _Member(info.name, _shape_of(inner, version), many)

    lists = tuple((name, type(value)) for name, value in vars(blank).items() if isinstance(value, list))
    template = {name: value for name, value in vars(blank).items() if not isinstance(value, list)}
    return _Shape(make=kind, template=template, lists=lists, fields=_Fields(member))


@lru_cache(_NAMES)
def _shape_named(name: str, version: str) -> _Shape | None:
    """How elements are read that say themselves what they are (``xsi:type``); None where nobody knows the type."""
    name = name.rpartition(":")[2]
    if name in _LEAVES:
        return _Shape(leaf=_LEAVES[name])
    if name.endswith(_REFERENCE):
        name = name.removesuffix("Reference")
    try:
        return _shape_of(GetWsdlType(XMLNS_VMODL_BASE, name), version)
    except KeyError:
        return None


class _Reader:
    """Expat's handlers. An element in progress is a dictionary to fill, and the members it may have."""

    def __init__(self, stub: Any, result: Any) -> None:
        self._stub = stub
        self._version: str = stub.version
        self._root = _Shape(fields=_Fields(lambda _: _Member("result", _shape_of(result, self._version))))
        self.answer: dict[str, Any] = {}
        self._local: dict[str, str] = {}
        self._values: Any = self.answer
        self._fields: _Fields | None = None
        self._open: list[tuple[Any, _Fields | None, _Member, _Shape, Any]] = []
        self._skipped = 0
        self._text: list[str] = []
        self.data = self._text.append

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if self._skipped:
            self._skipped += 1
            return
        self._text.clear()
        name = self._local.get(tag)
        if name is None:
            name = self._local[tag] = tag.rpartition(" ")[2]
        if self._fields is None:
            if name.endswith("Response"):
                self._fields = self._root.fields
            return
        member = self._fields[name]
        if member is None:
            self._skipped = 1
            return
        stated = attributes.get(_TYPE)
        shape = (_shape_named(stated, self._version) if stated else None) or member.shape
        if shape.reference:
            self._open.append((self._values, self._fields, member, shape, attributes.get("type", "ManagedObject")))
        elif shape.make is None:
            self._open.append((self._values, self._fields, member, shape, None))
        else:
            self._begin(member, shape, shape.make)

    def _begin(self, member: _Member, shape: _Shape, kind: Any) -> None:
        made = kind.__new__(kind)
        self._open.append((self._values, self._fields, member, shape, made))
        self._fields = shape.fields
        if isinstance(made, list):
            self._values = {"": made}
            return
        self._values = made.__dict__
        self._values.update(shape.template)
        for name, kind_of_list in shape.lists:
            self._values[name] = kind_of_list()

    def end(self, _tag: str) -> None:
        """An element ends."""
        if self._skipped:
            self._skipped -= 1
            return
        if not self._open:
            self._fields = None
            return
        self._values, self._fields, member, shape, made = self._open.pop()
        if shape.leaf is not None:
            made = shape.leaf("".join(self._text))
        elif shape.reference:
            made = _managed(made, "".join(self._text), self._stub)
        elif shape.make is vmodl.LocalizedMethodFault and made.fault is not None:
            made.fault.msg = made.localizedMessage
            made = made.fault
        if member.many:
            self._values[member.name].append(made)
        else:
            self._values[member.name] = made


def _managed(kind: str, moref: str, stub: Any) -> Any:
    return _managed_type(kind)(moref, stub)


@lru_cache(_NAMES)
def _managed_type(kind: str) -> Any:
    try:
        return GetWsdlType(XMLNS_VMODL_BASE, kind.rpartition(":")[2])
    except KeyError:
        return ManagedObject


def read_answer(body: Readable, stub: Any, result: type[Any]) -> Any:
    """The result in the SOAP message of a call that succeeded; None where it has none.

    Args:
        body: the message.
        stub: what the managed objects in it shall use; its version is that of the API.
        result: what the API declares the call to return.

    Raises:
        ExpatError: it is no XML, or has a document type declaration.
    """
    reader = _Reader(stub, result)
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = _refuse
    while piece := body.read(_PIECE):
        parser.Parse(piece, False)  # noqa: FBT003 - expat takes it by its place only
    parser.Parse(b"", True)  # noqa: FBT003 - likewise
    return reader.answer.get("result")


def _refuse(*_: object) -> None:
    raise ExpatError("a document type declaration, which SOAP forbids")
