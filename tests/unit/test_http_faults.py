"""What web servers do wrong, and how it is called."""

import gzip
import hashlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rig.webserver import Faults, Length, WebServer, serve
from thresher.model.errors import (
    FormatError,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
    StreamCut,
    UsageError,
    VerificationError,
)
from thresher.ports import ByteSource, Checksum
from thresher.sources.bytes import (
    Concatenated,
    Gunzip,
    HttpAccess,
    HttpFile,
    LocalFile,
    StdinBytes,
    Verified,
    read_up_to,
)

CONTENT = bytes(range(256)) * 2000
ACCESS = HttpAccess(timeout_s=5)
SECRET = HttpAccess("frida", "s3cret", headers=(("X-Token", "t0ken"),), timeout_s=5)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path) as server:
        yield server


def everything(source: ByteSource, offset: int = 0) -> bytes:
    stream = source.open(offset)
    buffer, out = memoryview(bytearray(1 << 20)), bytearray()
    try:
        while count := stream.readinto(buffer):
            out += buffer[:count]
    finally:
        stream.close()
    return bytes(out)


def file(web: WebServer, access: HttpAccess = ACCESS) -> HttpFile:
    return HttpFile(f"{web.url}d.bin", access)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, SourceDenied),
        (403, SourceDenied),
        (407, SourceDenied),
        (404, SourceNotFound),
        (410, SourceNotFound),
        (408, SourceUnreachable),
        (429, SourceUnreachable),
        (500, SourceUnreachable),
        (503, SourceUnreachable),
        (400, SourceError),
        (418, SourceError),
        (204, SourceError),
    ],
)
def test_each_status_has_its_error(web: WebServer, status: int, error: type[SourceError]) -> None:
    web.faults = Faults(status=status)
    with pytest.raises(SourceError, match=str(status)) as caught:
        file(web).open()
    assert type(caught.value) is error


def test_trouble_that_passes_is_over_at_the_next_try(web: WebServer) -> None:
    web.faults = Faults(unavailable=2)
    source = file(web)
    for _ in range(2):
        with pytest.raises(SourceUnreachable, match="503"):
            source.open()
    assert everything(source) == CONTENT


def test_basic_authentication_is_sent_with_the_first_request(web: WebServer) -> None:
    web.faults = Faults(credentials=("frida", "s3cret"))
    assert everything(file(web, SECRET)) == CONTENT
    assert len(web.requests) == 1


def test_credentials_in_the_url_are_used_and_never_shown(web: WebServer) -> None:
    url = web.url.replace("//", "//fri%40da:s3cr%20et@") + "d.bin?signature=abc"
    web.faults = Faults(credentials=("fri@da", "s3cr et"))
    source = HttpFile(url, ACCESS)
    assert everything(source) == CONTENT
    web.faults = Faults(status=403)
    with pytest.raises(SourceDenied) as caught:
        source.open()
    assert "s3cr" not in source.name + str(caught.value)
    assert "abc" not in source.name + str(caught.value)


def test_credentials_go_along_to_the_same_server_only(web: WebServer) -> None:
    web.faults = Faults(redirect_host="localhost")
    assert everything(file(web, SECRET)) == CONTENT
    first, second = web.requests
    assert "authorization" in first.headers
    assert "x-token" in first.headers
    assert second.headers["host"].startswith("localhost")
    assert "authorization" not in second.headers
    assert "x-token" not in second.headers


def test_another_port_is_another_server(web: WebServer, tmp_path: Path) -> None:
    with serve(tmp_path) as other:
        web.faults = Faults(redirect_to=f"{other.url}d.bin")
        assert everything(file(web, SECRET)) == CONTENT
        assert "authorization" not in other.requests[0].headers


def test_secrets_are_not_in_the_representation() -> None:
    assert "s3cret" not in repr(SECRET)
    assert "t0ken" not in repr(SECRET)


