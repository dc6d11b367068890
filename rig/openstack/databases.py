"""The services' databases: made once, kept as templates in the cache, copied for each start."""

import base64
import hashlib
import os
import secrets
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from rig.openstack.environment import HERE, INSIDE
from rig.openstack.services import variables
from rig.openstack.settings import ADMIN_PASSWORD, REGION, Ports, sqlite

_SOURCES = ("databases.py", "settings.py", "population.py")


def key() -> str:
    """A name for everything that the templates are made of, except the packages."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def create(folder: Path, ports: Ports, environment: Path) -> None:
    """Make every database, empty but for Keystone's administrator and Nova's cells."""
    etc = folder / "etc"
    run = _Runner(folder, environment)
    keystone = f"keystone-manage --config-file {etc}/keystone.conf"
    nova = f"nova-manage --config-file {etc}/nova.conf"
    url = ports.url("keystone") + "/v3"
    bootstrap = f"--bootstrap-password {ADMIN_PASSWORD} --bootstrap-region-id {REGION}"
    bootstrap += "".join(f" --bootstrap-{interface}-url {url}" for interface in ("admin", "internal", "public"))
    _keys(folder / "data" / "fernet-keys")
    _keys(folder / "data" / "credential-keys")
    chains = (
        (
            f"{keystone} db_sync",
            f"{keystone} bootstrap {bootstrap}",
        ),
        (f"glance-manage --config-file {etc}/glance-api.conf db_sync",),
        (f"cinder-manage --config-file {etc}/cinder.conf db sync",),
        (f"placement-manage --config-file {etc}/placement.conf db sync",),
        (
            f"{nova} api_db sync",
            f"{nova} cell_v2 map_cell0 --database_connection {_cell(folder, 'nova_cell0')}",
            f"{nova} db sync",
            f"{nova} cell_v2 create_cell --name cell1",
        ),
        (
            f"python {INSIDE}/rig_launch.py neutron_tables --config-file {etc}/neutron.conf",
            f"neutron-db-manage --config-file {etc}/neutron.conf stamp heads",
        ),
    )
    with ThreadPoolExecutor(len(chains)) as pool:  # each waits for a process of its own
        list(pool.map(run.all, chains))
    for database in (folder / "data").glob("*.db"):
        with _open(database) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # kept in the file: readers and a writer at a time


def _cell(folder: Path, name: str) -> str:
    return str(sqlite(folder, name)["connection"])


def _keys(folder: Path) -> None:
    """A repository of Fernet keys as keystone-manage makes it: 0 is the next, the highest number the current one."""
    folder.mkdir(mode=0o700)
    for name in ("0", "1"):
        (folder / name).write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))


def discover(folder: Path, environment: Path) -> None:
    """Tell Nova's cells of the compute host that registered itself."""
    _Runner(folder, environment)(f"nova-manage --config-file {folder}/etc/nova.conf cell_v2 discover_hosts")


def relocate(folder: Path, ports: Ports, endpoints: dict[str, str]) -> None:
    """Make copied databases fit this folder and these ports.

    Args:
        folder: where they are now.
        ports: where the services will listen.
        endpoints: public URL by type of service; internal and admin ones lead to the services themselves.
    """
    with _open(folder / "data" / "keystone.db") as keystone:
        for kind, url in internal_endpoints(ports).items():
            change = (
                "UPDATE endpoint SET url = ? WHERE interface {} 'public'"
                " AND service_id IN (SELECT id FROM service WHERE type = ?)"
            )
            keystone.execute(change.format("!="), (url, kind))
            keystone.execute(change.format("="), (endpoints[kind], kind))
    with _open(folder / "data" / "nova_api.db") as nova:
        nova.execute(
            "UPDATE cell_mappings SET transport_url = ?, database_connection = ? WHERE name = 'cell1'",
            (f"rabbit://guest:guest@127.0.0.1:{ports.broker}/", _cell(folder, "nova")),
        )
        nova.execute(
            "UPDATE cell_mappings SET transport_url = 'none:///', database_connection = ? WHERE name = 'cell0'",
            (_cell(folder, "nova_cell0"),),
        )
    silence = "UPDATE services SET updated_at = NULL, created_at = '2001-01-01'"  # nobody is up until it says so
    with _open(folder / "data" / "nova.db") as nova:
        nova.execute(f"{silence}, last_seen_up = NULL")
    with _open(folder / "data" / "cinder.db") as cinder:
        cinder.execute(silence)


def internal_endpoints(ports: Ports) -> dict[str, str]:
    """Where the services are for each other, by type."""
    return {
        "identity": ports.url("keystone") + "/v3",
        "image": ports.url("glance"),
        "block-storage": ports.url("cinder") + "/v3",
        "compute": ports.url("nova") + "/v2.1",
        "network": ports.url("neutron"),
        "placement": ports.url("placement"),
    }


class _Runner:
    """Runs the services' management commands; their words go to a log."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self._log = folder / "log" / "manage.log"
        self._bin = environment / "bin"
        self._variables = os.environ | variables(folder, environment)

    def all(self, commands: Iterable[str]) -> None:
        """Run one after the other."""
        for command in commands:
            self(command)

    def __call__(self, command: str) -> None:
        program, *words = command.split(" ")
        with self._log.open("ab") as log:
            result = subprocess.run(
                [str(self._bin / program), *words], env=self._variables, stdout=log, stderr=log, check=False
            )
        if result.returncode:
            raise RuntimeError(f"«{command}» failed:\n{self._log.read_text(errors='replace')[-3000:]}")


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection
