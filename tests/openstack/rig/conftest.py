from collections.abc import Iterator

import pytest

from rig.openstack import OpenstackCloud


@pytest.fixture
def cloud(openstack: OpenstackCloud) -> Iterator[OpenstackCloud]:
    yield openstack
    openstack.wipe()
