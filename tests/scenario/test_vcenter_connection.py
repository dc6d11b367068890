"""One session at a simulated vCenter over TLS: trust, login, expiry, and what failures are called."""

import asyncio
import logging
import socket
import ssl
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme
from pyVmomi import vim

from rig.vcenter import Inventory, VCenter, Vm, vcenter
from rig.vcenter.client import until
from thresher.model.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
    ThresherError,
    UsageError,
)
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection

T = TypeVar("T")


@pytest.fixture(scope="module")
def shared() -> Iterator[VCenter]:
    with vcenter(Inventory(vms=(Vm("web"),))) as vc:
        yield vc


@pytest.fixture
def vc(shared: VCenter) -> Iterator[VCenter]:
    shared.faults()
    shared.expire_sessions()
    shared.reset_log()
    yield shared
    shared.faults()


@pytest.fixture(scope="module")
def unvouched() -> Iterator[VCenter]:
    with vcenter(Inventory(), tls="self-signed") as vc:
        yield vc


def access(vc: VCenter, **fields: Any) -> VCenterAccess:
    stated: dict[str, Any] = {"password": vc.password, "ca_pem": vc.ca_pem, "timeout_s": 10}
    return VCenterAccess(vc.url, vc.username, **{**stated, **fields})


def used(given: VCenterAccess, act: Callable[[VCenterConnection], Awaitable[T]], **options: Any) -> T:
    """Enter a connection, do something with it, and leave it."""

    async def run() -> T:
        async with VCenterConnection(given, **options) as connection:
            return await act(connection)

    return asyncio.run(run())


def fails(given: VCenterAccess) -> ThresherError:
    with pytest.raises(ThresherError) as raised:
        used(given, lambda connection: connection.call(time_of))
    assert given.password not in str(raised.value)
    return raised.value


def time_of(instance: Any) -> Any:
    return instance.CurrentTime()


# Sessions


def test_defect_14_ten_calls_at_once_share_one_session_which_ends_with_the_last_user(vc: VCenter) -> None:
    async def act(connection: VCenterConnection) -> None:
        async with connection:  # another user of it
            await asyncio.gather(*(connection.call(time_of) for _ in range(10)))
        assert len(vc.sessions()) == 1

    used(access(vc), act)
    assert vc.sessions() == []
    soap = vc.log().soap
    assert (soap["Login"], soap["Logout"]) == (1, 1)


