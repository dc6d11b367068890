"""What the rig's web server does to connections under way."""

import http.client
import urllib.request
from pathlib import Path

import pytest

from rig.disks import noise
from rig.webserver import Faults, serve
from thresher.model.units import KIB, MIB


def test_answers_under_way_are_cut_and_the_next_are_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(noise(MIB, 1))
    with serve(tmp_path, faults=Faults(rate=128 * KIB)) as web:
        with urllib.request.urlopen(f"{web.url}a", timeout=30) as reply:  # noqa: S310 - http, ours
            reply.read(1)
            web.cut()
            with pytest.raises(http.client.IncompleteRead):
                reply.read()
        assert 0 < web.sent < MIB
        web.faults = Faults()
        with urllib.request.urlopen(f"{web.url}a", timeout=30) as reply:  # noqa: S310 - likewise
            assert reply.read() == noise(MIB, 1)


@pytest.mark.timeout(300)
def test_a_link_changes_its_speed_while_it_is_used(tmp_path: Path) -> None:
    """At its first speed the whole would take twenty minutes."""
    with (tmp_path / "a").open("wb") as file:
        file.truncate(80 * MIB)
    with (
        serve(tmp_path, faults=Faults(rate=64 * KIB)) as web,
        urllib.request.urlopen(f"{web.url}a", timeout=60) as reply,  # noqa: S310 - http, ours
    ):
        reply.read(1)
        web.faults = Faults()
        assert len(reply.read()) == 80 * MIB - 1