def test_endless_redirects_end(web: WebServer) -> None:
    web.faults = Faults(redirect_to=f"{web.url}d.bin")
    with pytest.raises(SourceError, match="302"):
        file(web).open()
    assert len(web.requests) < 20


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/d.bin"])
def test_redirects_lead_to_web_servers_only(web: WebServer, target: str) -> None:
    web.faults = Faults(redirect_to=target)
    with pytest.raises(SourceError):
        file(web).open()


def test_an_encrypted_download_does_not_go_on_in_the_clear(web: WebServer, tmp_path: Path) -> None:
    with serve(tmp_path, tls=True, faults=Faults(redirect_to=f"{web.url}d.bin")) as tls:
        source = HttpFile(f"{tls.url}d.bin", HttpAccess(ca_pem=tls.ca_pem, timeout_s=5))
        with pytest.raises(SourceError, match="not followed"):
            source.open()
    assert not web.requests


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_in_place_of_a_disk_is_told(web: WebServer, kind: str) -> None:
    web.faults = Faults(page=True, page_type=kind)
    with pytest.raises(SourceError, match="web page"):
        file(web).open()


def test_packed_answers_are_refused(web: WebServer) -> None:
    web.faults = Faults(encoding="gzip")
    with pytest.raises(SourceError, match="gzip"):
        file(web).open()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("length", list(Length)[:2])
def test_a_cut_connection_says_how_much_came(web: WebServer, length: Length, *, ranges: bool) -> None:
    web.faults = Faults(ranges=ranges, length=length, cut_after=100_000)
    source = file(web)
    with pytest.raises(StreamCut, match=r"d\.bin ended after"):
        everything(source)
    assert everything(source, 100_000) == CONTENT[100_000:]


def test_a_stated_length_that_did_not_come_is_told_in_bytes(web: WebServer) -> None:
    web.faults = Faults(cut_after=100_000)
    with pytest.raises(StreamCut, match="100000 of 512000 bytes"):
        everything(file(web))


def test_a_server_that_falls_silent_is_a_time_out(web: WebServer) -> None:
    web.faults = Faults(stall_after=1000)
    with pytest.raises(SourceUnreachable, match=r"nothing for 0\.5 s"):
        everything(file(web, HttpAccess(timeout_s=0.5)))


def test_the_time_out_is_for_silence_and_not_for_the_download(web: WebServer) -> None:
    web.faults = Faults(rate=400_000)  # 1.28 s in all, a piece every 0.16 s
    assert everything(file(web, HttpAccess(timeout_s=1))) == CONTENT


def test_a_server_that_never_answers_is_a_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/x"
        with pytest.raises(SourceUnreachable, match="did not answer"):
            HttpFile(url, HttpAccess(timeout_s=0.2)).open()


def test_a_closed_port_is_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(SourceUnreachable, match="refuses the connection"):
        HttpFile(f"http://127.0.0.1:{port}/x", ACCESS).open()


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(SourceUnreachable, match=r"nowhere\.invalid"):
        HttpFile("http://nowhere.invalid/x", ACCESS).open()


def test_what_is_no_web_server_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(SourceUnreachable, match="as a web server does"):
            HttpFile(f"http://127.0.0.1:{server.getsockname()[1]}/x", ACCESS).open()
        thread.join()


def test_a_range_that_begins_elsewhere_is_refused(web: WebServer) -> None:
    web.faults = Faults(shifted=1)
    with pytest.raises(SourceError, match="Range requests are broken"):
        file(web).open(10)


