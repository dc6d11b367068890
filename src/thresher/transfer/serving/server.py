"""The server: threads, a limit on connections, and no way in but the token.

Threads, because reading a file blocks, and because the clients are few: one for each disk. What a client costs is
bounded, how long it may dawdle, and how many there are.
"""

import hashlib
import hmac
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from thresher.model.errors import TargetError
from thresher.transfer.serving.handler import DiskHandler
from thresher.transfer.serving.limits import DEFAULT, Limits

log = logging.getLogger(__name__)

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 5\r\n\r\n"


class DiskServer:
    """Serves finished disks at ``/<token>/<name>``. A context manager; leaving it cuts every connection.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one.
        token: the part of the path that must not be guessed.
        limits: what clients may cost.

    Raises:
        TargetError: the address or port cannot be had.
    """

    def __init__(self, host: str, port: int, token: str, *, limits: Limits = DEFAULT) -> None:
        self._token = token
        try:
            self._server = _Server(host, port, token, limits)
        except OSError as error:
            raise TargetError(
                f"disks cannot be served at {host} port {port}: {error.strerror or error}; choose another address or"
                " port"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="serve", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def publish(self, name: str, path: Path) -> str:
        """Serve the finished file at ``path`` from now on, and return the path of its URL."""
        self._server.files[name] = path
        return f"/{self._token}/{name}"

    def withdraw(self, name: str) -> None:
        """Serve that file no longer to whoever asks from now on."""
        self._server.files.pop(name, None)


class _Server(ThreadingHTTPServer):
    """What the connections share."""

    daemon_threads = False  # closing waits for them, after it cut their connections
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, host: str, port: int, token: str, limits: Limits) -> None:
        self.files: dict[str, Path] = {}
        self.limits = limits
        self._token = _digest(token)
        self._open: dict[socket.socket, bool] = {}  # in the order they came: whether it has shown the token
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), DiskHandler)

    def file_of(self, target: str) -> tuple[str, Path] | None:
        """The name and place of the file that a request's target means, or None.

        Tokens are compared as digests in constant time: how long an answer takes tells nothing.
        """
        token, _, name = target.removeprefix("/").partition("/")
        right = hmac.compare_digest(_digest(token), self._token)
        path = self.files.get(name)
        return (name, path) if right and path is not None and target.startswith("/") else None

    @contextmanager
    def opened(self, path: Path) -> Iterator[int]:
        """A descriptor of a published file. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def server_bind(self) -> None:
        """Bind, without the base class's look-up of the host's name, which can take a minute."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def verify_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> bool:  # noqa: ARG002 - the base class's signature
        """Count the connection in, or turn it away where there are too many."""
        if not isinstance(request, socket.socket):
            return False
        with self._lock:
            if len(self._open) < self.limits.connections or self._evicted():
                self._open[request] = False
                return True
        log.warning("a connection is turned away: %d are open", self.limits.connections)
        with suppress(OSError):
            request.setblocking(False)  # noqa: FBT003 - the standard library's signature
            request.send(_BUSY)
        return False

    def trust(self, connection: socket.socket) -> None:
        """It has shown the token: whoever comes later does not push it out."""
        with self._lock:
            if connection in self._open:
                self._open[connection] = True

    def _evicted(self) -> bool:
        """Cut the oldest connection that has not shown the token: silent ones must not lock Harvester out."""
        stranger = next((connection for connection, trusted in self._open.items() if not trusted), None)
        if stranger is None:
            return False
        del self._open[stranger]
        with suppress(OSError):  # it was faster
            stranger.shutdown(socket.SHUT_RDWR)
        return True

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Count the connection out and close it."""
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A defect in a handler ends one connection and is told with where it happened."""
        del request
        log.exception("serving %s ended with a defect of Thresher's", client_address)  # noqa: LOG004 - it is called in one

    def server_close(self) -> None:
        """Cut every connection and wait for their threads."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
