import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from thresher.samples.server import serve_folder

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "secret").write_bytes(b"outside")
    folder = tmp_path / "served"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.ova").write_bytes(CONTENT)
    (folder / "sub" / "c").write_bytes(b"c")
    (folder / "empty").write_bytes(b"")
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "fifo")
    with serve_folder(folder) as url:
        yield url


def ask(base: str, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
    try:
        connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_get_and_head_agree(base: str) -> None:
    status, headers, body = ask(base, "/a%20b.ova")
    assert (status, body) == (200, CONTENT)
    assert headers["Accept-Ranges"] == "bytes"
    status, headers, body = ask(base, "/a%20b.ova", "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")


@pytest.mark.parametrize(
    ("header", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=100-", 100, len(CONTENT)),
        ("bytes=-100", len(CONTENT) - 100, len(CONTENT)),
        ("bytes=5-99999999", 5, len(CONTENT)),
        ("bytes=-99999999", 0, len(CONTENT)),
    ],
)
def test_a_single_range_is_answered_with_206(base: str, header: str, first: int, end: int) -> None:
    status, headers, body = ask(base, "/a%20b.ova", Range=header)
    assert (status, body) == (206, CONTENT[first:end])
    assert headers["Content-Range"] == f"bytes {first}-{end - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=-", "lines=1-2", "bytes=9-5", "bytes=a-b"])
def test_what_is_no_single_range_is_ignored(base: str, header: str) -> None:
    status, _, body = ask(base, "/a%20b.ova", Range=header)
    assert (status, body) == (200, CONTENT)


@pytest.mark.parametrize(
    ("path", "header"),
    [("/a%20b.ova", f"bytes={len(CONTENT)}-"), ("/a%20b.ova", "bytes=-0"), ("/empty", "bytes=0-")],
)
def test_a_range_beyond_the_end_is_416_with_the_size(base: str, path: str, header: str) -> None:
    status, headers, body = ask(base, path, Range=header)
    assert (status, body) == (416, b"")
    assert headers["Content-Range"].startswith("bytes */")


def test_if_range_guards_a_resumed_download(base: str) -> None:
    etag = ask(base, "/a%20b.ova", "HEAD")[1]["ETag"]
    assert ask(base, "/a%20b.ova", Range="bytes=9-", If_Range=etag)[0] == 206
    assert ask(base, "/a%20b.ova", Range="bytes=9-", If_Range='"another"')[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sub",
        "/nothing",
        "/../secret",
        "/%2e%2e/secret",
        "/sub/../../secret",
        "/link",
        "/fifo",
        "/a%00b",
    ],
)
def test_nothing_but_files_of_the_folder_is_handed_out(base: str, path: str) -> None:
    status, _, body = ask(base, path)
    assert status == 404
    assert b"outside" not in body


def test_files_of_subfolders_and_empty_files_are(base: str) -> None:
    assert ask(base, "/sub/c")[2] == b"c"
    assert ask(base, "/empty")[::2] == (200, b"")


def test_one_connection_serves_many_requests(base: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=30)
    for _ in range(3):
        connection.request("GET", "/sub/c")
        assert connection.getresponse().read() == b"c"
    connection.close()


def test_other_methods_are_refused(base: str) -> None:
    assert ask(base, "/sub/c", "DELETE")[0] == 501


def test_closing_ends_idle_connections_and_the_port(tmp_path: Path) -> None:
    with serve_folder(tmp_path) as url:
        host, _, port = urlsplit(url).netloc.partition(":")
        idle = socket.create_connection((host, int(port)), timeout=30)
        idle.sendall(b"HEAD /x HTTP/1.1\r\n\r\n")
        assert idle.recv(10) == b"HTTP/1.1 4"
    while idle.recv(4096):
        pass  # the rest of the answer, then the end
    idle.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=30)
