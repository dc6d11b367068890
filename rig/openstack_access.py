"""How Thresher's own OpenStack source logs in to a cloud of the rig."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from rig.openstack import Credential, OpenstackCloud
from thresher.model.vm import SourceVM
from thresher.ports import Export
from thresher.sources.openstack.access import OpenstackAccess
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.source import OpenstackSource


def access_to(cloud: OpenstackCloud, credential: Credential | None = None, **changes: str) -> OpenstackAccess:
    """The importing user's access, by password where no credential is given."""
    by = credential or cloud.password
    access = OpenstackAccess(
        endpoint=cloud.endpoint,
        region=cloud.region,
        username=by.username,
        password=by.password,
        project_name=by.project_name,
        domain_name=by.domain_name,
        application_credential_id=by.application_credential_id,
        application_credential_secret=by.application_credential_secret,
    )
    return replace(access, **changes)  # type: ignore[arg-type] # every field that tests change is text


@asynccontextmanager
async def no_export(_: OpenstackConnection, __: SourceVM, ___: str) -> AsyncIterator[Export]:
    """Exports nothing: for tests that only look."""
    yield Export(())


def source_of(access: OpenstackAccess, *, page: int = 500) -> OpenstackSource:
    """A source that only looks."""
    return OpenstackSource(OpenstackConnection(access), no_export, page=page)
