"""A reverse proxy in front of a service: what clients see, with the faults of a network and of a busy cloud."""

import http.client
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO

import trustme

BLOCK = 64 << 10
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization"}
"""RFC 9110, 7.6.1: these are between neighbours."""


@dataclass
class Fault:
    """What goes wrong with the next requests that match.

    Attributes:
        match: a regular expression found in ``METHOD /path?query``.
        times: how many requests it happens to; None for all.
        status: answer this status and nothing else, without asking the service.
        headers: headers of that answer, such as Retry-After.
        delay_s: wait so long before the answer.
        cut_after: close the connection after so many bytes of the answer's body.
        cut_at: a place in the file that no answer gets past, also one to a Range request.
        rate: bytes of a body a second.
    """

    match: str
    times: int | None = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut_after: int | None = None
    cut_at: int | None = None
    rate: int | None = None


@dataclass(frozen=True)
class Seen:
    """One request and the status of its answer. Names of headers are lower case; a status of 0: none was sent."""

    method: str
    path: str
    headers: dict[str, str]
    status: int


@dataclass
class Gateway:
    """A running proxy.

    Attributes:
        url: its root, without a slash at the end.
        port: where the service itself listens.
        ca_pem: the authority that signed its certificate; "" without TLS.
        requests: all that were answered, in order.
        faults: what goes wrong; the first that matches counts.
    """

    url: str
    port: int
    ca_pem: str = ""
    requests: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: str) -> Fault | None:
        """The fault for this request; it counts as having happened."""
        with self._lock:
            for fault in self.faults:
                if fault.times != 0 and re.search(fault.match, request):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def reset(self) -> None:
        """No faults and no requests, as at the start."""
        self.faults.clear()
        self.requests.clear()


@contextmanager
def gateway(port: int, *, tls: bool = False) -> Iterator[Gateway]:
    """Run a proxy on a free port of 127.0.0.1 in front of ``port``."""
    gate = Gateway("", port)
    server = _Server(("127.0.0.1", 0), partial(_Handler, gate))
    if tls:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        gate.ca_pem = authority.cert_pem.bytes().decode()
    gate.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept connection must not hold the end up
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or distrusts the certificate, is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the client to acknowledge its head

    def __init__(self, gate: Gateway, *args: object) -> None:
        self._gate = gate
        super().__init__(*args)  # type: ignore[arg-type] # socketserver passes what it always passes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """The requests are recorded in place of logged."""

    def _answer(self) -> None:
        fault = self._gate.take(f"{self.command} {self.path}") or Fault("")
        time.sleep(fault.delay_s)
        if fault.status is not None:
            self._refuse(fault)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self._gate.port, timeout=600)
        try:
            self._pass_on(upstream)
            answer = upstream.getresponse()
            self._see(answer.status)
            self._pass_back(answer, fault)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

    def _see(self, status: int) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self._gate.requests.append(Seen(self.command, self.path, headers, status))

    def _refuse(self, fault: Fault) -> None:
        assert fault.status is not None
        self._drain()
        self._see(fault.status)
        body = b'{"error": {"message": "the rig was told so"}}'
        self.send_response(fault.status)
        for name, value in {"Content-Type": "application/json", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _drain(self) -> None:
        for _ in self._body():
            pass

    def _pass_on(self, upstream: http.client.HTTPConnection) -> None:
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        chunked = "transfer-encoding" in self.headers
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                upstream.putheader(name, value)
        if chunked:
            upstream.putheader("Transfer-Encoding", "chunked")
        upstream.endheaders()
        for block in self._body():
            upstream.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            upstream.send(b"0\r\n\r\n")

    def _body(self) -> Iterator[bytes]:
        stream: BinaryIO = self.rfile  # type: ignore[assignment] # socketserver's BufferedIOBase reads bytes
        if "transfer-encoding" in self.headers:
            while size := int(stream.readline().split(b";")[0], 16):
                yield stream.read(size)
                stream.readline()
            while stream.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left and (block := stream.read(min(left, BLOCK))):
            left -= len(block)
            yield block

    def _pass_back(self, answer: http.client.HTTPResponse, fault: Fault) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        has_body = self.command != "HEAD" and answer.status not in {204, 304}
        chunked = has_body and answer.getheader("Content-Length") is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not has_body:
            return
        left = _allowed(answer, fault)
        while block := answer.read(BLOCK if left is None else min(BLOCK, left)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            if fault.rate:
                time.sleep(len(block) / fault.rate)
            if left is not None:
                left -= len(block)
        if left == 0:
            self.close_connection = True
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")


def _allowed(answer: http.client.HTTPResponse, fault: Fault) -> int | None:
    """How many bytes of the body may go out; None for all."""
    limits = []
    if fault.cut_after is not None:
        limits.append(fault.cut_after)
    if fault.cut_at is not None:
        found = re.match(r"bytes (\d+)-", answer.getheader("Content-Range") or "")
        limits.append(max(fault.cut_at - (int(found[1]) if found else 0), 0))
    return min(limits, default=None)
