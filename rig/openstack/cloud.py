"""Starts and stops a cloud, and hands out the ways in."""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openstack.exceptions import SDKException

from rig.golang import cache_dir, locked
from rig.openstack import databases, population, settings
from rig.openstack.environment import environment, key
from rig.openstack.gateway import Gateway, gateway
from rig.openstack.mishaps import Mishaps
from rig.openstack.population import Connection
from rig.openstack.services import READY_S, Services
from rig.openstack.settings import Ports
from rig.openstack.things import Things

_TYPES = {
    "identity": ("keystone", "/v3"),
    "image": ("glance", ""),
    "block-storage": ("cinder", "/v3"),
    "compute": ("nova", "/v2.1"),
    "network": ("neutron", ""),
    "placement": ("placement", ""),
}
_POLL_S = 0.2


@dataclass(frozen=True)
class Credential:
    """What a user logs in with: a password or an application credential."""

    username: str = ""
    password: str = ""
    project_name: str = ""
    domain_name: str = ""
    application_credential_id: str = ""
    application_credential_secret: str = ""


class OpenstackCloud:
    """A running cloud with one domain, one project and one user in it, who imports.

    Attributes:
        endpoint: Keystone's URL, with ``/v3``.
        secure_endpoint: the same over TLS. Its certificate is of ``ca_pem``; the catalogue's URLs are plain.
        ca_pem: the authority to trust.
        region: the only one.
        user: openstacksdk's connection of the importing user, member of the project ``shop``.
        admin: the administrator's, of another project.
        gates: what stands before each service: ``keystone``, ``glance``, ``cinder``, ``nova``, ``neutron``.
        make: makes images, volumes, servers.
        mishaps: makes things go wrong in the services.
        folder: with ``data`` (databases, volumes, images) and ``log``.
    """

    region = settings.REGION
    password = Credential(
        username=population.USERNAME,
        password=population.PASSWORD,
        project_name=population.PROJECT,
        domain_name=population.DOMAIN,
    )

    def __init__(self, folder: Path, gates: dict[str, Gateway], secure: Gateway) -> None:
        self.folder = folder
        self.gates = gates
        self.endpoint = gates["keystone"].url + "/v3"
        self.secure_endpoint = secure.url + "/v3"
        self.ca_pem = secure.ca_pem
        self.user: Connection = population.connect_user(self.endpoint)
        self.admin: Connection = population.connect_admin(self.endpoint)
        self.make = Things(self.user, self.admin, folder / "data")
        self.mishaps = Mishaps(self.user, self.admin, folder / "data", gates["keystone"])

    def application_credential(self, name: str = "import") -> Credential:
        """A new application credential of the importing user."""
        me = self.user.current_user_id
        made = self.user.identity.create_application_credential(me, name)
        return Credential(application_credential_id=made.id, application_credential_secret=made.secret)

    def leftovers(self, prefix: str = "thresher-") -> list[str]:
        """Every volume, snapshot and image of any project whose name begins so, as «kind name status»."""
        storage, images = self.admin.block_storage, self.admin.image
        found = [
            *(("volume", thing) for thing in storage.volumes(all_projects=True)),
            *(("snapshot", thing) for thing in storage.snapshots(all_projects=True)),
            *(("image", thing) for thing in images.images()),
            *(("image", thing) for thing in self.user.image.images()),
        ]
        return sorted({f"{kind} {it.name} {it.status}" for kind, it in found if (it.name or "").startswith(prefix)})

    def wipe(self) -> None:
        """Remove every server, snapshot, volume, image and port, every fault and raised quota: as at the start."""
        for gate in self.gates.values():
            gate.reset()
        self.mishaps.mend()
        compute, storage, images = self.admin.compute, self.admin.block_storage, self.admin.image
        for server in compute.servers(all_projects=True):
            compute.delete_server(server, force=True)
        _until_gone(lambda: list(compute.servers(all_projects=True)))
        for snapshot in storage.snapshots(all_projects=True):
            storage.delete_snapshot(snapshot, force=True)
        _until_gone(lambda: list(storage.snapshots(all_projects=True)))
        for volume in storage.volumes(all_projects=True):
            storage.delete_volume(volume, force=True)
        _until_gone(lambda: list(storage.volumes(all_projects=True)))
        for image in [*images.images(), *self.user.image.images()]:
            images.delete_image(image)
        for port in self.admin.network.ports():
            self.admin.network.delete_port(port)

    def close(self) -> None:
        """Close both connections."""
        self.user.close()
        self.admin.close()