@pytest.mark.parametrize("validators", [True, False])
def test_a_file_that_changed_meanwhile_is_an_error(web: WebServer, tmp_path: Path, *, validators: bool) -> None:
    web.faults = Faults(validators=validators)
    source = file(web)
    source.open().close()
    (tmp_path / "d.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(SourceError, match="changed on the server"):
        source.open(100)


def test_an_etag_that_changes_is_a_changed_file(web: WebServer) -> None:
    web.faults = Faults(changing=True)
    source = file(web)
    region = source.region(0, 10, "region")
    source.open().close()
    with pytest.raises(SourceError, match="changed on the server"):
        region.open()
    assert web.requests[-1].headers["if-range"] == '"1"'


def test_a_file_that_shrank_has_no_such_byte(web: WebServer, tmp_path: Path) -> None:
    web.faults = Faults(validators=False)
    source = file(web)
    (tmp_path / "d.bin").write_bytes(b"short")
    with pytest.raises(SourceError, match="no byte 100"):
        source.open(100)


def test_an_empty_file_is_empty(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    source = HttpFile(f"{web.url}empty", ACCESS)
    assert source.size == 0
    assert everything(source) == b""


def test_only_what_is_needed_is_asked_for(web: WebServer) -> None:
    source = file(web)
    assert source.seekable
    assert source.size == len(CONTENT)
    assert everything(source.region(10, 20, "part"), 5) == CONTENT[15:30]
    assert [seen.headers["range"] for seen in web.requests] == ["bytes=0-0", "bytes=15-29"]
    assert all(seen.headers["accept-encoding"] == "identity" for seen in web.requests)


def test_a_server_without_range_is_not_seekable(web: WebServer) -> None:
    web.faults = Faults(ranges=False)
    assert not file(web).seekable
    assert file(web).size == len(CONTENT)


def test_names_with_spaces_and_letters_of_any_script_are_requested(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "내 VM ö.ova").write_bytes(b"here")
    assert everything(HttpFile(f"{web.url}내 VM ö.ova", ACCESS)) == b"here"


def test_a_ca_vouches(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path, tls=True) as tls:
        url = f"{tls.url}d.bin"
        assert everything(HttpFile(url, HttpAccess(ca_pem=tls.ca_pem, timeout_s=5))) == CONTENT
        with pytest.raises(SourceUntrusted) as caught:
            HttpFile(url, ACCESS).open()
        assert tls.fingerprint == shown(str(caught.value))
        assert not tls.requests[1:], "nothing was sent to a server that is not trusted"


def test_the_servers_own_certificate_vouches_where_it_is_given_as_the_ca(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path, tls=True) as tls, serve(tmp_path, tls=True) as other:
        own, others = (ssl.get_server_certificate(("127.0.0.1", urlsplit(web.url).port or 0)) for web in (tls, other))
        assert everything(HttpFile(f"{tls.url}d.bin", HttpAccess(ca_pem=own, timeout_s=5))) == CONTENT
        with pytest.raises(SourceUntrusted):
            HttpFile(f"{tls.url}d.bin", HttpAccess(ca_pem=others, timeout_s=5)).open()


def shown(message: str) -> str:
    """The fingerprint in a message, as plain digits."""
    return message.partition("fingerprint ")[2].split(".")[0].split(",")[0].replace(":", "").lower()


def test_a_fingerprint_vouches(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path, tls=True) as tls:
        pinned = HttpAccess(fingerprint_sha256=tls.fingerprint.upper(), timeout_s=5)
        assert everything(HttpFile(f"{tls.url}d.bin", pinned)) == CONTENT
        other = HttpAccess("frida", "s3cret", fingerprint_sha256="ab" * 32, timeout_s=5)
        with pytest.raises(SourceUntrusted, match=":".join(["AB"] * 32)) as caught:
            HttpFile(f"{tls.url}d.bin", other).open()
        assert tls.fingerprint == shown(str(caught.value))
        assert len(tls.requests) == 1, "nothing was sent to a server that is not trusted"


def test_a_sha1_thumbprint_vouches_where_nothing_better_is_known(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path, tls=True) as tls:
        certificate = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", urlsplit(tls.url).port or 0)))
        thumbprint = hashlib.sha1(certificate).digest().hex(":").upper()  # noqa: S324 - as vSphere writes it
        pinned = HttpAccess(fingerprint_sha1=thumbprint, timeout_s=5)
        assert everything(HttpFile(f"{tls.url}d.bin", pinned)) == CONTENT
        for other in (
            HttpAccess(fingerprint_sha1="ab" * 20, timeout_s=5),
            HttpAccess(fingerprint_sha1=thumbprint, fingerprint_sha256="ab" * 32, timeout_s=5),
        ):
            with pytest.raises(SourceUntrusted, match="AB:AB"):
                HttpFile(f"{tls.url}d.bin", other).open()
        assert len(tls.requests) == 1, "nothing was sent to a server that is not trusted"


def test_a_server_known_to_have_no_ranges_is_never_asked_for_one(web: WebServer) -> None:
    whole = HttpFile(f"{web.url}d.bin?ticket=secret", ACCESS, name="disk 2000 of web", ranges=False)
    assert everything(whole) == CONTENT
    assert everything(whole, 1000) == CONTENT[1000:]
    assert len(web.requests) == 2
    assert not any("range" in seen.headers for seen in web.requests)
    assert whole.name == "disk 2000 of web"


def test_the_pin_is_for_its_host_and_for_no_other(tmp_path: Path) -> None:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path, tls=True, faults=Faults(redirect_host="localhost")) as tls:
        pinned = HttpAccess(fingerprint_sha256=tls.fingerprint, timeout_s=5)
        with pytest.raises(SourceUntrusted, match="localhost"):
            HttpFile(f"{tls.url}d.bin", pinned).open()


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "http://", "host/x", "http://h:port/x"])
def test_what_is_no_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError):
        HttpFile(url, ACCESS)


