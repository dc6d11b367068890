"""The disk server and the client that Longhorn uses: Go's default one, which asks for gzip in its GET by itself."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig import goclient
from thresher.model.units import MIB, TIB
from thresher.transfer.serving import DiskServer


@contextmanager
def served(*disks: Path) -> Iterator[list[str]]:
    with DiskServer("127.0.0.1", 0, "token") as server:
        paths = [server.publish(f"disk-{index}.raw", disk) for index, disk in enumerate(disks)]
        yield [f"http://127.0.0.1:{server.port}{path}" for path in paths]


def make(path: Path, kind: str) -> Path:
    with path.open("wb") as file:
        if kind == "sparse":
            file.truncate(64 * MIB + 512)
            for place in (0, 10 * MIB - 512, 40 * MIB):
                file.seek(place)
                file.write(os.urandom(MIB + 1536))
        elif kind == "dense":
            file.write(os.urandom(8 * MIB))
        elif kind == "odd":
            file.write(os.urandom(512 * 4097))
        elif kind == "hole":
            file.truncate(32 * MIB)
    return path


@pytest.mark.parametrize("kind", ["sparse", "dense", "odd", "hole", "empty"])
def test_identical_bytes(kind: str, tmp_path: Path) -> None:
    disk = make(tmp_path / "disk.raw", kind)
    with served(disk) as [url]:
        got = goclient.download(url, tmp_path / "got.raw")
    content = disk.read_bytes()
    assert got.stated == got.length == len(content), "Longhorn compares what came with HEAD's Content-Length"
    assert got.sha512 == hashlib.sha512(content).hexdigest()
    assert (tmp_path / "got.raw").read_bytes() == content
    assert got.uncompressed
    data = disk.stat().st_blocks * 512
    assert got.wire < data * 1.01 + len(content) / 900 + 4096, "holes cost next to nothing"


def test_a_terabyte_of_holes_begins_at_once(tmp_path: Path) -> None:
    disk = tmp_path / "huge.raw"
    disk.touch()
    os.truncate(disk, TIB)
    with served(disk) as [url]:
        got = goclient.download(url, tmp_path / "got.raw", limit=MIB, timeout=20)
    assert (got.stated, got.length) == (TIB, MIB)
    assert got.sha512 == hashlib.sha512(bytes(MIB)).hexdigest()


def test_several_disks_at_once(tmp_path: Path) -> None:
    disks = [make(tmp_path / f"{index}.raw", "odd") for index in range(4)]
    with served(*disks) as urls, ThreadPoolExecutor() as pool:
        results = list(pool.map(goclient.download, urls, [tmp_path / f"got-{index}" for index in range(4)]))
    assert [got.sha512 for got in results] == [hashlib.sha512(disk.read_bytes()).hexdigest() for disk in disks]


def test_a_disk_that_cannot_be_read_to_its_end_fails_the_client(tmp_path: Path) -> None:
    """The hole before the data gives the time to cut the file while it is sent."""
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.seek(64 * MIB)
        file.write(os.urandom(16 * MIB))
    with served(disk) as [url], ThreadPoolExecutor() as pool:
        running = pool.submit(goclient.download, url, tmp_path / "got.raw")
        while not (tmp_path / "got.raw").exists() and not running.done():
            pass
        os.truncate(disk, 70 * MIB)
        with pytest.raises(goclient.DownloadFailedError, match="EOF"):
            running.result()


def test_defect_18_a_stranger_gets_nothing(tmp_path: Path) -> None:
    with served(make(tmp_path / "disk.raw", "odd")) as [url], pytest.raises(goclient.DownloadFailedError, match="404"):
        goclient.download(url.replace("/token/", "/other/"), tmp_path / "got.raw")
