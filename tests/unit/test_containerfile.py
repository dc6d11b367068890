"""The image's recipe. It is not built here; what can be said without an engine is."""

import json
import re
import shlex
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from thresher import __version__
from thresher.operator.imports.transfer import NON_ROOT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Containerfile").read_text(encoding="utf-8")
KNOWN = {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "ONBUILD", "RUN"}
KNOWN |= {"SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
"""The instructions of Containerfile(5)."""


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def values(word: str) -> list[str]:
    return [rest for found, rest in instructions() if found == word]


def locked(name: str) -> dict[str, set[str]]:
    """Pinned requirement to its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "")
    rows = [line.split("--hash=") for line in text.splitlines() if line.strip()]
    return {row[0].strip(): {digest.strip() for digest in row[1:]} for row in rows}


def test_every_instruction_is_one_and_has_arguments() -> None:
    assert {word for word, _ in instructions()} <= KNOWN
    assert all(rest for _, rest in instructions())
    assert instructions()[0][0] in {"ARG", "FROM"}


def test_the_last_stage_is_slim_non_root_and_has_qemu_utils() -> None:
    last = [*instructions()]
    while any(word == "FROM" for word, _ in last[1:]):
        last.pop(0)
    stage = dict(last)
    assert stage["USER"] == f"{NON_ROOT}:{NON_ROOT}"
    assert "ARG DEBIAN=bookworm-slim" in TEXT
    assert {"qemu-utils", "ca-certificates", "python3"} <= set(stage["RUN"].split())
    assert not {"python3-venv", "python3-pip", "curl", "wget"} & set(stage["RUN"].split())
    assert json.loads(stage["ENTRYPOINT"]) == ["/opt/thresher/bin/thresher"]


def test_what_is_copied_is_there() -> None:
    for rest in values("COPY"):
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            continue
        assert all((ROOT / word).exists() for word in words[:-1])


def test_nothing_is_installed_that_is_not_locked() -> None:
    steps = [step for run in values("RUN") for step in run.split("&&")]
    installs = [step for step in steps if "pip install" in step]
    assert len(installs) == 3
    assert all("--require-hashes" in step or "--no-index" in step for step in installs)
    assert not any(re.search(r"\|\s*(ba)?sh\b", step) for step in steps)
    assert all("--no-install-recommends" in step for step in steps if "apt-get install" in step)


def test_labels_are_the_image_specification_s() -> None:
    (labels,) = values("LABEL")
    pairs = dict(word.split("=", 1) for word in shlex.split(labels))
    prefix = "org.opencontainers.image."
    assert {key.removeprefix(prefix) for key in pairs} == {"title", "description", "licenses", "version", "revision"}
    assert pairs[f"{prefix}licenses"] == "Apache-2.0"
    assert f"VERSION={__version__}" in values("ARG")


def test_the_image_s_packages_are_the_lock_s_and_what_the_project_needs() -> None:
    whole, image = locked("requirements.lock"), locked("deploy/requirements.lock")
    assert image.items() <= whole.items(), "run `make lock`"
    assert all(image.values())
    names = {canonicalize_name(Requirement(pin).name) for pin in image}
    assert needed() <= names
    assert not {"pytest", "mypy", "ruff", "atheris"} & names
    assert {Requirement(pin).name for pin in locked("deploy/build.lock")} >= {"hatchling"}


def needed() -> set[str]:
    """Everything that the project needs here, and what that needs."""
    found: set[str] = set()
    queue = [(Requirement(text), "") for text in requires("thresher") or []]
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        queue += [(Requirement(text), asked) for text in requires(name) or [] for asked in ("", *requirement.extras)]
    return found
