"""The least that speaks to a Kubernetes API as it is: requests and watches, nothing retried, nothing hidden."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said.

    Attributes:
        status: of HTTP.
        body: an object, or a ``Status`` where something was wrong.
    """

    status: int
    body: Any  # JSON: the tests look at what they asked for

    @property
    def reason(self) -> str:
        """The reason of a ``Status``: AlreadyExists, Conflict, Invalid and so on."""
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        """The words of a ``Status``."""
        return str(self.body.get("message", ""))


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and the object (of ERROR, a ``Status``)."""

    type: str
    object: Any  # JSON, as above

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])


class Client:
    """Speaks to one API server as one user. One connection to a request, so that restarts do not matter."""

    def __init__(self, url: str, ca_pem: str, token: str, timeout_s: float = 60) -> None:
        self._host = urlsplit(url).netloc
        self._tls = ssl.create_default_context(cadata=ca_pem)
        self._token = token
        self._timeout_s = timeout_s

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        **parameters: str,
    ) -> Answer:
        """Ask once. ``parameters`` go into the query."""
        with self._open(method, path, body, content_type, parameters) as reply:
            text = reply.read()
            is_json = (reply.getheader("Content-Type") or "").startswith("application/json")
            return Answer(reply.status, json.loads(text) if is_json else {"message": text.decode()})

    def watch(self, path: str, *, seconds: int = 10, **parameters: str) -> Iterator[WatchEvent]:
        """The events of a watch, until the server ends it after that many seconds.

        Raises:
            RuntimeError: the watch was refused; the message is the server's.
        """
        query = {"watch": "true", "timeoutSeconds": str(seconds), **parameters}
        with self._open("GET", path, None, "", query) as reply:
            if reply.status != http.client.OK:
                raise RuntimeError(f"watching {path}: {reply.status} {reply.read().decode()}")
            for line in reply:
                event = json.loads(line)
                yield WatchEvent(event["type"], event["object"])

    @contextmanager
    def _open(
        self, method: str, path: str, body: object, content_type: str, parameters: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPSConnection(self._host, context=self._tls, timeout=self._timeout_s)
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = content_type
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        try:
            connection.request(method, target, data, headers)
            with connection.getresponse() as reply:
                yield reply
        finally:
            connection.close()
