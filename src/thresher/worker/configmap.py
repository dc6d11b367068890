"""Reports into a ConfigMap through the Kubernetes API, and hears the command there.

The worker's service account may get, watch and patch this one ConfigMap and nothing else.
"""

import asyncio
import logging
import os
from pathlib import Path
from typing import Self

import httpx2  # lightkube's transport, whose errors it passes on
from lightkube import AsyncClient, KubeConfig
from lightkube.core.exceptions import ApiError, ConfigError
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from thresher.model.errors import TargetError, UsageError
from thresher.model.handover import BANDWIDTH, COMMAND, REPORT, STOP
from thresher.model.report import Report
from thresher.worker.reporting import OnRate, hear, unheard

log = logging.getLogger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts the token, the authority and the namespace ("Accessing the Kubernetes API from a Pod")."""
FIELD_MANAGER = "thresher-worker"
_RETRY_S = 5.0
_WATCH_S = 300
"""A watch is renewed so often: a connection that is dead without a word is not believed for longer."""


class ConfigMapReporter:
    """Implements :class:`~thresher.worker.reporting.Reporter`.

    Args:
        name: of the ConfigMap, ``namespace/name``.
        account: the folder with the service account's token, authority and namespace.

    Raises:
        UsageError: this is no Pod, or it has no service account, or the name is none.
    """

    def __init__(self, name: str, account: Path = SERVICE_ACCOUNT) -> None:
        self._namespace, slash, self._name = name.partition("/")
        if not (self._namespace and slash and self._name):
            raise UsageError(f"{name!r} names no ConfigMap: write NAMESPACE/NAME")
        try:
            config = KubeConfig.from_service_account(account)
        except (ConfigError, KeyError, OSError) as error:
            raise UsageError(
                f"the Kubernetes API cannot be reached from here ({error}): KUBERNETES_SERVICE_HOST, _PORT and the"
                f" files in {account} are needed; outside a cluster, use --report-file"
            ) from error
        self._client = AsyncClient(
            config, field_manager=FIELD_MANAGER, trust_env=False, timeout=httpx2.Timeout(30, read=_WATCH_S + 30)
        )

    async def __aenter__(self) -> Self:
        """Connections are made when they are needed."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the connections."""
        await self._client.close()

    async def write(self, report: Report) -> None:
        """Patch the report into the ConfigMap; its other keys are not touched. Raises TargetError."""
        patch = {"data": {REPORT: report.to_json()}}
        try:
            async with asyncio.timeout(30):
                await self._client.patch(
                    ConfigMap, self._name, patch, namespace=self._namespace, patch_type=PatchType.MERGE
                )
        except (httpx2.HTTPError, TimeoutError) as error:
            raise TargetError(
                f"the report cannot be written to ConfigMap {self._namespace}/{self._name}: {_words(error)}; check the"
                " API server and the worker's Role"
            ) from error

    async def wait_for_stop(self, on_rate: OnRate = unheard) -> None:
        """Watch the ConfigMap until its command says stop, or it is deleted: then the import is gone."""
        while True:
            try:
                await self._watch(on_rate)
            except (httpx2.HTTPError, TimeoutError) as error:
                log.warning("the command cannot be watched: %s; trying again", _words(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _watch(self, on_rate: OnRate) -> None:
        events = self._client.watch(
            ConfigMap, namespace=self._namespace, fields={"metadata.name": self._name}, server_timeout=_WATCH_S
        )
        async for event, seen in events:
            data = seen.data or {}
            if event == "DELETED" or data.get(COMMAND) == STOP:
                return
            if BANDWIDTH in data:  # an operator of an earlier release says nothing
                hear(data[BANDWIDTH], on_rate)


def _words(error: Exception) -> str:
    if isinstance(error, ApiError):
        return str(error.status.message or error.status.reason or error)
    return str(error) or type(error).__name__


def service_account() -> Path:
    """Where the service account is mounted; THRESHER_SERVICE_ACCOUNT names another folder."""
    return Path(os.environ.get("THRESHER_SERVICE_ACCOUNT") or SERVICE_ACCOUNT)