def _until_gone(seen: Callable[[], list[Any]]) -> None:
    deadline = time.monotonic() + READY_S
    while left := seen():
        assert time.monotonic() < deadline, f"these do not go away: {left}"
        time.sleep(_POLL_S)


def prepare() -> Path:
    """The template of a cloud's data; the packages are installed and the template is made unless in the cache."""
    venv = environment()
    folder = cache_dir("rig") / f"openstack-data-{key()}-{databases.key()}"
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            print("==> making the databases of OpenStack's services (two minutes at first)", flush=True)
            with _kept_on_failure() as work:
                _make_template(work, venv)
                part = folder.with_suffix(".part")
                shutil.rmtree(part, ignore_errors=True)
                shutil.copytree(work / "data", part)
                part.rename(folder)
    return folder


def _make_template(folder: Path, venv: Path) -> None:
    ports = Ports.free()
    endpoints = databases.internal_endpoints(ports)
    settings.write(folder, ports, venv)
    databases.create(folder, ports, venv)
    services = Services(folder, ports, venv)
    try:
        services.start()
        with population.connect_admin(endpoints["identity"]) as admin:
            population.register(admin, endpoints)
        with population.connect_admin(endpoints["identity"]) as admin:  # a new token, with the whole catalogue
            population.populate(admin, endpoints["identity"])
            _await_heartbeats(admin, services)
        databases.discover(folder, venv)
    finally:
        services.stop()


@contextmanager
def openstack_cloud() -> Iterator[OpenstackCloud]:
    """Run a cloud of its own, with ports of its own.

    Its folder is removed at the end, unless the block failed: then its path is told.

    Raises:
        RuntimeError: a service ended or did not become ready; with the end of its log.
    """
    template, venv = prepare(), environment()
    with ExitStack() as stack:
        folder = stack.enter_context(_kept_on_failure())
        ports = Ports.free()
        gates = {name: stack.enter_context(gateway(getattr(ports, name))) for name, _ in _TYPES.values()}
        secure = stack.enter_context(gateway(ports.keystone, tls=True))
        shutil.copytree(template, folder / "data")
        settings.write(folder, ports, venv)
        public = {kind: gates[name].url + path for kind, (name, path) in _TYPES.items()}
        databases.relocate(folder, ports, public)
        services = Services(folder, ports, venv)
        stack.callback(services.stop)
        services.start()
        cloud = OpenstackCloud(folder, gates, secure)
        stack.callback(cloud.close)
        _await_heartbeats(cloud.admin, services)
        for gate in gates.values():
            gate.reset()
        yield cloud


@contextmanager
def _kept_on_failure() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="thresher-openstack-"))
    try:
        yield folder
    except BaseException:
        print(f"the logs of the OpenStack services are in {folder}/log", file=sys.stderr)
        raise
    shutil.rmtree(folder)


def _await_heartbeats(admin: Connection, services: Services) -> None:
    """Wait until each service that has no port says in its database that it is up."""
    wanted = {"nova-conductor", "nova-scheduler", "nova-compute", "cinder-volume"}
    deadline = time.monotonic() + READY_S
    up: set[str] = set()
    pools: list[Any] = []
    while wanted - up or not pools:
        services.check(deadline, f"no heartbeat of {wanted - up}")
        with contextlib.suppress(SDKException):
            everybody = [*admin.compute.services(), *admin.block_storage.services()]
            up = {service.binary for service in everybody if service.state == "up"}
            pools = list(admin.block_storage.backend_pools())  # no volume is made before Cinder's scheduler knows one
        time.sleep(_POLL_S)
