"""From a model's JSON schema to Kubernetes' structural one.

Kubernetes takes a part of OpenAPI v3 (kubernetes.io, "Extend the Kubernetes API with
CustomResourceDefinitions", "Specifying a structural schema"): no ``$ref``, no ``anyOf`` with null, patterns in
RE2. What a model checks in Python is said again in CEL, beside the field, by the helpers here.
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from pydantic import BaseModel

Schema: TypeAlias = dict[str, Any]
"""JSON, whose shape the specification gives."""

_MAY_BE_EMPTY = "x-may-be-empty"
_WORD = 63
_LENGTH = re.compile(r"^\^\(\?=\.\{(\d+),(\d+)\}\$\)")
_COPIED = (
    "type", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
)  # fmt: skip


def cel(rule: str, message: str, *, field: str = "") -> Schema:
    """Extra for a field: the API server refuses values for which the CEL ``rule`` over ``self`` is false.

    ``field`` is the path from there to what is to blame, such as ``.verify``.
    """
    blamed = {"fieldPath": field} if field else {}
    return {"x-kubernetes-validations": [{"rule": rule, "message": message, **blamed}]}


def keyed_by(field: str) -> Schema:
    """Extra for a list of objects: no two with one ``field``, and managers own entries of it, not the list."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [field]}


def may_be_empty() -> Schema:
    """Extra for text: the empty string passes, too, and means that it is absent."""
    return {_MAY_BE_EMPTY: True}


def one_of_any_case(*words: str) -> Callable[[Schema], None]:
    """Extra for an enumeration that the model reads without regard to case."""
    listed = ", ".join(f"'{word.lower()}'" for word in words)
    rule = cel(f"self.lowerAscii() in [{listed}]", f"must be {', '.join(words[:-1])} or {words[-1]}")

    def extend(schema: Schema) -> None:
        schema.pop("enum", None)
        schema.update(rule, maxLength=_WORD)  # without a bound, the API server fears for the cost of the rule

    return extend


def structural(model: type[BaseModel], field: str) -> Schema:
    """The structural schema of one field of ``model``, with everything that it refers to written out."""
    whole = model.model_json_schema(by_alias=True)
    return _structural(whole["properties"][field], whole.get("$defs", {}))


def _structural(node: Schema, defs: Schema) -> Schema:
    node = _resolved(node, defs)
    out: Schema = {}
    if "description" in node:
        out["description"] = " ".join(node["description"].split("\n\n")[0].split()).replace("``", "")
    out |= {key: node[key] for key in _COPIED if key in node}
    if node.get("type") == "integer":
        out["format"] = "int64"
    if "const" in node or "enum" in node:
        out["enum"] = node.get("enum") or [node["const"]]
    if node.get("default") not in (None, ""):
        out["default"] = node["default"]
    if "pattern" in node:
        out |= _re2(node["pattern"], may_be_empty=node.get(_MAY_BE_EMPTY, False))
    if "items" in node:
        out["items"] = _structural(node["items"], defs)
    if "properties" in node:
        out["properties"] = {name: _structural(item, defs) for name, item in node["properties"].items()}
    if node.get("required"):
        out["required"] = node["required"]
    return out


def _resolved(node: Schema, defs: Schema) -> Schema:
    """``node`` with its reference and its alternative to null taken in; what stands beside them wins."""
    beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "$ref" in node:
        return _resolved(defs[node["$ref"].rpartition("/")[2]], defs) | beside
    if "anyOf" in node:
        (one,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        return _resolved(one, defs) | beside
    return node


def _re2(pattern: str, *, may_be_empty: bool) -> Schema:
    """A pattern without the look-ahead at the length, which RE2 does not have, and the length for itself."""
    out: Schema = {"pattern": pattern}
    if length := _LENGTH.match(pattern):
        out = {"minLength": int(length[1]), "maxLength": int(length[2]), "pattern": "^" + pattern[length.end() :]}
    if may_be_empty:
        out["pattern"] = f"^$|{out['pattern']}"
        out.pop("minLength", None)
    return out
