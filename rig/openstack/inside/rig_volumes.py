"""A volume driver for Cinder: each volume and each snapshot is a sparse file. Nothing can be attached for real."""

import os
import subprocess
from pathlib import Path

import rig_faults
from cinder import interface
from cinder.image import image_utils
from cinder.volume import driver, volume_utils
from oslo_config import cfg

OPTIONS = [cfg.StrOpt("rig_folder", help="Where the files lie.")]
GIB = 1 << 30


@interface.volumedriver
class FileDriver(driver.VolumeDriver):
    """Everything that an export asks of a back end."""

    VERSION = "1"
    CI_WIKI_NAME = "none"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)
        self._folder = Path(self.configuration.rig_folder)

    def _volume(self, volume):
        return self._folder / "volumes" / volume["id"]

    def _snapshot(self, snapshot):
        return self._folder / "snapshots" / snapshot["id"]

    def _fault(self, operation):
        rig_faults.meet(self._folder, operation)

    def _copy(self, source, target, gib):
        subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)
        os.truncate(target, gib * GIB)

    def do_setup(self, context):
        """Nothing to prepare."""

    def check_for_setup_error(self):
        """Nothing can be wrong."""

    def create_volume(self, volume):
        """Make an empty sparse file."""
        self._fault("create_volume")
        with self._volume(volume).open("wb") as file:
            file.truncate(volume["size"] * GIB)

    def delete_volume(self, volume):
        """Remove its file."""
        self._fault("delete_volume")
        self._volume(volume).unlink(missing_ok=True)

    def extend_volume(self, volume, new_size):
        """Make its file larger."""
        os.truncate(self._volume(volume), new_size * GIB)

    def create_snapshot(self, snapshot):
        """Copy the volume's file as it is now."""
        self._fault("create_snapshot")
        self._copy(self._volume(snapshot["volume"]), self._snapshot(snapshot), snapshot["volume_size"])

    def delete_snapshot(self, snapshot):
        """Remove its file."""
        self._fault("delete_snapshot")
        self._snapshot(snapshot).unlink(missing_ok=True)

    def create_volume_from_snapshot(self, volume, snapshot):
        """Copy the snapshot's file."""
        self._fault("create_volume_from_snapshot")
        self._copy(self._snapshot(snapshot), self._volume(volume), volume["size"])

    def create_cloned_volume(self, volume, src_vref):
        """Copy the other volume's file."""
        self._fault("create_cloned_volume")
        self._copy(self._volume(src_vref), self._volume(volume), volume["size"])

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        """Fetch the image, converted to raw by Cinder's own code."""
        self._fault("copy_image_to_volume")
        path = self._volume(volume)
        size = volume["size"]
        image_utils.fetch_to_raw(context, image_service, image_id, str(path), "1M", size=size, run_as_root=False)
        os.truncate(path, size * GIB)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        """Upload the file by Cinder's own code."""
        self._fault("copy_volume_to_image")
        path = str(self._volume(volume))
        volume_utils.upload_volume(context, image_service, image_meta, path, volume, run_as_root=False)

    def initialize_connection(self, volume, connector, **kwargs):
        """Tell the fake hypervisor where it would find the volume."""
        return {"driver_volume_type": "local", "data": {"device_path": str(self._volume(volume))}}

    def terminate_connection(self, volume, connector, **kwargs):
        """Nothing was connected."""

    def create_export(self, context, volume, connector=None):
        """Nothing to export."""

    def ensure_export(self, context, volume):
        """Nothing to export."""

    def remove_export(self, context, volume):
        """Nothing was exported."""

    def get_volume_stats(self, refresh=False):
        """Space without end."""
        return {
            "volume_backend_name": "files",
            "vendor_name": "Thresher",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
            "reserved_percentage": 0,
            "QoS_support": False,
            "multiattach": True,
        }