def test_defect_14_a_given_certificate_leaves_no_file(
    vc: VCenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    used(access(vc), lambda connection: connection.call(time_of))
    assert vc.log().soap["Login"] == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_asked_before_the_first_call(vc: VCenter) -> None:
    async def nothing(_: VCenterConnection) -> None:
        pass

    used(access(vc), nothing)
    assert vc.log().soap == {}


def test_it_can_be_entered_again(vc: VCenter) -> None:
    async def run() -> None:
        connection = VCenterConnection(access(vc))
        for _ in range(2):
            async with connection:
                await connection.call(time_of)
        with pytest.raises(RuntimeError):
            await connection.call(time_of)

    asyncio.run(run())
    assert vc.log().soap["Login"] == 2
    assert vc.sessions() == []


def test_an_expired_session_is_opened_again_once_however_many_calls_notice(vc: VCenter) -> None:
    async def act(connection: VCenterConnection) -> None:
        await connection.call(time_of)
        vc.expire_sessions()
        await asyncio.gather(*(connection.call(time_of) for _ in range(10)))
        assert len(vc.sessions()) == 1

    used(access(vc), act)
    assert vc.log().soap["Login"] == 2


def test_a_session_that_expires_in_the_middle_of_a_call_runs_the_call_again(vc: VCenter) -> None:
    runs: list[int] = []

    def twice(instance: Any) -> None:
        runs.append(1)
        instance.CurrentTime()
        if len(runs) == 1:
            vc.expire_sessions()
        instance.CurrentTime()

    used(access(vc), lambda connection: connection.call(twice))
    assert len(runs) == 2


def test_a_session_that_never_lasts_is_an_error_worth_a_retry(vc: VCenter) -> None:
    vc.faults(methods={"CurrentTime": {"fault": "NotAuthenticated", "times": 0}})
    assert isinstance(fails(access(vc)), SourceUnreachable)
    assert vc.log().soap["Login"] == 2


def test_an_idle_session_is_kept_alive(vc: VCenter) -> None:
    async def act(connection: VCenterConnection) -> None:
        await connection.call(lambda instance: instance.RetrieveContent() and None)
        await asyncio.to_thread(until, lambda: vc.log().soap.get("CurrentTime", 0) >= 3)

    used(access(vc), act, keep_alive_s=0.05)
    assert vc.log().soap["Login"] == 1


def test_no_session_is_opened_only_to_be_kept_alive(vc: VCenter) -> None:
    used(access(vc), lambda _: asyncio.sleep(0.2), keep_alive_s=0.02)
    assert vc.log().soap == {}


def test_a_call_that_outlives_the_connection_opens_no_session(vc: VCenter) -> None:
    started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(instance: Any) -> None:
        started.set()
        go_on.wait(10)
        try:
            instance.CurrentTime()
        finally:
            ended.set()

    async def act(connection: VCenterConnection) -> None:
        task = asyncio.create_task(connection.call(slow))
        await asyncio.to_thread(started.wait, 10)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    used(access(vc), act)
    go_on.set()
    assert ended.wait(10)
    assert vc.sessions() == []
    assert vc.log().soap["Login"] == 1


def test_the_api_is_spoken_in_the_servers_version(vc: VCenter) -> None:
    version = used(access(vc), lambda connection: connection.call(lambda instance: instance._stub.version))
    assert version == "vim.version.v8_0_3_0"


@pytest.mark.parametrize("path", ["", "/", "/sdk", "/sdk/"])
def test_the_path_of_the_api_may_be_left_out(vc: VCenter, path: str) -> None:
    given = VCenterAccess(vc.url.removesuffix("/sdk") + path, vc.username, vc.password, vc.ca_pem)
    assert used(given, lambda connection: connection.call(time_of))


@pytest.mark.parametrize(
    "endpoint",
    ["http://vc/sdk", "vc", "https://", "https://u:secret@vc/sdk", "https://vc:x", "https://a b/", "https://a..b/"],
)
def test_an_endpoint_that_cannot_be_used_is_refused_without_repeating_secrets(endpoint: str) -> None:
    with pytest.raises(UsageError) as raised:
        VCenterConnection(VCenterAccess(endpoint, "user", "password"))
    assert "secret" not in str(raised.value)


# Failures


def test_a_wrong_password_is_denied_and_tried_once_however_many_wait(vc: VCenter) -> None:
    async def act(connection: VCenterConnection) -> list[Any]:
        assert connection._session is not None
        with connection._session._lock:  # no login comes before all have asked
            calls = [asyncio.create_task(connection.call(time_of)) for _ in range(8)]
            await asyncio.sleep(0)
        return await asyncio.gather(*calls, return_exceptions=True)

    results = used(access(vc, password="wrong-secret"), act)
    assert {type(result) for result in results} == {SourceDenied}
    assert "password" in str(results[0])
    assert vc.log().soap["Login"] == 1


def test_a_login_that_failed_is_tried_again_by_the_next_call(vc: VCenter) -> None:
    vc.faults(login_failures=1)

    async def act(connection: VCenterConnection) -> Any:
        with pytest.raises(SourceDenied):
            await connection.call(time_of)
        return await connection.call(time_of)

    assert used(access(vc), act)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("NoPermission", SourceDenied, "VApp.Export"),
        ("TaskInProgress", SourceBusy, "TaskInProgress"),
        ("InvalidState", SourceBusy, "InvalidState"),
        ("SystemError", SourceUnreachable, "SystemError"),
    ],
)
def test_faults_have_their_place_in_the_error_tree(
    vc: VCenter, fault: str, kind: type[SourceError], words: str
) -> None:
    vc.faults(methods={"CurrentTime": {"fault": fault, "times": 0}})
    error = fails(access(vc))
    assert type(error) is kind
    assert words in str(error)


def test_what_is_gone_is_not_found(vc: VCenter) -> None:
    def gone(instance: Any) -> Any:
        return vim.VirtualMachine("vm-9999", instance._stub).name

    with pytest.raises(SourceNotFound, match="vm-9999"):
        used(access(vc), lambda connection: connection.call(gone))


def test_an_error_of_the_tree_passes_as_it_is(vc: VCenter) -> None:
    def own(_: Any) -> None:
        raise SourceNotFound("no such VM")

    with pytest.raises(SourceNotFound, match=r"^no such VM$"):
        used(access(vc), lambda connection: connection.call(own))


def test_a_mistake_of_ours_is_not_blamed_on_the_vcenter(vc: VCenter) -> None:
    def mistaken(_: Any) -> None:
        raise KeyError("missing")

    with pytest.raises(KeyError):
        used(access(vc), lambda connection: connection.call(mistaken))


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_vcenter_that_is_starting_or_overloaded_is_unreachable_for_now(vc: VCenter, status: int) -> None:
    vc.faults(soap_status=status, soap_status_times=100)
    error = fails(access(vc))
    assert type(error) is SourceUnreachable
    assert str(status) in str(error)


def test_an_address_that_is_no_api_says_to_check_the_endpoint(vc: VCenter) -> None:
    error = fails(VCenterAccess(vc.url + "/nothing", vc.username, vc.password, vc.ca_pem))
    assert not error.retryable
    assert "endpoint" in str(error)


