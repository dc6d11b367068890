"""Harvester's webhooks: a real HTTPS server that the API server calls."""

import base64
import json
import ssl
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from rig.harvester import rules
from rig.harvester.kinds import IMAGES, MACHINES, MUTATING, VALIDATING, Kind
from rig.harvester.kube import Kube, Object

NAME = "simulated-harvester"
_VALIDATORS = {IMAGES.kind: rules.validate_image, MACHINES.kind: rules.validate_machine}
_MUTATORS = {IMAGES.kind: rules.mutate_image, MACHINES.kind: rules.mutate_machine}


class Webhook:
    """The server and its registration."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        authority = trustme.CA()
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, kube))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self._register(base64.b64encode(authority.cert_pem.bytes()).decode())

    def stop(self) -> None:
        """Take the registration back and end."""
        for kind in (VALIDATING, MUTATING):
            found = self._kube.find(kind, "", NAME)
            if found is not None:
                self._kube.delete(kind, found)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _register(self, authority: str) -> None:
        hooks = (
            (MUTATING, "mutate", ["CREATE", "UPDATE"]),
            (VALIDATING, "validate", ["CREATE", "UPDATE", "DELETE"]),
        )
        for kind, path, operations in hooks:
            url = f"https://127.0.0.1:{self._server.server_address[1]}/{path}"
            hook = {
                "name": f"{path}.harvesterhci.io",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 10,
                "clientConfig": {"url": url, "caBundle": authority},
                "rules": [_rule(IMAGES, operations), _rule(MACHINES, operations)],
            }
            self._kube.ensure(kind, {"metadata": {"name": NAME}, "webhooks": [hook]})


def _rule(kind: Kind, operations: list[str]) -> Object:
    group, _, version = kind.api_version.partition("/")
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": [kind.plural],
        "operations": operations,
        "scope": "Namespaced",
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # the API server keeps its connections open

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the API server drops is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the client to acknowledge its head

    def __init__(self, kube: Kube, *args: object) -> None:
        self._kube = kube
        super().__init__(*args)  # type: ignore[arg-type] # socketserver passes what it always passes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """The API server says what was refused."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        answer: Object = {"uid": request["uid"], "allowed": True}
        kind, new, old = request["kind"]["kind"], request.get("object") or {}, request.get("oldObject") or {}
        if self.path.startswith("/mutate"):
            patch = json.dumps(_MUTATORS[kind](new)).encode()
            answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
        else:
            try:
                _VALIDATORS[kind](self._kube, request["operation"], new, old)
            except rules.Refused as refused:
                answer |= {"allowed": False, "status": {"message": str(refused), "code": refused.code}}
        self._send(json.dumps({**review, "request": None, "response": answer}).encode())

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
