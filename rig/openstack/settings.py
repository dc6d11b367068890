"""Writes the configuration files of every service for one folder and one set of ports."""

import shutil
from collections.abc import Mapping
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from rig.kube.process import free_ports

REGION = "RegionOne"
ADMIN_PASSWORD = "rig-admin"  # noqa: S105 - of a cloud that lives on loopback for as long as a test
HOST = "rig"
"""The host's name in the databases, the same on every machine, so that the templates fit anywhere."""
NEVER_S = 1_000_000
"""A service whose heartbeat is late, as on a busy machine, is not taken for dead."""
PLENTY = 100_000
"""Of a quota that no test means to meet, as all tests of a session have one project."""

Section = Mapping[str, object]


@dataclass(frozen=True)
class Ports:
    """Where everything listens on 127.0.0.1."""

    broker: int
    broker_nodes: int
    epmd: int
    keystone: int
    glance: int
    cinder: int
    nova: int
    neutron: int
    placement: int

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on now."""
        return cls(*free_ports(9))

    def url(self, service: str) -> str:
        """The root of a service, without a slash at the end."""
        return f"http://127.0.0.1:{getattr(self, service)}"


def sqlite(folder: Path, name: str) -> dict[str, object]:
    """A service's section about its database."""
    # many processes write: wait for each other instead of failing
    return {"connection": f"sqlite:///{folder}/data/{name}.db?timeout=60", "sqlite_synchronous": False}


def _auth(ports: Ports, **more: object) -> dict[str, object]:
    return {
        "auth_type": "password",
        "auth_url": ports.url("keystone") + "/v3",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "project_name": "admin",
        "username": "admin",
        "password": ADMIN_PASSWORD,
        **more,
    }


def _middleware(ports: Ports) -> dict[str, object]:
    # a token that Keystone revoked must be refused at once, so nobody may remember it
    return _auth(
        ports,
        www_authenticate_uri=ports.url("keystone"),
        token_cache_time=-1,
        service_token_roles_required=False,
    )


def _broker(ports: Ports) -> dict[str, object]:
    return {"transport_url": f"rabbit://guest:guest@127.0.0.1:{ports.broker}/"}


def _keystone(folder: Path, _ports: Ports) -> dict[str, Section]:
    return {
        "DEFAULT": {"use_stderr": True},
        "database": sqlite(folder, "keystone"),
        "cache": {"enabled": True, "backend": "dogpile.cache.memory"},  # of its one process, and so right at once
        "token": {"provider": "fernet", "expiration": 3600},
        "fernet_tokens": {"key_repository": f"{folder}/data/fernet-keys"},
        "fernet_receipts": {"key_repository": f"{folder}/data/fernet-keys"},
        "credential": {"key_repository": f"{folder}/data/credential-keys"},
    }


def _glance(folder: Path, ports: Ports) -> dict[str, Section]:
    return {
        "DEFAULT": {
            "enabled_backends": "file:file",
            "node_staging_uri": f"file://{folder}/data/staging",
            "worker_self_reference_url": ports.url("glance"),
            "enabled_import_methods": "[]",
            "bind_host": "127.0.0.1",
        },
        "database": sqlite(folder, "glance"),
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": f"{folder}/data/images", "filesystem_store_chunk_size": 1 << 20},
        "os_glance_tasks_store": {"filesystem_store_datadir": f"{folder}/data/tasks"},
        "os_glance_staging_store": {"filesystem_store_datadir": f"{folder}/data/staging"},
        "keystone_authtoken": _middleware(ports),
        "paste_deploy": {"flavor": "keystone", "config_file": f"{folder}/etc/glance-api-paste.ini"},
    }


def _cinder(folder: Path, ports: Ports) -> dict[str, Section]:
    return {
        "DEFAULT": {
            **_broker(ports),
            "host": HOST,
            "auth_strategy": "keystone",
            "enabled_backends": "files",
            "default_volume_type": "__DEFAULT__",
            "state_path": f"{folder}/data/cinder",
            "glance_api_servers": ports.url("glance"),
            "api_paste_config": f"{folder}/etc/cinder-api-paste.ini",
            "image_conversion_dir": f"{folder}/data/cinder/conversion",
            "quota_volumes": PLENTY,
            "quota_snapshots": PLENTY,
            "quota_gigabytes": PLENTY,
            "report_interval": 2,
            "service_down_time": NEVER_S,
            "periodic_interval": 10,
        },
        "database": sqlite(folder, "cinder"),
        "files": {
            "volume_driver": "rig_volumes.FileDriver",
            "volume_backend_name": "files",
            "rig_folder": f"{folder}/data",
        },
        "oslo_concurrency": {"lock_path": f"{folder}/data/locks/cinder"},
        "keystone_authtoken": _middleware(ports),
        "nova": _auth(ports, region_name=REGION),
        "service_user": _auth(ports, send_service_user_token=True),
    }


