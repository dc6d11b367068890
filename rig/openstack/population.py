"""What every cloud of the rig has from its start: a domain, a project, users, flavors, networks."""

from dataclasses import dataclass
from typing import Any

from openstack.connection import Connection as _Connection

from rig.openstack.settings import ADMIN_PASSWORD, REGION

DOMAIN, PROJECT, USERNAME, PASSWORD = "customers", "shop", "importer", "rig-importer"
CREDENTIAL_NAME, CREDENTIAL_SECRET = "import", "rig-credential"
NETWORKS = {"blue": ("10.1.0.0/24", "fd00:1::/64"), "green": ("10.2.0.0/24",)}
"""Subnets of each network."""

Connection = Any
"""openstacksdk's connection. It types each service as all versions of its API at once, which no call satisfies."""


@dataclass(frozen=True)
class Size:
    """A flavor; sizes in MiB, GiB and GiB, swap in MiB."""

    memory: int
    vcpus: int
    disk: int
    ephemeral: int = 0
    swap: int = 0


FLAVORS = {
    "tiny": Size(128, 1, 1),
    "diskless": Size(256, 2, 0),
    "quad": Size(1024, 4, 1),
    "scratch": Size(256, 1, 1, ephemeral=1, swap=512),
}


def connect(url: str, *, verify: bool | str = True, **credentials: Any) -> Connection:
    """A connection of openstacksdk's; ``url`` is Keystone's, with ``/v3``."""
    return _Connection(auth_url=url, region_name=REGION, verify=verify, **credentials)


def connect_admin(url: str) -> Connection:
    """The administrator's connection."""
    names = {"user_domain_name": "Default", "project_domain_name": "Default", "project_name": "admin"}
    return connect(url, username="admin", password=ADMIN_PASSWORD, **names)


def connect_user(url: str, *, verify: bool | str = True) -> Connection:
    """The importing user's connection, by password."""
    names = {"user_domain_name": DOMAIN, "project_domain_name": DOMAIN, "project_name": PROJECT}
    return connect(url, verify=verify, username=USERNAME, password=PASSWORD, **names)


def register(admin: Connection, endpoints: dict[str, str]) -> None:
    """Register the services and their endpoints; the ports are set anew at each start."""
    identity = admin.identity
    for kind, url in endpoints.items():
        service = next(identity.services(type=kind), None) or identity.create_service(name=kind, type=kind)
        if kind != "identity":
            for interface in ("public", "internal", "admin"):
                identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=REGION)
    role = next(identity.roles(name="service"), None) or identity.create_role(name="service")
    user, project = next(identity.users(name="admin")), next(identity.projects(name="admin"))
    identity.assign_project_role_to_user(project=project, user=user, role=role)


def populate(admin: Connection, url: str) -> None:
    """Make the users, the flavors and the networks."""
    identity = admin.identity
    domain = identity.create_domain(name=DOMAIN)
    project = identity.create_project(name=PROJECT, domain_id=domain.id)
    user = identity.create_user(name=USERNAME, password=PASSWORD, domain_id=domain.id, default_project_id=project.id)
    identity.assign_project_role_to_user(project=project, user=user, role=next(identity.roles(name="member")))
    for name, size in FLAVORS.items():
        admin.compute.create_flavor(
            name=name,
            ram=size.memory,
            vcpus=size.vcpus,
            disk=size.disk,
            ephemeral=size.ephemeral,
            swap=size.swap,
        )
    with connect_user(url) as connection:
        for name, subnets in NETWORKS.items():
            network = connection.network.create_network(name=name)
            for subnet in subnets:
                connection.network.create_subnet(
                    network_id=network.id, cidr=subnet, ip_version=6 if ":" in subnet else 4
                )
