"""What the documents promise is there."""

import inspect
import re
from pathlib import Path

import pytest

from rig import cli
from thresher.api.convert import import_spec
from thresher.api.manifests import load_manifests
from thresher.cli.commands import root
from thresher.cli.daemons import operator, worker
from thresher.cli.inspect import describe
from thresher.model import errors
from thresher.model.errors import ThresherError
from thresher.model.units import Bytes, MiB
from thresher.model.vm import CpuTopology, Disk, Network, Nic, SourceVM

ROOT = Path(__file__).parents[2]
READMES = ["README.md", "README.ko.md"]
DOCUMENTS = [*READMES, "docs/cli.md", "docs/performance.md", "CONTRIBUTING.md"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def codes_of_errors() -> set[int]:
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, ThresherError)]
    return {cls.exit_code for cls in classes} | {0}


def test_the_readme_lists_every_exit_code_and_no_other() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text("README.md"), re.MULTILINE)} == codes_of_errors()


def test_the_help_lists_every_exit_code_and_no_other() -> None:
    said = cli.run("run", "--help").out
    _, _, codes = said.partition("Exit codes:")
    assert {int(code) for code in re.findall(r"(\d+)\s+[a-z]", codes)} == codes_of_errors()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_that_are_named_exist(name: str) -> None:
    offered = {
        *root.commands,
        operator.name,
        worker.name,
    }  # those that only a cluster starts are hidden from people's help
    assert {"inspect", "convert", "run", "demo"} <= offered
    named = set(re.findall(r"(?:`|bin/)thresher ([a-z]+)", text(name)))
    assert named <= offered
    assert named or name == "CONTRIBUTING.md"


@pytest.mark.parametrize(
    "command", ["inspect", "convert", "check", "inventory", "plan", "run", "demo", "operator", "worker"]
)
def test_the_reference_names_every_option(command: str) -> None:
    options = set(re.findall(r"(--[a-z-]+)", cli.run(command, "--help").out)) - {"--help"}
    section = re.search(rf"^## `thresher {command}.*?(?=^## |\Z)", text("docs/cli.md"), re.MULTILINE | re.DOTALL)
    assert section
    named = set(re.findall(r"--[a-z-]+", section[0]))
    assert options <= named


@pytest.mark.parametrize("name", DOCUMENTS)
def test_tasks_that_are_named_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text(name), re.MULTILINE)) <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_are_linked_exist(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text(name))
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").glob("*.yaml")))
def test_examples_load_and_hold_what_they_refer_to(example: str) -> None:
    manifests = load_manifests(text(f"examples/{example}"))
    assert manifests.imports
    assert manifests.notes == ()
    for vmi in manifests.imports:
        source = manifests.source(vmi.source_ref)
        assert import_spec(vmi).vm_name
        if source.secret_ref:
            manifests.secret(source.secret_ref)


def test_the_fields_of_inspect_are_documented() -> None:
    nic = Nic("n", Network("net"))
    vm = describe(SourceVM("vm", CpuTopology(1, 1), MiB(64), disks=(Disk("d", Bytes(512)),), nics=(nic,)))
    keys = {*vm}
    for part in ("firmware", "disks", "nics"):
        held = vm[part]
        inner = held[0] if isinstance(held, list) else held
        assert isinstance(inner, dict)
        keys |= {*inner}
    documented = set(re.findall(r"`(\w+)`", text("docs/cli.md")))
    assert keys <= documented


def test_the_dependencies_are_explained() -> None:
    _, _, rest = text("pyproject.toml").partition("\ndependencies = [\n")
    declared = set(re.findall(r'"([a-z0-9-]+)', rest.partition("]")[0]))
    _, _, table = text("README.md").partition("## Dependencies")
    assert set(re.findall(r"^\| ([a-z0-9-]+) \| (?!why)", table, re.MULTILINE)) == declared


def test_the_tests_that_reliability_names_are_there() -> None:
    page = text("docs/reliability.md")
    tests = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    files = re.findall(r"`(?:tests/[a-z_/0-9]+/)?(test_\w+\.py)`", page)
    assert len(files) > 20
    assert set(files) <= set(tests)
    assert all((ROOT / path).exists() for path in re.findall(r"`(tests/[a-z_/0-9]+\.py)`", page))
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert {name for name in named if not any(f"def {name}(" in code for code in tests.values())} == set()
