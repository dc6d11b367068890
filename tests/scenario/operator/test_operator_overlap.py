"""No waiting: what is finished moves on while the rest still arrives. Told by what is there, not by time."""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rig.operator import wait
from rig.operator_user import User
from rig.webserver import Faults

COPIED = "thresher.harvesterhci.io/copied"


def middle_of_the_second_disk(ova: Path) -> int:
    with tarfile.open(ova) as archive:
        disk = archive.getmembers()[-1]
        return disk.offset_data + disk.size // 2


def imported(image: Mapping[str, Any]) -> bool:
    conditions = (image.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Imported" and c["status"] == "True" for c in conditions)


def moved_on(user: User, mode: str) -> bool:
    """Whether Harvester has stored an image, or a volume is vouched for."""
    if mode == "image":
        return any(imported(image) for image in user.get("vmimages")["items"])
    return any(COPIED in (claim["metadata"].get("annotations") or {}) for claim in user.get("pvc")["items"])


@pytest.mark.parametrize("mode", ["image", "volume"])
def test_a_finished_disk_moves_on_while_the_other_cannot_get_further(user: User, mode: str, tmp_path: Path) -> None:
    user.web.faults = Faults(stop_at=middle_of_the_second_disk(tmp_path / "web" / "vm.ova"))
    user.import_changed(diskMode=mode)
    wait(lambda: moved_on(user, mode), what=f"nothing moved on: {user.status()}", log=user.operator.log)
    assert user.word() == "sourceReady", "the other disk is not through"
    assert len(user.names("vmimages")) == (1 if mode == "image" else 0)
    assert user.names("pods"), "the worker goes on"
    user.web.faults = Faults()
    user.wait_for("virtualMachineRunning")
