"""Hardened reading of XML into a small tree that knows where each element stands.

Namespaces are dropped from element names: writers disagree on them (http and https, envelope 1 and 2, oVirt's
trailing slash) and no two OVF vocabularies use one local name for two things at one place.

A descriptor comes from a stranger, so there is no DTD, no entity, and a bound on bytes, depth, elements and
the size of a single token. The last one bounds both memory and Expat's re-reading of an unfinished token
(CVE-2023-52425).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from thresher.model.errors import OvfError
from thresher.model.units import KIB, MIB, human

MAX_OVF_BYTES = 16 * MIB
"""The largest descriptor that is read. Real ones are under 100 KiB; vendor appliances reach a few MiB."""
MAX_DEPTH = 64
MAX_ELEMENTS = 50_000
MAX_TOKEN_BYTES = 64 * KIB
MAX_ATTRIBUTES = 256
MAX_NAMESPACE = 1024
"""Expat repeats a namespace in every name, so a long one would multiply a small document."""
_CHUNK = 16 * KIB
_SHOWN = 80


def shown(text: str) -> str:
    """Quote text of a stranger for a message, on one line and of bounded length."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


@dataclass(slots=True)
class Element:
    """An element by its local name.

    Attributes:
        name: without namespace.
        offset: of its start tag, in bytes from the start of the document.
        attributes: by (namespace, local name).
        children: in document order.
        pieces: its character data, up to each child and after it.
    """

    name: str
    offset: int
    attributes: dict[tuple[str, str], str]
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own character data, stripped."""
        return "".join(self.pieces).strip()

    def get(self, name: str) -> str:
        """The attribute of that local name, stripped; "" where there is none.

        Where several namespaces have it (oVirt writes ``ovf:id`` beside ``ovirt:id``), OVF's own wins.
        """
        best = ""
        for (namespace, local), value in self.attributes.items():
            if local == name:
                if not namespace or "/ovf/envelope" in namespace:
                    return value.strip()
                best = best or value.strip()
        return best

    def all(self, *names: str) -> Iterator["Element"]:
        """The children of these names, in document order."""
        return (child for child in self.children if child.name in names)

    def first(self, name: str) -> "Element | None":
        """The first child of that name."""
        return next(self.all(name), None)

    def path(self, *names: str) -> "Element | None":
        """The first descendant along ``names``."""
        found: Element | None = self
        for name in names:
            found = found.first(name) if found else None
        return found

    def value(self, name: str) -> str:
        """The text of the first child of that name; "" where there is none."""
        child = self.first(name)
        return child.text if child else ""

    def sections(self, kind: str) -> Iterator["Element"]:
        """Children that are a ``kind``, also where oVirt writes ``<Section xsi:type="ovf:<kind>_Type">``."""
        return (child for child in self.children if child.kind == kind)

    @property
    def kind(self) -> str:
        """Its name, or what ``xsi:type`` says where the name is only ``Section`` or ``Content``."""
        if self.name not in ("Section", "Content"):
            return self.name
        return self.get("type").rpartition(":")[2].removesuffix("_Type")

    def error(self, message: str) -> OvfError:
        """An error at this element."""
        return OvfError(message, offset=self.offset)


class _Tree:
    """Receives the parser's events and builds the tree, within the bounds."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.position: Callable[[], int] = int
        self.seen = 0
        self._open: list[Element] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.seen = self.position()
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise OvfError(
                f"the OVF descriptor has more than {MAX_ELEMENTS} elements or nests deeper than {MAX_DEPTH}; "
                "it is refused, because no real descriptor does",
                offset=self.seen,
            )
        if len(attributes) > MAX_ATTRIBUTES:
            raise OvfError(f"a tag has more than {MAX_ATTRIBUTES} attributes; it is refused", offset=self.seen)
        split = {_split(name): value for name, value in attributes.items()}
        element = Element(_split(tag)[1], self.seen, split)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def namespace(self, _prefix: str | None, uri: str | None) -> None:
        if uri and len(uri) > MAX_NAMESPACE:
            raise OvfError(f"a namespace is longer than {MAX_NAMESPACE} characters", offset=self.position())

    def data(self, text: str) -> None:
        self.seen = self.position()
        self._open[-1].pieces.append(text)

    def end(self, _tag: str) -> None:
        self.seen = self.position()
        self._open.pop()

    def comment(self, _text: str) -> None:
        self.seen = self.position()

    def pi(self, _target: str, _text: str) -> None:
        self.seen = self.position()

    def close(self) -> Element | None:
        return self.root


def _split(name: str) -> tuple[str, str]:
    """Split ElementTree's ``{namespace}local``."""
    namespace, brace, local = name.rpartition("}")
    return (namespace.removeprefix("{"), local) if brace else ("", name)


def read_xml(data: bytes) -> Element:
    """Parse a document.

    Raises:
        OvfError: it is not well-formed, or breaks a bound.
    """
    if len(data) > MAX_OVF_BYTES:
        raise OvfError(
            f"the OVF descriptor has {human(len(data))}, more than the {human(MAX_OVF_BYTES)} that are read; "
            "check that it is a descriptor and not a disk"
        )
    tree = _Tree()
    parser = DefusedXMLParser(target=tree, forbid_dtd=True)
    # Expat knows the offset exactly; line and column would have to be counted again, in its idea of columns.
    tree.position = lambda: parser.parser.CurrentByteIndex
    parser.parser.StartNamespaceDeclHandler = tree.namespace
    try:
        for begin in range(0, len(data), _CHUNK):
            parser.feed(data[begin : begin + _CHUNK])
            if begin + _CHUNK - tree.seen > MAX_TOKEN_BYTES + _CHUNK:
                raise OvfError("a tag or comment of the OVF descriptor is larger than 64 KiB", offset=tree.seen)
        parser.close()
    except DefusedXmlException as error:
        raise OvfError(
            "the OVF descriptor declares a DTD or an entity, which is refused; remove the DOCTYPE",
            offset=max(0, parser.parser.CurrentByteIndex),
        ) from error
    except ParseError as error:
        where = max(0, parser.parser.ErrorByteIndex)
        raise OvfError(f"the OVF descriptor is not well-formed XML: {error}", offset=where) from error
    except (ValueError, LookupError) as error:  # an encoding that Python does not know, or cannot map
        raise OvfError(f"the OVF descriptor cannot be decoded: {shown(str(error))}", offset=0) from error
    if tree.root is None:
        raise OvfError("the OVF descriptor is empty", offset=0)
    return tree.root
