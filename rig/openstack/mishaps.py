"""Makes things go wrong in the services, by their own APIs where they have one."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rig.openstack.gateway import Fault, Gateway
from rig.openstack.population import Connection

_SECOND_S = 1.1

Operation = Literal[
    "create_volume",
    "delete_volume",
    "create_snapshot",
    "delete_snapshot",
    "create_volume_from_snapshot",
    "create_cloned_volume",
    "copy_image_to_volume",
    "copy_volume_to_image",
    "server_snapshot",
]
"""What the drivers can be slow or fail at: Cinder's, and (``server_snapshot``, for createImage) Nova's."""


class Mishaps:
    """Faults of a cloud; :meth:`mend` ends those that last."""

    def __init__(self, user: Connection, admin: Connection, data: Path, keystone: Gateway) -> None:
        self._keystone = keystone
        self._user = user
        self._admin = admin
        self._data = data

    def driver(self, operation: Operation, *, times: int = 1) -> None:
        """Let a driver fail at an operation so many times."""
        self._tell(operation, {"times": times, "held": False})

    @contextmanager
    def held(self, *operations: Operation) -> Iterator[None]:
        """While the context lasts, drivers that begin one of these operations wait for its end."""
        for operation in operations:
            self._tell(operation, {"times": 0, "held": True})
        try:
            yield
        finally:
            for operation in operations:
                (self._data / "faults" / operation).unlink(missing_ok=True)

    def _tell(self, operation: Operation, fault: dict[str, int | bool]) -> None:
        part = self._data / "faults.part"
        part.write_text(json.dumps(fault), encoding="utf-8")
        part.rename(self._data / "faults" / operation)

    def volume_status(self, volume: str, status: str = "error") -> None:
        """Set a volume's status, as an administrator does with os-reset_status."""
        self._admin.block_storage.reset_volume_status(volume, status=status, attach_status=None, migration_status=None)

    def snapshot_status(self, snapshot: str, status: str = "error") -> None:
        """Set a snapshot's status, likewise."""
        self._admin.block_storage.reset_snapshot_status(snapshot, status)

    def quota(self, **limits: int) -> None:
        """Set Cinder's quotas of the importing user's project, such as ``volumes=1`` or ``gigabytes=2``."""
        self._admin.block_storage.update_quota_set(self._user.current_project_id, **limits)

    def delete_image(self, image: str) -> None:
        """Delete an image, as somebody else might in the middle of its download."""
        self._user.image.delete_image(image)

    def deactivate_image(self, image: str) -> None:
        """Deactivate an image: Glance refuses its bytes with 403 from now on."""
        self._admin.image.deactivate_image(image)

    def revoke(self, token: str) -> None:
        """Revoke one token; each service refuses it with 401 from now on."""
        answer = self._admin.identity.delete("/auth/tokens", headers={"X-Subject-Token": token})
        assert answer.ok, answer.text

    def revoke_all(self) -> None:
        """Revoke every token that the importing user has, by disabling and enabling the user.

        Keystone counts in whole seconds: a token that is granted in the second of its revocations is revoked, too. A
        login meanwhile waits for so long: it is the tokens that end here, and not the user.
        """
        user = self._user.current_user_id
        logins = Fault("POST .*/auth/tokens", times=None, delay_s=2 * _SECOND_S)
        self._keystone.faults.append(logins)
        try:
            self._admin.identity.update_user(user, is_enabled=False)
            self._admin.identity.update_user(user, is_enabled=True)
            time.sleep(_SECOND_S)
        finally:
            logins.times = 0

    def mend(self) -> None:
        """End the driver's faults, and give the project its quotas back."""
        for path in (self._data / "faults").iterdir():
            path.unlink(missing_ok=True)
        self._admin.block_storage.revert_quota_set(self._user.current_project_id)
