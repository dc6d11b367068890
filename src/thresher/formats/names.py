"""File names as archives, manifests and images state them: which are harmless, and why the others are not.

DSP0243 (Open Virtualization Format), clause "OVF package", keeps the files of a package in one directory.
"""


def fault_of_name(name: str) -> str | None:
    """Say why ``name`` may not be used as a path below a package, or None where it may.

    The words complete a sentence: "the name 'x' is absolute".
    """
    faults = (
        (not name, "is empty"),
        (any(_is_control(character) for character in name), "contains a control character"),
        ("\\" in name, "contains a backslash, which some systems take for a directory separator"),
        (name.startswith("/"), "is absolute"),
        (".." in name.split("/"), "climbs out of its directory with '..'"),
        (name.endswith("/") or not normal_name(name), "is a directory's, not a file's"),
    )
    return next((words for wrong, words in faults if wrong), None)


def normal_name(name: str) -> str:
    """Drop what says nothing: ``./disk.vmdk`` and ``.//disk.vmdk`` are both ``disk.vmdk``."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _is_control(character: str) -> bool:
    """The controls of ASCII and of Latin-1: they can break lines and drive terminals."""
    return character < " " or "\x7f" <= character <= "\x9f"
