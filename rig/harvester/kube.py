"""A small Kubernetes client over plain HTTP, so that the rig shares no code with what it tests."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from rig.harvester.kinds import Kind

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON: its fields are the API server's to type."""

MERGE = "application/merge-patch+json"
_TIMEOUT_S = 60
_BUSY_S = 10
_BUSY_PAUSE_S = 0.1
NOT_FOUND, CONFLICT, GONE = 404, 409, 410


class ApiError(Exception):
    """The API server refused.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' word for it, such as ``AlreadyExists``.
        message: its sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Kube:
    """One API server, as one user. Safe in many threads."""

    def __init__(self, url: str, token: str, ca_pem: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.ca_pem = ca_pem
        self.host, self.port = parts.hostname or "", parts.port or 443
        self._token = token
        self._context = ssl.create_default_context(cadata=ca_pem)
        self._idle: list[http.client.HTTPSConnection] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def connection(self) -> http.client.HTTPSConnection:
        """A new connection."""
        return http.client.HTTPSConnection(self.host, self.port, timeout=_TIMEOUT_S, context=self._context)

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        """What each request says of itself."""
        return {"Authorization": f"Bearer {self._token}", "Content-Type": content_type, "Accept": "application/json"}

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json", **query: str
    ) -> Any:  # JSON
        """Ask, and again as long as the server is too busy to answer.

        Raises:
            ApiError: it answered a status of 400 or more.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body)
        end = time.monotonic() + _BUSY_S
        while True:
            with self._connected() as connection:
                connection.request(method, target, data, self.headers(content_type))
                with connection.getresponse() as reply:  # a server that goes away says Connection: close
                    text = reply.read()
            if reply.status != http.HTTPStatus.TOO_MANY_REQUESTS or time.monotonic() > end:
                break
            time.sleep(_BUSY_PAUSE_S)  # a new definition's storage is being set up
        if reply.status >= http.HTTPStatus.BAD_REQUEST:
            raise _error(reply.status, text)
        return json.loads(text) if text else None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[http.client.HTTPSConnection]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None or _hung_up(connection):
            if connection is not None:
                connection.close()
            connection = self.connection()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object."""
        found: Object = self.request("GET", kind.path(namespace, name))
        return found

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None where there is none."""
        try:
            return self.get(kind, namespace, name)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def list(self, kind: Kind, namespace: str = "", **query: str) -> Object:
        """The list of a kind's objects, in one namespace or all."""
        found: Object = self.request("GET", kind.path(namespace), **query)
        return found

    def create(self, kind: Kind, item: Object) -> Object:
        """Make an object; its apiVersion and kind are filled in."""
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **item}
        made: Object = self.request("POST", kind.path(item["metadata"].get("namespace", "")), body)
        return made

    def ensure(self, kind: Kind, item: Object) -> None:
        """Make an object unless it is there."""
        try:
            self.create(kind, item)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def patch(self, kind: Kind, item: Object, change: Object, sub: str = "") -> Object:
        """Merge ``change`` into an object or its subresource."""
        meta = item["metadata"]
        path = kind.path(meta.get("namespace", ""), meta["name"], sub)
        made: Object = self.request("PATCH", path, change, MERGE)
        return made

    def drop_finalizer(self, kind: Kind, item: Object, finalizer: str) -> None:
        """Take one finalizer away; a conflict where the object is not as ``item`` says any more."""
        meta = item["metadata"]
        left = [each for each in meta["finalizers"] if each != finalizer]
        self.patch(kind, item, {"metadata": {"finalizers": left, "resourceVersion": meta["resourceVersion"]}})

    def delete(self, kind: Kind, item: Object, **options: object) -> None:
        """Delete exactly this object, not another of its name; one that is gone already is as good."""
        meta = item["metadata"]
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": meta["uid"]}, **options}
        try:
            self.request("DELETE", kind.path(meta.get("namespace", ""), meta["name"]), body)
        except ApiError as error:
            if error.status != NOT_FOUND and not (error.status == CONFLICT and "uid" in error.message.lower()):
                raise


def _hung_up(connection: http.client.HTTPSConnection) -> bool:
    """Whether the server closed an idle connection: then it is readable."""
    if connection.sock is None:
        return True
    connection.sock.settimeout(0)
    try:
        return connection.sock.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            connection.sock.settimeout(_TIMEOUT_S)


def _error(status: int, text: bytes) -> ApiError:
    try:
        answer = json.loads(text)
        return ApiError(status, answer.get("reason", ""), answer.get("message", ""))
    except ValueError:
        return ApiError(status, "", text.decode(errors="replace")[:300])


def hang_up(connection: http.client.HTTPSConnection) -> None:
    """Wake whoever reads from a connection: it ends there."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
