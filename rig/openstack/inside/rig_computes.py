"""Nova's fake compute driver, with a root disk: the one thing that the fake one lacks for createImage."""

from pathlib import Path

import rig_faults
from nova import conf
from nova.compute import task_states
from nova.image import glance
from nova.virt import driver, fake, images, node

GIB = 1 << 30


class RigDriver(fake.FakeDriver):
    """Keeps the root disk of a server that boots from an image in a sparse raw file, and uploads it as a snapshot."""

    capabilities = fake.FakeDriver.capabilities | {"supports_secure_boot": True}  # else such a server has no valid host

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.resources = fake.Resources(vcpus=1000, memory_mb=1 << 20, local_gb=100_000)
        self.host_status_base.update(self.resources.dump())

    def get_nodenames_by_uuid(self, refresh=False):
        """Keep the node's identity in a file, as real drivers do: without it Nova refuses the second start."""
        return driver.ComputeDriver.get_nodenames_by_uuid(self, refresh)

    def get_available_resource(self, nodename):
        """Likewise: the fake driver makes up another identity in each process."""
        return super().get_available_resource(nodename) | {"uuid": node.get_local_node_uuid()}

    def _root(self, instance):
        return self._data() / "servers" / instance.uuid

    def _data(self):
        return Path(conf.CONF.state_path).parent

    def spawn(self, context, instance, image_meta, *args, **kwargs):
        """Fetch the image, as a real hypervisor does, and make it as large as the flavor says."""
        super().spawn(context, instance, image_meta, *args, **kwargs)
        if instance.image_ref:
            root = self._root(instance)
            images.fetch_to_raw(context, instance.image_ref, str(root))
            size = max(root.stat().st_size, instance.flavor.root_gb * GIB)
            with root.open("rb+") as file:
                file.truncate(size)

    def snapshot(self, context, instance, image_id, update_task_state):
        """Upload the root disk as a raw image, in the steps of libvirt's driver."""
        raw = {"disk_format": "raw", "container_format": "bare"}
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        rig_faults.meet(self._data(), "server_snapshot")
        with self._root(instance).open("rb") as data:
            glance.API().update(context, image_id, raw, data, purge_props=False)

    def destroy(self, context, instance, network_info, *args, **kwargs):
        """Remove the root disk with the server."""
        super().destroy(context, instance, network_info, *args, **kwargs)
        self._root(instance).unlink(missing_ok=True)
