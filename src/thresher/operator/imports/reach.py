"""Whether what an import needs can be reached over the network from here, asked for a bounded time."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx2

from thresher.api.manifests import AnySource
from thresher.api.vmware import VmwareSource
from thresher.model.errors import DiskUnreachable
from thresher.model.vm import Loss, SourceVM

PROBE_S = 3.0
"""How long an answer may take: in a data centre a connection takes milliseconds, so that a silence is a firewall's."""
FRESH_S = 60.0
"""How long an answer holds: a hundred imports from one host ask it once."""
HTTPS = 443
NFC = 902
"""TCP port of an ESXi host for NFC and NBD ("Required Ports for vCenter Server and ESXi", VMware vSphere)."""

Probe = Callable[[str, int], Awaitable[str]]
"""Asks a host and a port; "" where a connection was made, else why not."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port that an import needs.

    Attributes:
        what: whose it is, such as ``vCenter``.
        host: its name or address.
        number: of the port.
    """

    what: str
    host: str
    number: int


async def connect(host: str, port: int) -> str:
    """Make a TCP connection and close it; "" where that worked, else why not."""
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no answer within {PROBE_S:.0f} s"
    except socket.gaierror as error:  # its numbers are not errno's
        return error.strerror or str(error)
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    except UnicodeError:  # of the codec for names, such as an empty label
        return "it is no name of a host"
    writer.close()
    return ""


class Reach:
    """Answers of a probe, which hold for :data:`FRESH_S`; who asks for the same at the same time shares one.

    Args:
        probe: asks.
    """

    def __init__(self, probe: Probe = connect) -> None:
        self._probe = probe
        self._asked: dict[tuple[str, int], tuple[asyncio.Future[str], float]] = {}

    async def ask(self, host: str, port: int) -> str:
        """What the probe says, or said a moment ago."""
        now = asyncio.get_running_loop().time()
        self._asked = {key: (answer, at) for key, (answer, at) in self._asked.items() if now - at < FRESH_S}
        if (host, port) not in self._asked:
            self._asked[host, port] = asyncio.ensure_future(self._probe(host, port)), now
        answer, _ = self._asked[host, port]
        return await asyncio.shield(answer)  # a pass that is cancelled leaves it to the others


def ports_of(source: AnySource, vm: SourceVM) -> tuple[Port, ...]:
    """The ports that an import of this VM needs, beside those that its source's own check has proved."""
    if not isinstance(source, VmwareSource):
        return ()
    endpoint = urlsplit(source.spec.endpoint)
    vcenter = Port("vCenter", endpoint.hostname or "", endpoint.port or HTTPS)
    return (vcenter, Port("the VM's ESXi host", vm.host, NFC)) if vm.host else (vcenter,)


async def unreachable(ports: Sequence[Port], reach: Reach) -> tuple[Loss, ...]:
    """A warning for each port that cannot be reached; all are asked at once."""
    answers = await asyncio.gather(*(reach.ask(port.host, port.number) for port in ports))
    return tuple(_warning(port, why) for port, why in zip(ports, answers, strict=True) if why)


def _warning(port: Port, why: str) -> Loss:
    message = (
        f"TCP {port.number} of {port.what} {port.host} cannot be reached from the cluster ({why}), so the export may "
        f"fail: let the cluster's nodes through to it in firewalls and NetworkPolicies, and see that {port.host} is "
        "resolved here."
    )
    return Loss("PortUnreachable", f"{port.host}:{port.number}", message)


async def require_disk(url: str) -> None:
    """Prove that a worker serves a disk to others in the cluster.

    Raises:
        DiskUnreachable: it does not answer as Harvester needs it.
    """
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it is plain HTTP; loading authorities takes longer than asking
    try:
        async with asyncio.timeout(PROBE_S), httpx2.AsyncClient(verify=nobody, trust_env=False) as client:
            answer = await client.head(url)
    except TimeoutError:
        raise _hidden(url, f"no answer within {PROBE_S:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _hidden(url, str(error) or type(error).__name__) from None
    if answer.status_code != HTTPStatus.OK or "content-length" not in answer.headers:
        raise _hidden(url, f"it answers {answer.status_code}")


def _hidden(url: str, why: str) -> DiskUnreachable:
    """The error, without the URL's path: its token is the only thing that keeps the disks from strangers."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}/…/{parts.path.rpartition('/')[2]}"
    return DiskUnreachable(
        f"The worker's disk {shown} cannot be reached from inside the cluster ({why}), so Harvester is not told to "
        "download it yet. Likely a NetworkPolicy keeps the worker's Pod apart: let the operator and Harvester's Pods "
        f"through to its TCP port {parts.port or 80}."
    )
