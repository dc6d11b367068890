"""The golden files are fresh; what is right is stated by hand in test_manifests_machine and its
neighbours."""

import pytest

from rig.golden import FOLDER, files
from rig.source_vms import CASES


@pytest.mark.parametrize("name", CASES)
def test_golden_files_are_fresh(name: str) -> None:
    for path, text in files(name).items():
        assert path.read_text(encoding="utf-8") == text, "run `make golden` and read the difference"


def test_there_is_no_golden_file_too_many() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.{kind}" for name in CASES for kind in ("yaml", "xml")}
