import gzip
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rig.harvester import THIRD_PARTY_CLASS, Faults, Harvester, Object, eventually
from rig.harvester.kinds import CLAIMS, IMAGES, STORAGE_CLASSES
from rig.harvester.samples import MIB, bound, claim, condition, disk, image, imported
from rig.harvester.world import is_true
from rig.kube import KubeCluster
from rig.webserver import Faults as WebFaults
from rig.webserver import WebServer


def _dead(harvester: Harvester, item: Object) -> Object:
    meta = item["metadata"]
    harvester.kube.create(IMAGES, item)
    eventually(lambda: is_true(harvester.kube.get(IMAGES, meta["namespace"], meta["name"]), "RetryLimitExceeded"))
    return harvester.kube.get(IMAGES, meta["namespace"], meta["name"])


def _messages(harvester: Harvester, namespace: str) -> list[str]:
    return [each.message for each in harvester.downloads if each.namespace == namespace]


def test_an_image_is_asked_for_by_two_heads_and_one_get_without_range(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    data = disk(folder / "a.raw")
    made = imported(harvester, image(namespace, "a", web.url + "a.raw", checksum=hashlib.sha512(data).hexdigest()))
    assert [each.method for each in web.requests] == ["HEAD", "HEAD", "GET"]
    assert all("range" not in each.headers for each in web.requests)
    # net/http: Transport asks for gzip by itself, but not in a HEAD
    assert [each.headers.get("accept-encoding") for each in web.requests] == [None, None, "gzip"]
    status = made["status"]
    assert (status["progress"], status["size"], status["virtualSize"]) == (100, len(data), len(data))
    assert status["storageClassName"] == f"lh-{made['metadata']['uid']}"
    assert condition(made, "Initialized")["status"] == "True"
    storage = harvester.kube.get(STORAGE_CLASSES, "", status["storageClassName"])
    assert storage["provisioner"] == "driver.longhorn.io"
    assert storage["parameters"]["dataEngine"] == "v1"


def test_a_failed_download_begins_anew_and_is_counted(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    harvester.fail(Faults(cut_downloads=2, cut_at=MIB))
    made = imported(harvester, image(namespace, "a", web.url + "a.raw"))
    assert made["status"]["failed"] == 2
    assert condition(made, "RetryLimitExceeded")["status"] == "False"
    assert condition(made, "RetryLimitExceeded")["message"] == ""
    assert [each.method for each in web.requests].count("GET") == 3


def test_an_image_dies_when_its_retries_are_used_up_and_says_why(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    harvester.fail(Faults(cut_downloads=9, cut_at=MIB))
    made = _dead(harvester, image(namespace, "a", web.url + "a.raw", retry=1))
    message = condition(made, "RetryLimitExceeded")["message"]
    assert message.startswith("retry attempted 1/1 failed due to error: ")
    assert condition(made, "Imported")["status"] == "False"
    assert condition(made, "Imported")["message"] == message
    assert made["status"]["failed"] == 2
    assert len(_messages(harvester, namespace)) == 2


def test_a_dead_url_fails_the_initialization(harvester: Harvester, namespace: str, web: WebServer) -> None:
    made = _dead(harvester, image(namespace, "a", web.url + "missing.raw", retry=0))
    assert condition(made, "Initialized")["status"] == "False"
    assert "got 404 status code from" in condition(made, "RetryLimitExceeded")["message"]


def test_other_bytes_than_the_checksum_says_are_refused(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    made = _dead(harvester, image(namespace, "a", web.url + "a.raw", retry=0, checksum="ab" * 64))
    assert "checksum" in condition(made, "RetryLimitExceeded")["message"]


def test_a_size_that_is_no_multiple_of_512_is_refused(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw", size=MIB + 100)
    made = _dead(harvester, image(namespace, "a", web.url + "a.raw", retry=0))
    assert "multiple of 512" in condition(made, "RetryLimitExceeded")["message"]


def test_a_download_that_stands_still_is_given_up(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    web.faults = WebFaults(stall_after=MIB, stall_s=15.0)
    made = _dead(harvester, image(namespace, "a", web.url + "a.raw", retry=0))
    assert "timed out" in condition(made, "RetryLimitExceeded")["message"]


def test_a_server_that_never_answers_is_given_up(harvester: Harvester, namespace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        made = _dead(harvester, image(namespace, "a", url, retry=0))
    assert "no answer from" in condition(made, "RetryLimitExceeded")["message"]


def test_progress_is_seen_on_the_way_and_is_below_100(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    harvester.fail(Faults(rate=4 * MIB))
    harvester.kube.create(IMAGES, image(namespace, "a", web.url + "a.raw"))
    seen: set[int] = set()

    def done() -> bool:
        item = harvester.kube.get(IMAGES, namespace, "a")
        if condition(item, "Imported").get("status") == "Unknown":
            seen.add(item["status"]["progress"])
        return is_true(item, "Imported")

    eventually(done)
    assert any(0 < each < 100 for each in seen)
    assert max(seen) < 100


class _Gzip(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, data: bytes, *args: object) -> None:
        self._data = data
        super().__init__(*args)  # type: ignore[arg-type] # socketserver passes what it always passes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_HEAD(self) -> None:
        self._headers(len(self._data))

    def do_GET(self) -> None:
        body = gzip.compress(self._data)
        self._headers(len(body), ("Content-Encoding", "gzip"))
        self.wfile.write(body)

    def _headers(self, length: int, *more: tuple[str, str]) -> None:
        self.send_response(200)
        for name, value in (("Content-Length", str(length)), *more):
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def _gzipping(data: bytes) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Gzip, data)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_a_get_answered_in_gzip_is_unpacked_and_its_length_agrees_with_the_head(
    harvester: Harvester, namespace: str, tmp_path: Path
) -> None:
    data = disk(tmp_path / "a.raw")
    with _gzipping(data) as url:
        made = imported(harvester, image(namespace, "a", url, checksum=hashlib.sha512(data).hexdigest()))
    assert made["status"]["size"] == len(data)
    (download,) = [each for each in harvester.downloads if each.namespace == namespace]
    assert download.gzip


def test_cdi_reads_128_bytes_then_the_size_then_ranges(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    data = disk(folder / "a.raw", size=9 * MIB)
    item = image(namespace, "a", web.url + "a.raw", storage_class=THIRD_PARTY_CLASS, backend="cdi", checksum="wrong")
    made = imported(harvester, item)
    harvester_head, probe, head, *ranges = web.requests
    assert (harvester_head.method, head.method) == ("HEAD", "HEAD")
    assert probe.headers["range"] == "bytes=0-127"
    assert len(ranges) > 1
    assert all(each.method == "GET" and "range" in each.headers for each in ranges)
    assert made["status"]["storageClassName"] == THIRD_PARTY_CLASS
    eventually(lambda: bound(harvester, namespace, "a"))
    assert harvester.disk_bytes(namespace, "a").read_bytes() == data
    golden = harvester.kube.get(CLAIMS, namespace, "a")
    assert golden["metadata"]["annotations"]["harvesterhci.io/goldenImage"] == "true"


def test_cdi_dies_of_a_server_without_range(harvester: Harvester, namespace: str, web: WebServer, folder: Path) -> None:
    disk(folder / "a.raw")
    web.faults = WebFaults(ranges=False)
    item = image(namespace, "a", web.url + "a.raw", storage_class=THIRD_PARTY_CLASS, backend="cdi", retry=0)
    assert "memory" in condition(_dead(harvester, item), "RetryLimitExceeded")["message"]


@pytest.mark.parametrize("backend", ["backingimage", "cdi"])
def test_a_deleted_image_stops_its_download(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path, backend: str
) -> None:
    disk(folder / "a.raw")
    harvester.fail(Faults(rate=100_000))
    made = harvester.kube.create(IMAGES, image(namespace, "a", web.url + "a.raw", backend=backend))
    file = harvester.root / "images" / f"{made['metadata']['uid']}.raw"
    eventually(file.exists)
    harvester.kube.delete(IMAGES, made)
    eventually(lambda: not file.exists())
    eventually(lambda: harvester.kube.find(STORAGE_CLASSES, "", f"lh-{made['metadata']['uid']}") is None)
    assert not _messages(harvester, namespace)


def test_an_api_server_that_goes_away_costs_nothing_but_time(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path, cluster: KubeCluster
) -> None:
    data = disk(folder / "a.raw")
    harvester.fail(Faults(rate=2 * MIB))
    harvester.kube.create(IMAGES, image(namespace, "a", web.url + "a.raw"))
    eventually(lambda: any(each.method == "GET" for each in web.requests))
    cluster.restart_apiserver()
    eventually(lambda: is_true(harvester.kube.get(IMAGES, namespace, "a"), "Imported"))
    made = harvester.kube.get(IMAGES, namespace, "a")
    assert made["status"]["failed"] == 0
    harvester.kube.create(CLAIMS, claim(namespace, "v", made))
    eventually(lambda: bound(harvester, namespace, "v"))
    with harvester.disk_bytes(namespace, "v").open("rb") as file:
        assert file.read(len(data)) == data