@pytest.mark.parametrize(
    "access", [HttpAccess(ca_pem="x"), HttpAccess(fingerprint_sha256="12"), HttpAccess(fingerprint_sha1="ab" * 32)]
)
def test_trust_that_cannot_be_read_is_a_usage_error(access: HttpAccess) -> None:
    with pytest.raises(UsageError):
        HttpFile("https://host/x", access)


def test_gzip_that_ends_too_early_is_cut(tmp_path: Path) -> None:
    whole = gzip.compress(CONTENT)
    for end in (0, 5, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.gz").write_bytes(whole[:end])
        with pytest.raises(StreamCut, match=r"cut\.gz"):
            everything(Gunzip(LocalFile(tmp_path / "cut.gz")))


def test_what_is_no_gzip_is_malformed(tmp_path: Path) -> None:
    wrong_sum = bytearray(gzip.compress(CONTENT))
    wrong_sum[-8] ^= 1
    for bad in (b"no gzip at all", gzip.compress(b"x") + b"trailing garbage", bytes(wrong_sum)):
        (tmp_path / "bad.gz").write_bytes(bad)
        with pytest.raises(FormatError, match=r"bad\.gz"):
            everything(Gunzip(LocalFile(tmp_path / "bad.gz")))


def test_a_checksum_that_differs_is_told_with_both(tmp_path: Path) -> None:
    path = tmp_path / "d.bin"
    path.write_bytes(CONTENT)
    for offset in (0, 100):
        with pytest.raises(VerificationError, match="f" * 40):
            everything(Verified(LocalFile(path), Checksum("sha1", "f" * 40)), offset)


def test_parts_of_which_one_is_checked_resume_behind_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"aaaa")
    (tmp_path / "b").write_bytes(b"bbbb")
    wrong = Verified(LocalFile(tmp_path / "b"), Checksum("sha1", "0" * 40))
    both = Concatenated([LocalFile(tmp_path / "a"), wrong], "both")
    with pytest.raises(VerificationError, match="b has the sha1"):
        everything(both, 5)


def test_local_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="missing"):
        LocalFile(tmp_path / "missing").open()
    with pytest.raises(SourceError, match="folder"):
        LocalFile(tmp_path).open()


def test_standard_input_is_read_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"0123456789")
    os.close(writing)
    source = StdinBytes(reading)
    assert everything(source, 3) == b"3456789"
    with pytest.raises(SourceError, match="only once"):
        source.open()
    os.close(reading)


def test_a_head_is_read_alone(web: WebServer) -> None:
    assert read_up_to(file(web), 10) == CONTENT[:10]
    assert read_up_to(file(web), 1_000_000) == CONTENT


def test_refused_credentials_are_not_asked_for_again(web: WebServer) -> None:
    web.faults = Faults(credentials=("frida", "other"))
    with pytest.raises(SourceDenied, match="give them"):
        file(web).open()
    with pytest.raises(SourceDenied, match="check the source's credentials"):
        file(web, SECRET).open()
