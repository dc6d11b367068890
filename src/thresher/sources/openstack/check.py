"""Whether an OpenStack can be imported from: the login, the catalogue, and each service that is needed."""

from openstack.connection import Connection

from thresher.model.errors import SourceDenied, SourceNotFound
from thresher.sources.openstack.access import Place
from thresher.sources.openstack.login import Login
from thresher.sources.openstack.reading import ask, microversion

_NEEDED = {
    "compute": "Nova",
    "image": "Glance",
    "network": "Neutron",
    "block-storage": "Cinder",
}
"""By the service types' authority, which also knows their older names, such as volumev3."""
_READER = {"reader"}
"""Keystone's default role that may look and do nothing ("Default Roles")."""


def check(cloud: Connection, place: Place, login: Login) -> str:
    """Ask each service for the least that it gives, and return what was seen.

    Raises:
        SourceNotFound: the region has not all services.
        SourceDenied: the user may only look.
    """
    access = login.get_access(cloud.session)
    roles = set(access.role_names or ())
    if roles and roles <= _READER:
        raise SourceDenied(
            f"the user has only the role reader in project {access.project_name} of {place.host}, and copies of disks "
            "cannot be made with it; give it the role member"
        )
    missing = [f"{name} ({kind})" for kind, name in _NEEDED.items() if not _endpoint(cloud, kind, place.region)]
    if missing:
        raise SourceNotFound(f"region {place.region} of {place.host} lacks {', '.join(missing)}; correct region")
    ask(cloud.compute, "/servers", params={"limit": 1})
    ask(cloud.image, "/images", params={"limit": 1})
    ask(cloud.network, "/networks", params={"limit": 1, "fields": "id"})
    ask(cloud.block_storage, "/volumes", params={"limit": 1})
    return (
        f"OpenStack at {place.host}, region {place.region}, project {access.project_name} (domain "
        f"{access.project_domain_name}), Nova API {microversion(cloud) or '2.1'}"
    )


def _endpoint(cloud: Connection, kind: str, region: str) -> str | None:
    endpoint: str | None = cloud.session.get_endpoint(service_type=kind, interface="public", region_name=region)
    return endpoint
