from collections.abc import Iterator

import pytest

from rig.openstack import OpenstackCloud, openstack_cloud


@pytest.fixture(scope="session")
def openstack() -> Iterator[OpenstackCloud]:
    """One OpenStack for the session: make servers of your own, and end the faults and quotas that you set."""
    with openstack_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def emptied(openstack: OpenstackCloud) -> Iterator[None]:
    """For files whose tests share servers: none of them is left for the next file."""
    yield
    openstack.wipe()
