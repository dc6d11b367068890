"""The connection that everything of one OpenStack shares: one login, any number of calls at once."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

import requests
from keystoneauth1.access import AccessInfo
from keystoneauth1.session import Session
from openstack.config import cloud_region
from openstack.connection import Connection

from thresher.model.errors import SourceNotFound
from thresher.sources.openstack.access import OpenstackAccess, Place, check_complete, place
from thresher.sources.openstack.faults import FAILURES, source_error
from thresher.sources.openstack.login import Login
from thresher.sources.openstack.trust import TrustingAdapter
from thresher.sources.tls import verifying

__all__ = ["OpenstackAccess", "OpenstackConnection"]

T = TypeVar("T")

_THREADS = 8
"""Calls at once."""
_POOL = 16
"""Connections kept open to each host: those of the calls, and those that images are read through."""


class OpenstackConnection:
    """One project in one region of an OpenStack.

    It may be entered several times, by whoever shares it, and closes when the last one leaves. It logs in when it is
    first used. The token is not revoked at the end: Cinder writes images with it after the request for them.
    Entered and awaited from one event loop; :meth:`run` serves any thread.

    Args:
        access: where and as whom.

    Raises:
        UsageError: the endpoint or the CA cannot be used as written, or a part of the login is missing.
    """

    def __init__(self, access: OpenstackAccess) -> None:
        check_complete(access)
        self.place: Place = place(access)
        self._access = access
        self._context = verifying(access.ca_pem, "ca_cert")
        self.login = Login(access)
        self._entered = 0
        self._session: Session | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._own = threading.local()

    def __repr__(self) -> str:
        return f"OpenstackConnection({self.place})"

    @property
    def access(self) -> OpenstackAccess:
        """Where and as whom."""
        return self._access

    async def __aenter__(self) -> Self:
        """Nothing is asked of the cloud yet."""
        self._entered += 1
        if self._session is None:
            self._session = self._opened()
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="openstack")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the connections, if nobody else is in."""
        self._entered -= 1
        if self._entered:
            return
        session, threads = self._session, self._threads
        self._session = self._threads = None
        self._own = threading.local()
        if threads:
            threads.shutdown(wait=False)
        if session:
            session.session.close()

    async def call(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a thread with a logged-in openstacksdk connection.

        Where the token has ended or was revoked, keystoneauth logs in again and sends the request once more.

        Raises:
            SourceError: whatever the cloud or the network did, in the words of the error tree.
            RuntimeError: the connection is not entered.
        """
        if self._threads is None:
            raise RuntimeError("the connection to the OpenStack is not entered")
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(self.run, work))

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in this thread, as :meth:`call` does in another one. It blocks."""
        session = self._session
        if session is None:
            raise RuntimeError("the connection to the OpenStack is not entered")
        try:
            return work(self._connection(session))
        except FAILURES as error:
            failed = source_error(error, self.place)
            if failed is None:
                raise
            raise failed from error

    def _opened(self) -> Session:
        http = requests.Session()
        http.mount("https://", TrustingAdapter(self._context, _POOL))
        http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=_POOL))
        return Session(auth=self.login, session=http, timeout=self._access.timeout_s, app_name="thresher")

    def _connection(self, session: Session) -> Connection:
        """This thread's connection: openstacksdk's objects are not made for several threads, keystoneauth's are."""
        known: tuple[Session, Connection] | None = getattr(self._own, "connection", None)
        if known is not None and known[0] is session:
            return known[1]
        region = region_in(self.login.get_access(session), self.place)
        self.place = replace(self.place, region=region)
        config = cloud_region.from_session(
            session=session, name=self.place.host, region_name=region, app_name="thresher"
        )
        connection = Connection(config=config)
        self._own.connection = (session, connection)
        return connection


def region_in(access: AccessInfo, place: Place) -> str:
    """The region to look in: the one that is asked for, or the only one.

    Raises:
        SourceNotFound: the catalogue has no such region, or none is asked for and it has not exactly one.
    """
    regions = sorted(regions_of(access))
    if place.region in regions:
        return place.region
    if not place.region and len(regions) == 1:
        return regions[0]
    known = ", ".join(regions) or "none at all"
    if not place.region:
        raise SourceNotFound(f"no region is given, and the catalogue of {place.host} has {known}: set region to one")
    raise SourceNotFound(
        f"the catalogue of {place.host} has no region {place.region!r} for project {access.project_name}; it has "
        f"{known}: correct region"
    )


def regions_of(access: AccessInfo) -> set[str]:
    """The regions that the catalogue has endpoints in."""
    catalogue = access.service_catalog.catalog if access.has_service_catalog() else ()
    return {endpoint["region"] for service in catalogue for endpoint in service["endpoints"] if endpoint.get("region")}
