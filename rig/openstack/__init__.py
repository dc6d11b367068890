"""A small OpenStack on loopback: the real services, with a driver of our own where hardware would be.

with openstack_cloud() as cloud:
    ...log in at cloud.endpoint...
"""

from rig.openstack.cloud import Credential, OpenstackCloud, openstack_cloud, prepare
from rig.openstack.gateway import Fault, Gateway, Seen
from rig.openstack.things import Port

__all__ = ["Credential", "Fault", "Gateway", "OpenstackCloud", "Port", "Seen", "openstack_cloud", "prepare"]
