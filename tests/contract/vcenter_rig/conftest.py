from collections.abc import Iterator
from pathlib import Path

import pytest
from pyVmomi import vim

from rig.vcenter import VCenter, vcenter
from rig.vcenter.client import connected
from rig.vcenter.samples import sample, write_files


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disks")
    write_files(folder)
    return folder


@pytest.fixture(scope="package")
def shared(files: Path) -> Iterator[VCenter]:
    with vcenter(sample(files)) as vc:
        yield vc


@pytest.fixture
def vc(shared: VCenter) -> Iterator[VCenter]:
    shared.faults()
    shared.expire_sessions()
    shared.reset_log()
    yield shared
    shared.faults()


@pytest.fixture
def si(vc: VCenter) -> Iterator[vim.ServiceInstance]:
    with connected(vc) as instance:
        vc.reset_log()
        yield instance
