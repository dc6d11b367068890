"""A thin client: JSON objects in and out, over lightkube's connection.

lightkube reads the configuration (in the cluster or a kubeconfig), does TLS and keeps the tokens fresh. The
verbs are ours, because level-triggered controllers need three things of them that its client does not have:
bookmarks in watches, preconditions of deletions, and lists of metadata only (docs/decisions/0008).
"""

import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig

from thresher.model.errors import TargetConflict, TargetDenied, TargetError, TargetUnreachable
from thresher.operator.kinds import JOB
from thresher.targets.harvester.objects import Kind, Object

FIELD_MANAGER = "thresher"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"
"""Asks for metadata alone ("Receiving resources as Tables" and "PartialObjectMetadata" in the API concepts)."""
CHUNK = "500"
"""Objects in one page of a list: what kubectl takes, too."""
WATCH_SECONDS = 300
"""A watch ends by itself after this long, so that a connection that died in silence is noticed."""
TIMEOUT_S = 30.0

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, GONE, TOO_MANY, SERVER = 401, 403, 404, 409, 410, 429, 500
_NO_RIGHTS = 'is forbidden: User "'
"""What an API server says where rights are missing, or where it has just started and has read no roles yet
(k8s.io/apiserver, endpoints/handlers/responsewriters, forbiddenMessage). Quotas and webhooks say 403 in other words."""


class WatchExpired(TargetError):
    """The version to watch from is too old: list anew."""

    reason = "WatchExpired"
    retryable = True


class Kube:
    """A connection to one API server. Enter it to open, leave it to close.

    Args:
        config: where it is; None finds it as kubectl does, in the cluster first.
    """

    def __init__(self, config: SingleConfig | None = None) -> None:
        found = config or KubeConfig.from_env().get()
        if found is None:
            raise TargetError("No cluster is configured: set KUBECONFIG, or run in a Pod with a service account.")
        self._client = AsyncClient(found, ConnectionParams(timeout=httpx2.Timeout(TIMEOUT_S)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        return await self._ask("GET", kind.path(namespace, name), missing=True)

    async def list_all(self, kind: Kind, namespace: str = "", *, labels: str = "") -> list[Object]:
        """All objects that the label selector takes."""
        return (await self.list_from(kind, namespace, labels=labels))[0]

    async def list_from(
        self, kind: Kind, namespace: str = "", *, labels: str = "", metadata: bool = False
    ) -> tuple[list[Object], str]:
        """All objects, page by page, and the version to watch from."""
        headers = {"Accept": METADATA.format(list="List")} if metadata else {}
        params = {"limit": CHUNK, "labelSelector": labels}
        items: list[Object] = []
        while True:
            page = await self._ask("GET", kind.path(namespace), params=params, headers=headers)
            items += (page or {}).get("items") or []
            meta = (page or {}).get("metadata") or {}
            if not meta.get("continue"):
                return items, meta.get("resourceVersion", "")
            params["continue"] = meta["continue"]

    async def watch(
        self, kind: Kind, version: str, namespace: str = "", *, labels: str = "", metadata: bool = False
    ) -> AsyncIterator[tuple[str, Object]]:
        """What changes from ``version`` on, bookmarks included, until the server ends it.

        Raises:
            WatchExpired: the version is too old.
        """
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "labelSelector": labels,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        headers = {"Accept": METADATA.format(list="")} if metadata else {}
        timeout = httpx2.Timeout(TIMEOUT_S, read=WATCH_SECONDS + TIMEOUT_S)
        try:
            request = self._client.build_request(
                "GET", kind.path(namespace), params=_stated(params), headers=headers, timeout=timeout
            )
            response = await self._client.send(request, stream=True)
            try:
                if response.is_error:
                    await response.aread()
                    raise _failure(response, "GET", kind.path(namespace))
                async for line in response.aiter_lines():
                    yield _event(line)
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error

    async def apply(self, obj: Object, kind: Kind) -> Object:
        """Server-side apply: what is in ``obj`` is ours from now on, whoever wrote it before."""
        meta = obj["metadata"]
        params = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = kind.path(meta.get("namespace", ""), meta["name"])
        return await self._ask("PATCH", path, body=obj, params=params, headers={"Content-Type": APPLY}) or {}

    async def create(self, obj: Object, kind: Kind) -> Object:
        """Create it. Raises TargetConflict where it is there."""
        path = kind.path(obj["metadata"].get("namespace", ""))
        return await self._ask("POST", path, body=obj, params={"fieldManager": FIELD_MANAGER}) or {}

    async def replace(self, obj: Object, kind: Kind) -> Object:
        """Replace it, if it is still of the version in ``obj``. Raises TargetConflict where it is not."""
        meta = obj["metadata"]
        path = kind.path(meta.get("namespace", ""), meta["name"])
        return await self._ask("PUT", path, body=obj, params={"fieldManager": FIELD_MANAGER}) or {}

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Object, *, sub: str = "") -> Object | None:
        """Merge ``patch`` into it (RFC 7396), or into its subresource; None where it is gone."""
        params = {"fieldManager": FIELD_MANAGER}
        headers = {"Content-Type": MERGE}
        path = kind.path(namespace, name, sub)
        return await self._ask("PATCH", path, body=patch, params=params, headers=headers, missing=True)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> bool:
        """Delete it with its dependents, if it is (still) the one of that UID; whether it was there.

        A Job goes after its Pods: once it is gone, nothing of it reads from a source any more.
        """
        policy = "Foreground" if kind == JOB else "Background"
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            return await self._ask("DELETE", kind.path(namespace, name), body=body, missing=True) is not None
        except TargetConflict:
            if uid:
                return False  # what is there under the name is another one
            raise

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        missing: bool = False,
    ) -> Object | None:
        sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
        content = json.dumps(body).encode() if body is not None else None
        try:
            response = await self._client.request(
                method, path, content=content, params=_stated(params or {}), headers=sent
            )
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if missing and response.status_code == NOT_FOUND:
            return None
        if response.is_error:
            raise _failure(response, method, path)
        answer: Object = response.json()
        return answer


def _stated(params: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if value}


def _event(line: str) -> tuple[str, Object]:
    event: dict[str, Any] = json.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        if status.get("code") == GONE:
            raise WatchExpired("The changes since the last look are no longer kept; everything is listed anew.")
        raise TargetUnreachable(f"The API server ended a watch: {status.get('message', 'without a reason')}.")
    return event["type"], event["object"]


def _unreachable(error: httpx2.HTTPError) -> TargetError:
    said = str(error) or type(error).__name__
    return TargetUnreachable(f"The API server does not answer: {said}. It is asked again.")


def _failure(response: httpx2.Response, method: str, path: str) -> TargetError:
    """The error of an answer, in the API server's own words: they name the object and the rule."""
    try:
        said = response.json().get("message", "")
    except (ValueError, AttributeError):
        said = ""
    code = response.status_code
    said = said or f"{method} {path} was answered with {code}"
    if code == GONE:
        return WatchExpired(said)
    if code == UNAUTHORIZED or (code == FORBIDDEN and _NO_RIGHTS in said):
        return TargetDenied(f"{said}. If it stays so, compare the operator's ClusterRole with the chart's.")
    if code == CONFLICT:
        return TargetConflict(said)
    if code == TOO_MANY or code >= SERVER:
        return TargetUnreachable(said)
    return TargetError(said)
