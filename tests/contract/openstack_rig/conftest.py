from collections.abc import Iterator

import pytest

from rig.openstack import OpenstackCloud, openstack_cloud


@pytest.fixture(scope="package")
def shared_cloud() -> Iterator[OpenstackCloud]:
    with openstack_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(shared_cloud: OpenstackCloud) -> Iterator[OpenstackCloud]:
    yield shared_cloud
    shared_cloud.wipe()
