"""Each defect that was found in Harvester's add-on (there are 20) has a test that is named after it."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def numbers() -> set[int]:
    """The numbers in the names of all test functions: ``test_defect_04_and_05_...`` has two."""
    found: set[int] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                named = re.match(r"test_defect_((?:\d\d_)(?:and_\d\d_)*)", node.name)
                found |= {int(number) for number in re.findall(r"\d\d", named[1])} if named else set()
    return found


def test_every_defect_has_a_test_named_after_it_and_no_test_names_another() -> None:
    assert numbers() == set(range(1, 21))