def _nova(folder: Path, ports: Ports) -> dict[str, Section]:
    service = _auth(ports, region_name=REGION)
    return {
        "DEFAULT": {
            **_broker(ports),
            "host": HOST,
            "compute_driver": "rig_computes.RigDriver",
            "state_path": f"{folder}/data/nova",
            "my_ip": "127.0.0.1",
            "report_interval": 2,
            "service_down_time": NEVER_S,
            "update_resources_interval": 10,
        },
        "api": {"auth_strategy": "keystone"},
        "api_database": sqlite(folder, "nova_api"),
        "database": sqlite(folder, "nova"),
        "glance": {**service, "api_servers": ports.url("glance")},
        "cinder": {**service, "os_region_name": REGION, "catalog_info": "block-storage::internalURL"},
        "neutron": {**service, "valid_interfaces": "internal"},
        "placement": {**service, "valid_interfaces": "internal"},
        "keystone": {**service, "valid_interfaces": "internal"},
        "service_user": {**service, "send_service_user_token": True},
        "oslo_concurrency": {"lock_path": f"{folder}/data/locks/nova"},
        "quota": {"instances": PLENTY, "cores": PLENTY, "ram": PLENTY * 1024},
        "wsgi": {"api_paste_config": f"{folder}/etc/nova-api-paste.ini"},
        "vnc": {"enabled": False},
        "keystone_authtoken": _middleware(ports),
    }


def _neutron(folder: Path, ports: Ports) -> dict[str, Section]:
    return {
        "DEFAULT": {
            **_broker(ports),
            "core_plugin": "ml2",
            "service_plugins": "",
            "auth_strategy": "keystone",
            "api_paste_config": f"{folder}/etc/neutron-api-paste.ini",
            "state_path": f"{folder}/data/neutron",
            "notify_nova_on_port_status_changes": False,
            "notify_nova_on_port_data_changes": False,
        },
        "database": sqlite(folder, "neutron"),
        "ml2": {"type_drivers": "local,flat", "tenant_network_types": "local", "mechanism_drivers": "rig"},
        "oslo_concurrency": {"lock_path": f"{folder}/data/locks/neutron"},
        "keystone_authtoken": _middleware(ports),
    }


def _placement(folder: Path, ports: Ports) -> dict[str, Section]:
    return {
        "api": {"auth_strategy": "keystone"},
        "placement_database": sqlite(folder, "placement"),
        "keystone_authtoken": _middleware(ports),
    }


_PASTE = {
    "cinder-api-paste.ini": "cinder/api-paste.ini",
    "glance-api-paste.ini": "glance/glance-api-paste.ini",
    "neutron-api-paste.ini": "neutron/api-paste.ini",
    "nova-api-paste.ini": "nova/api-paste.ini",
}
_CONFIGURATIONS = {
    "keystone.conf": _keystone,
    "glance-api.conf": _glance,
    "cinder.conf": _cinder,
    "nova.conf": _nova,
    "neutron.conf": _neutron,
    "placement.conf": _placement,
}
_FOLDERS = (
    *("etc", "log", "plugins", "broker", "data/images", "data/staging", "data/tasks", "data/volumes", "data/snapshots"),
    *("data/faults", "data/servers", "data/cinder/conversion", "data/nova/instances", "data/neutron"),
    *("data/locks/cinder", "data/locks/nova", "data/locks/neutron"),
)


def write(folder: Path, ports: Ports, environment: Path) -> None:
    """Write every file that the services read at their start into ``folder``."""
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, original in _PASTE.items():
        shutil.copyfile(environment / "etc" / original, folder / "etc" / name)
    for name, make in _CONFIGURATIONS.items():
        parser = RawConfigParser(default_section="no section is everyone's default")
        parser.read_dict(make(folder, ports))
        with (folder / "etc" / name).open("w", encoding="utf-8") as file:
            parser.write(file)
    _entry_point(folder / "plugins")
    (folder / "broker" / "rabbitmq.conf").write_text("log.console = true\nlog.console.level = warning\n")
    (folder / "broker" / "plugins").write_text("[].\n")


def _entry_point(plugins: Path) -> None:
    """Make our mechanism driver known to Neutron, which finds such drivers by their entry points alone."""
    metadata = plugins / "thresher_rig-1.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: thresher-rig\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[neutron.ml2.mechanism_drivers]\nrig = rig_ports:BindAll\n")
