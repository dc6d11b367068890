"""``thresher convert`` of a URL: with and without Range, and from servers that fail."""

import socket
from pathlib import Path

import pytest

from rig import cli, disks
from rig.webserver import Faults, serve
from thresher.model.units import KIB, MIB

FORMAT, SOURCE = 3, 4


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disks.raw_disk("random", tmp_path_factory.mktemp("http"))


@pytest.fixture(scope="session")
def image(raw: Path) -> Path:
    """About four MiB that no compressor shortened."""
    return disks.stream_vmdk(raw, raw.with_name("disk.vmdk"))


@pytest.mark.parametrize("ranges", [True, False], ids=["Range", "no Range"])
def test_stream_arrives_whole_and_once(ranges: bool, image: Path, raw: Path, tmp_path: Path) -> None:  # noqa: FBT001
    with serve(image.parent, faults=Faults(ranges=ranges)) as web:
        result = cli.run("convert", web.url + "disk.vmdk", tmp_path / "out.raw", "--output", "json").json
    assert disks.difference(tmp_path / "out.raw", raw) == ""
    assert result["bytes_read"] == image.stat().st_size
    assert web.sent <= image.stat().st_size + 2 * MIB  # a look at the beginning may be read twice


@pytest.mark.parametrize("ranges", [True, False], ids=["Range", "no Range"])
def test_random_access_image_over_http(ranges: bool, raw: Path, tmp_path: Path) -> None:  # noqa: FBT001
    source = disks.make(disks.Case("random", "qcow2"), raw, tmp_path)
    with serve(source.parent, faults=Faults(ranges=ranges)) as web:
        outcome = cli.run("convert", web.url + "disk.qcow2", tmp_path / "out.raw", "--output", "json")
    assert outcome.json["capacity_bytes"] == raw.stat().st_size
    assert disks.difference(tmp_path / "out.raw", raw) == ""


def test_dropped_connections_go_on_by_range(image: Path, raw: Path, tmp_path: Path) -> None:
    """Each answer ends after three MiB: the rest is asked for, and nothing twice but what was in flight."""
    with serve(image.parent, faults=Faults(cut_after=3 * MIB)) as web:
        outcome = cli.run("convert", web.url + "disk.vmdk", tmp_path / "out.raw", "--output", "json")
    assert outcome.code == 0, outcome.err
    assert disks.difference(tmp_path / "out.raw", raw) == ""
    assert any(seen.headers.get("range", "bytes=0-") != "bytes=0-" for seen in web.requests)


def refused(url: str, tmp_path: Path, *codes: int) -> str:
    outcome = cli.run("convert", url, tmp_path / "out.raw")
    said = cli.complaint(outcome)
    assert outcome.code in codes, said
    assert not (tmp_path / "out.raw").exists()
    return said


@pytest.mark.parametrize("ranges", [True, False], ids=["Range", "no Range"])
@pytest.mark.parametrize("place", [10 * KIB, 2 * MIB], ids=["at the beginning", "in the middle"])
def test_server_stops(place: int, ranges: bool, image: Path, tmp_path: Path) -> None:  # noqa: FBT001
    with serve(image.parent, faults=Faults(ranges=ranges, stop_at=place)) as web:
        refused(web.url + "disk.vmdk", tmp_path, SOURCE)


@pytest.mark.parametrize(("status", "word"), [(404, "404"), (401, "401"), (403, "403"), (410, "410")])
def test_server_refuses(status: int, word: str, image: Path, tmp_path: Path) -> None:
    with serve(image.parent, faults=Faults(status=status)) as web:
        said = refused(web.url + "disk.vmdk", tmp_path, SOURCE)
        assert word in said or "credentials" in said or "not there" in said
        assert f"{web.url}disk.vmdk" in said


def test_server_in_trouble(image: Path, tmp_path: Path) -> None:
    with serve(image.parent, faults=Faults(status=503)) as web:
        assert "503" in refused(web.url + "disk.vmdk", tmp_path, SOURCE)


def test_page_in_place_of_a_disk(image: Path, tmp_path: Path) -> None:
    """A log-in page with status 200 is what many portals answer."""
    with serve(image.parent, faults=Faults(page=True)) as web:
        refused(web.url + "disk.vmdk", tmp_path, FORMAT, SOURCE)


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but not listening: the port refuses
        taken.bind(("127.0.0.1", 0))
        refused(f"http://127.0.0.1:{taken.getsockname()[1]}/disk.vmdk", tmp_path, SOURCE)


def test_password_in_a_url_is_not_repeated(image: Path, tmp_path: Path) -> None:
    with serve(image.parent, faults=Faults(status=401)) as web:
        url = web.url.replace("//", "//somebody:hunter2@") + "disk.vmdk"
        said = refused(url, tmp_path, SOURCE, 2)
    assert "hunter2" not in said
