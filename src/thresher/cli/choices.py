"""What options offer."""

from enum import StrEnum


class Output(StrEnum):
    """How a command prints its result."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Algorithm(StrEnum):
    """Hashes of a finished image; Harvester takes SHA-512."""

    SHA256 = "sha256"
    SHA512 = "sha512"


class Listing(StrEnum):
    """How an inventory is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
