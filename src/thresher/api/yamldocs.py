"""Multi-document YAML to plain JSON values, without what YAML adds to JSON that could surprise.

Safe for text from anywhere: no tags that build objects, bounded size, nesting and alias expansion, no
duplicate keys. Error messages never quote the text, which may hold a Secret.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from thresher.model.errors import UsageError
from thresher.model.units import MIB, human

MAX_TEXT = MIB
"""About what etcd takes for one object (1.5 MiB with its default limits); hundreds of imports fit."""
MAX_NODES = 100_000
MAX_DEPTH = 50
_QUOTED = re.compile(r"(['\"])(?!<[a-z ]+>\1|\W\1).*\1", re.DOTALL)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_STRING = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its number, counted from 1, the line it begins on, and its value."""

    number: int
    line: int
    value: object


class _Loader(yaml.SafeLoader):
    """SafeLoader with limits, without timestamps (JSON has none), refusing duplicate keys."""

    depth = 0
    yaml_implicit_resolvers = {  # noqa: RUF012 -- the base class declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _refused(f"is nested more than {MAX_DEPTH} deep", None)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 -- the base class's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if key.tag != _STRING:
                raise _refused("has a key that is not a word; put it in quotes", key.start_mark)
            if key.value in seen:
                raise _refused(f"has {key.value} twice; keep one of them", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(what: str, mark: yaml.Mark | None) -> UsageError:
    where = f"line {mark.line + 1}" if mark else "the text"
    return UsageError(f"The manifest {what} ({where}).")


def _expanded(node: yaml.Node, done: dict[int, int], open_: set[int]) -> int:
    """The number of nodes with each alias written out; linear in what was written."""
    if id(node) in done:
        return done[id(node)]
    if id(node) in open_:
        raise _refused("has an alias inside what it stands for; write it out", node.start_mark)
    open_.add(id(node))
    total = 1
    if isinstance(node, yaml.SequenceNode):
        total += sum(_expanded(item, done, open_) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        total += sum(_expanded(part, done, open_) for pair in node.value for part in pair)
    open_.discard(id(node))
    if total > MAX_NODES:
        raise _refused(f"stands for more than {MAX_NODES} values; split it into several files", node.start_mark)
    done[id(node)] = total
    return total


def documents(text: str) -> Iterator[Document]:
    """Read the documents of ``text``; empty ones are counted and left out.

    Raises:
        UsageError: it is not YAML, or breaks a limit.
    """
    if len(text) > MAX_TEXT:
        raise UsageError(f"The manifests are longer than {human(MAX_TEXT)}: split them into several files.")
    try:
        yield from _documents(text)
    except yaml.YAMLError as exc:
        # from None: the cause would quote the text around the error
        raise UsageError(f"The manifest is not valid YAML: {_problem(exc)}.") from None
    except ValueError:
        raise UsageError("The manifest has a number or date that cannot be read: put it in quotes.") from None


def _documents(text: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        number = 0
        while loader.check_node():
            number += 1
            node = loader.get_node()
            if node is None:
                continue
            _expanded(node, {}, set())
            value = loader.construct_document(node)
            if value is not None:
                yield Document(number, node.start_mark.line + 1, value)
    finally:
        loader.dispose()


def _problem(exc: yaml.YAMLError) -> str:
    """What is wrong and where, with quoted pieces of the text blotted out."""
    if isinstance(exc, yaml.MarkedYAMLError) and exc.problem:
        mark = exc.problem_mark or exc.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        return _QUOTED.sub("…", exc.problem) + where
    return "it holds a character that YAML does not allow"