def test_nobody_at_the_port_is_unreachable(vc: VCenter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = fails(VCenterAccess(f"https://127.0.0.1:{port}/sdk", vc.username, vc.password))
    assert type(error) is SourceUnreachable
    assert f"127.0.0.1:{port}" in str(error)


def test_a_server_that_says_nothing_times_out(vc: VCenter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/sdk"
        error = fails(VCenterAccess(url, vc.username, vc.password, timeout_s=0.2))
    assert type(error) is SourceUnreachable
    assert "in time" in str(error)


def test_credentials_reach_no_log_and_no_repr(vc: VCenter, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = access(vc)
    used(given, lambda connection: connection.call(time_of))
    vc.faults(login_failures=1)
    fails(given)
    assert vc.password not in caplog.text
    assert vc.password not in repr(given)
    assert vc.password not in repr(VCenterConnection(given))


# Trust


def test_a_given_ca_vouches_and_nothing_is_pinned(vc: VCenter) -> None:
    async def act(connection: VCenterConnection) -> tuple[str | None, str | None]:
        await connection.call(time_of)
        return connection.fingerprint, connection.pinned

    assert used(access(vc), act) == (vc.fingerprint, None)


def test_without_an_authority_the_first_certificate_is_pinned(unvouched: VCenter) -> None:
    async def act(connection: VCenterConnection) -> tuple[str | None, str | None]:
        assert (connection.fingerprint, connection.pinned) == (None, None)
        await connection.call(time_of)
        return connection.fingerprint, connection.pinned

    assert used(access(unvouched, ca_pem=""), act) == (unvouched.fingerprint, unvouched.fingerprint)


def test_a_certificate_that_changes_under_a_pin_is_not_trusted(unvouched: VCenter) -> None:
    async def act(connection: VCenterConnection) -> None:
        await connection.call(time_of)
        before, logins = unvouched.fingerprint, unvouched.log().soap["Login"]
        unvouched.change_certificate()

        def anew(instance: Any) -> None:
            instance._stub.DropConnections()
            instance.CurrentTime()

        with pytest.raises(SourceUntrusted) as raised:
            await connection.call(anew)
        assert unvouched.log().soap["Login"] == logins
        assert before in str(raised.value)
        assert unvouched.fingerprint in str(raised.value)

    used(access(unvouched, ca_pem=""), act)


@pytest.mark.parametrize("spell", [str, str.lower, lambda pin: pin.replace(":", "")])
def test_a_pin_of_an_earlier_look_is_kept(unvouched: VCenter, spell: Callable[[str], str]) -> None:
    given = access(unvouched, ca_pem="", fingerprint_sha256=spell(unvouched.fingerprint))
    assert used(given, lambda connection: connection.call(time_of))


def test_another_certificate_than_the_pinned_one_names_both(unvouched: VCenter) -> None:
    pinned = ":".join(["AB"] * 32)
    logins = unvouched.log().soap.get("Login", 0)
    error = fails(access(unvouched, ca_pem="", fingerprint_sha256=pinned))
    assert isinstance(error, SourceUntrusted)
    assert pinned in str(error)
    assert unvouched.fingerprint in str(error)
    assert unvouched.log().soap.get("Login", 0) == logins


def test_a_certificate_that_the_given_ca_did_not_issue_is_never_pinned(unvouched: VCenter, vc: VCenter) -> None:
    async def act(connection: VCenterConnection) -> None:
        for _ in range(2):
            with pytest.raises(SourceUntrusted, match="given CA") as raised:
                await connection.call(time_of)
            assert unvouched.fingerprint in str(raised.value)
        assert connection.pinned is None

    logins = unvouched.log().soap.get("Login", 0)
    used(access(unvouched, ca_pem=vc.ca_pem), act)
    assert unvouched.log().soap.get("Login", 0) == logins


def test_a_given_ca_judges_in_place_of_an_old_pin(vc: VCenter) -> None:
    given = access(vc, fingerprint_sha256="AB" * 32)
    assert used(given, lambda connection: connection.call(time_of))


def test_the_servers_own_certificate_may_be_given_as_the_ca(unvouched: VCenter) -> None:
    assert used(access(unvouched), lambda connection: connection.call(time_of))


@pytest.mark.parametrize("fields", [{"ca_pem": "no PEM"}, {"fingerprint_sha256": "AB:CD"}])
def test_a_trust_that_cannot_be_read_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        VCenterConnection(VCenterAccess("https://vc/sdk", "user", "password", **fields))  # type: ignore[arg-type]


@contextmanager
def overhearing() -> Iterator[tuple[str, list[bytes]]]:
    """A TLS server that nobody vouches for, and every byte that was sent to it."""
    heard: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = server.accept()
                    with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as encrypted:
                        heard.append(encrypted.recv(4096))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}/sdk", heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("trust", ["another pin", "another CA"])
def test_defect_19_not_a_byte_is_sent_to_a_server_that_is_not_trusted(trust: str) -> None:
    ca = trustme.CA().cert_pem.bytes().decode() if trust == "another CA" else ""
    with overhearing() as (url, heard):
        given = VCenterAccess(url, "user", "s3cret", ca, "AB" * 32, timeout_s=5)
        assert isinstance(fails(given), SourceUntrusted)
    assert b"".join(heard) == b""


def test_a_server_that_is_trusted_is_spoken_to() -> None:
    """What the test before overhears would be heard."""
    with overhearing() as (url, heard):
        fails(VCenterAccess(url, "user", "s3cret", timeout_s=5))
    assert heard[0].startswith(b"POST /sdk")
