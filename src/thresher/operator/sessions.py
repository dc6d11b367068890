"""The sources' adapters, entered once and shared by every import that uses the same source."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from thresher.api.manifests import AnySource, Manifests, load_manifests
from thresher.api.openstack import OpenstackSource
from thresher.api.ova import OvaSource
from thresher.api.secret import Secret
from thresher.api.virtualmachineimport import SourceReference
from thresher.api.vmware import VmwareSource
from thresher.model.errors import SourceNotFound, SourceUnreachable, ThresherError, UsageError
from thresher.operator.kinds import SECRET, SOURCES
from thresher.operator.kube import Kube
from thresher.targets.harvester.objects import Object
from thresher.wiring.sources import OpenSource, SourcePool

log = logging.getLogger(__name__)

_MODELS: dict[str, type[VmwareSource | OpenstackSource | OvaSource]] = {
    "VmwareSource": VmwareSource,
    "OpenstackSource": OpenstackSource,
    "OvaSource": OvaSource,
}
SHARED_WITH = "thresher.harvesterhci.io/shared-with"
"""Our annotation on a Secret: the other namespaces whose sources may use it, separated by commas; ``*`` for all.

On a source: the other namespaces whose imports may use it, whatever the chart says; "" for none.
"""
IDLE_S = 300.0
"""A session that nobody used for so long is closed: vCenter keeps a limited number of them."""
LIMIT_S = 120.0
"""How long a source may take for one answer, before a pass goes on without it."""


@dataclass(frozen=True, slots=True)
class SourceObjects:
    """A source as the API server has it.

    Attributes:
        source: the object.
        secret: its Secret; None where it names none.
        manifest: the source, typed.
        version: changes when the source or its Secret does.
    """

    source: Object
    secret: Object | None
    manifest: AnySource
    version: str

    @property
    def ready(self) -> bool:
        """Whether the last look at it found it ready."""
        return bool((self.source.get("status") or {}).get("status") == "clusterReady")

    @property
    def fingerprint(self) -> str:
        """What was pinned at the first look; "" where nothing is."""
        return str((self.source.get("status") or {}).get("fingerprint") or "")

    def pool(self) -> SourcePool:
        """Its adapter, ready to be made."""
        secrets = (Secret.model_validate(self.secret),) if self.secret else ()
        manifests = Manifests(sources=(self.manifest,), secrets=secrets)
        return SourcePool(manifests, lambda _: self.fingerprint)


async def read_source(kube: Kube, ref: SourceReference, user: str, *, across: bool) -> SourceObjects:
    """Read a source and its Secret.

    Args:
        kube: the API server.
        ref: the source.
        user: the namespace of the import that names it.
        across: whether imports may use the sources of other namespaces which say nothing of it.

    Raises:
        SourceNotFound: there is no such source.
        UsageError: it is not for that import, its Secret is not there, or it cannot be understood.
    """
    namespace = ref.namespace or "default"
    source = await kube.get(SOURCES[ref.kind], namespace, ref.name)
    if namespace != user and not usable_from(source, user, across=across):  # whether it is there is not told, either
        raise UsageError(
            f"{ref.kind} {namespace}/{ref.name} is not for imports in namespace {user}, where a worker would be given "
            f"its credentials: make a source there, or have its owner annotate it with {SHARED_WITH}: {user}."
        )
    if source is None:
        raise SourceNotFound(f"There is no {ref.kind} {namespace}/{ref.name}: make it, or name another.")
    return await with_secret(kube, source)


async def with_secret(kube: Kube, source: Object) -> SourceObjects:
    """Read the Secret of a source. Raises UsageError."""
    meta = source["metadata"]
    try:
        manifest = _MODELS[source["kind"]].model_validate(source)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise UsageError(f"{source['kind']} {meta['namespace']}/{meta['name']} cannot be used: {wrong}.") from None
    ref, secret = manifest.secret_ref, None
    if ref is not None:
        place = ref.namespace or meta["namespace"]
        secret = await kube.get(SECRET, place, ref.name)
        if place != meta["namespace"] and not shared_with(secret, meta["namespace"]):
            raise UsageError(
                f"The Secret {place}/{ref.name} is not for sources in namespace {meta['namespace']}: move it there, "
                f"or annotate it with {SHARED_WITH}: {meta['namespace']}."
            )
        if secret is None:
            raise UsageError(f"There is no Secret {ref.namespace}/{ref.name} with the credentials: make it.")
    parts = [meta["uid"], str(meta.get("generation", 0))]
    parts += [secret["metadata"]["uid"], secret["metadata"]["resourceVersion"]] if secret else []
    status = source.get("status") or {}
    return SourceObjects(source, secret, manifest, "/".join([*parts, str(status.get("fingerprint") or "")]))


def as_handed_over(text: str) -> SourceObjects:
    """A source and its Secret as a worker was given them, for what has to be put right after both are gone.

    Raises:
        UsageError: they cannot be understood.
    """
    objects = list(yaml.safe_load_all(text))
    manifests = load_manifests(text)
    source = next(each for each in objects if each["kind"] in _MODELS)
    secret = next((each for each in objects if each["kind"] == "Secret"), None)
    return SourceObjects(source, secret, manifests.sources[0], "as handed over")


def shared_with(secret: Object | None, namespace: str) -> bool:
    """Whether a Secret's owner lets sources of another namespace use it.

    Who may make a source there need not be who may read the Secret, and a source sends it wherever it likes.
    """
    return _listed(_sharing(secret) or "", namespace)


def usable_from(source: Object | None, namespace: str, *, across: bool) -> bool:
    """Whether imports of another namespace may use a source: as its owner says, else as the operator is set up.

    A worker in the import's namespace is given the credentials, so whoever reads Secrets there reads them.
    """
    said = _sharing(source)
    return across if said is None else _listed(said, namespace)


def _sharing(obj: Object | None) -> str | None:
    annotations = ((obj or {}).get("metadata") or {}).get("annotations") or {}
    said = annotations.get(SHARED_WITH)
    return None if said is None else str(said)


def _listed(said: str, namespace: str) -> bool:
    return not {namespace, "*"}.isdisjoint(name.strip() for name in said.split(","))


@dataclass(slots=True)
class _Session:
    version: str
    opened: OpenSource
    used: float
    users: int = 0
    replaced: bool = False


class Sessions:
    """Open sources, by their UID."""

    def __init__(self) -> None:
        self._open: dict[str, _Session] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def use(self, objects: SourceObjects) -> AsyncIterator[OpenSource]:
        """The adapter of a source, entered; its answers may take :data:`LIMIT_S`.

        Raises:
            ThresherError: the source cannot be used, or took too long.
        """
        uid = objects.source["metadata"]["uid"]
        session = await self._session(uid, objects)
        session.users += 1
        try:
            async with asyncio.timeout(LIMIT_S):
                yield session.opened
        except TimeoutError:
            name = objects.manifest.metadata.key
            raise SourceUnreachable(f"{name} gave no answer within {LIMIT_S:.0f} s; it is asked again.") from None
        finally:
            session.users -= 1
            session.used = asyncio.get_running_loop().time()
            if session.replaced and not session.users:
                await _close(session)

    async def _session(self, uid: str, objects: SourceObjects) -> _Session:
        async with self._locks.setdefault(uid, asyncio.Lock()):
            session = self._open.get(uid)
            if session is not None and session.version == objects.version:
                return session
            if session is not None:
                del self._open[uid]
                session.replaced = True  # whoever still uses it closes it behind them
                if not session.users:
                    await _close(session)
            opened = objects.pool().get(objects.manifest)
            await opened.source.__aenter__()
            now = asyncio.get_running_loop().time()
            session = self._open[uid] = _Session(objects.version, opened, now)
            return session

    async def sweep(self) -> None:
        """Close what nobody uses any more, for ever."""
        while True:
            await asyncio.sleep(IDLE_S / 5)
            now = asyncio.get_running_loop().time()
            for uid, session in list(self._open.items()):
                if not session.users and now - session.used > IDLE_S:
                    del self._open[uid]
                    await _close(session)

    async def close(self) -> None:
        """Close all of them."""
        sessions = list(self._open.values())
        self._open.clear()
        for session in sessions:
            await _close(session)


async def _close(session: _Session) -> None:
    try:
        await session.opened.source.__aexit__(None, None, None)
    except ThresherError as error:
        log.info("a session could not be closed: %s", error)
