"""Ports and disks that an import needs, against real sockets on loopback."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rig.source_vms import LINUX_BIOS
from rig.webserver import Faults, serve
from thresher.api.manifests import AnySource, load_manifests
from thresher.model.errors import DiskUnreachable
from thresher.model.vm import Severity
from thresher.operator.imports.reach import Port, Reach, connect, ports_of, require_disk, unreachable

VM = replace(LINUX_BIOS, host="esx1.example.org")
TOKEN = "t0k3n-that-nobody-must-see"


def source(kind: str, spec: str) -> AnySource:
    meta = "metadata: {name: here, namespace: default}"
    text = f"apiVersion: migration.harvesterhci.io/v1beta1\nkind: {kind}\n{meta}\nspec: {spec}\n"
    (found,) = load_manifests(text).sources
    return found


def vcenter(endpoint: str) -> AnySource:
    return source("VmwareSource", f'{{endpoint: "{endpoint}", dc: DC0, credentials: {{name: login}}}}')


@contextmanager
def listener(*, full: bool = False) -> Iterator[int]:
    """A listening port; a full one answers nobody, as behind a firewall that drops what it does not like."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(0)
        port = bound.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            if full:
                for client in (first, second):
                    client.settimeout(0)
                    client.connect_ex(("127.0.0.1", port))
            yield port


def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_an_import_from_vcenter_needs_443_there_and_902_at_the_vms_host() -> None:
    ports = ports_of(vcenter("https://vc.example.org/sdk"), VM)
    assert [(port.host, port.number) for port in ports] == [("vc.example.org", 443), ("esx1.example.org", 902)]


def test_a_port_in_the_endpoint_takes_the_place_of_443() -> None:
    assert ports_of(vcenter("https://[2001:db8::1]:8443/sdk"), VM)[0] == Port("vCenter", "2001:db8::1", 8443)


def test_a_host_that_the_user_may_not_see_is_not_asked() -> None:
    assert [port.number for port in ports_of(vcenter("https://vc.example.org/sdk"), replace(VM, host=""))] == [443]


def test_an_import_from_a_file_needs_none_of_them() -> None:
    assert ports_of(source("OvaSource", "{url: 'http://files.example.org/vm.ova'}"), VM) == ()


def test_an_import_from_openstack_needs_none_of_vcenters_ports() -> None:
    spec = "{endpoint: 'https://cloud.example.org:5000', region: RegionOne, credentials: {name: login}}"
    assert ports_of(source("OpenstackSource", spec), VM) == ()


def test_each_port_that_is_closed_is_a_warning_that_names_it_and_says_what_to_open() -> None:
    async def probe(_host: str, port: int) -> str:
        return "Connection refused" if port == 902 else ""

    ports = ports_of(vcenter("https://vc.example.org/sdk"), VM)
    (finding,) = asyncio.run(unreachable(ports, Reach(probe)))
    assert (finding.rule, finding.severity) == ("PortUnreachable", Severity.WARNING)
    assert finding.subject == "esx1.example.org:902"
    assert "TCP 902 of the VM's ESXi host esx1.example.org" in finding.message
    assert "Connection refused" in finding.message
    assert "firewalls" in finding.message


def test_ports_are_asked_at_the_same_time() -> None:
    async def ask() -> None:
        both = asyncio.Barrier(2)

        async def probe(_host: str, _port: int) -> str:
            await both.wait()  # one after the other, this never ends
            return ""

        async with asyncio.timeout(10):
            await unreachable(ports_of(vcenter("https://vc.example.org/sdk"), VM), Reach(probe))

    asyncio.run(ask())


def test_many_imports_from_one_host_ask_it_once_even_where_one_is_cancelled() -> None:
    asked: list[int] = []

    async def ask() -> list[str]:
        go = asyncio.Event()

        async def probe(_host: str, port: int) -> str:
            asked.append(port)
            await go.wait()
            return "closed"

        reach = Reach(probe)
        first = asyncio.create_task(reach.ask("esx1", 902))
        others = [asyncio.create_task(reach.ask("esx1", 902)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        return await asyncio.gather(*others)

    assert asyncio.run(ask()) == ["closed"] * 3
    assert asked == [902]


def test_a_port_that_listens_is_reached() -> None:
    with listener() as port:
        assert asyncio.run(connect("127.0.0.1", port)) == ""


def test_a_port_that_nobody_listens_on_says_so() -> None:
    assert "refused" in asyncio.run(connect("127.0.0.1", closed_port())).lower()


def test_a_port_that_stays_silent_is_given_up() -> None:
    with listener(full=True) as port:
        assert asyncio.run(connect("127.0.0.1", port)) == "no answer within 3 s"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".invalid"])
def test_a_name_that_means_nothing_is_a_reason_and_no_crash(host: str) -> None:
    assert asyncio.run(connect(host, 902))


def test_a_disk_that_is_served_may_be_downloaded(tmp_path: Path) -> None:
    (tmp_path / TOKEN).mkdir()
    (tmp_path / TOKEN / "disk-0.raw").write_bytes(bytes(512))
    with serve(tmp_path) as web:
        asyncio.run(require_disk(f"{web.url}{TOKEN}/disk-0.raw"))
        assert [request.method for request in web.requests] == ["HEAD"]


def hidden(url: str) -> str:
    with pytest.raises(DiskUnreachable) as caught:
        asyncio.run(require_disk(url))
    assert caught.value.retryable
    assert TOKEN not in str(caught.value)
    assert "NetworkPolicy" in str(caught.value)
    return str(caught.value)


def test_a_worker_that_is_cut_off_is_named_without_its_token() -> None:
    port = closed_port()
    said = hidden(f"http://127.0.0.1:{port}/{TOKEN}/disk-0.raw")
    assert f"http://127.0.0.1:{port}/…/disk-0.raw" in said
    assert f"TCP port {port}" in said


def test_a_worker_that_stays_silent_is_given_up() -> None:
    with listener(full=True) as port:
        assert "no answer within 3 s" in hidden(f"http://127.0.0.1:{port}/{TOKEN}/disk-0.raw")


@pytest.mark.parametrize("status", [403, 503])
def test_somebody_elses_answer_is_not_the_disk(tmp_path: Path, status: int) -> None:
    with serve(tmp_path, faults=Faults(status=status)) as web:
        assert f"it answers {status}" in hidden(f"{web.url}{TOKEN}/disk-0.raw")
