"""What options offer."""

from enum import StrEnum
from typing import Any

import click


class Output(StrEnum):
    """How a command prints its result."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Algorithm(StrEnum):
    """Hashes of a finished image; Harvester takes SHA-512."""

    SHA256 = "sha256"
    SHA512 = "sha512"


class Report(StrEnum):
    """How a plan is printed."""

    MARKDOWN = "markdown"
    JSON = "json"
    CSV = "csv"


class Listing(StrEnum):
    """How an inventory is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class OneOf(click.Choice[str]):
    """The values of an enumeration; click itself offers its names, which are not what users write."""

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__([member.value for member in kind])
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The member of that value. Raises BadParameter."""
        return value if isinstance(value, self._kind) else self._kind(super().convert(value, param, ctx))
