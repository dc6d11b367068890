"""What the drivers are told to fail at or wait in: a file ``faults/<operation>`` in the rig's folder of data.

It holds JSON: ``{"held": whether it waits until the file is gone, "times": how often it fails}``.
"""

import json
import time


class FaultError(Exception):
    """An operation failed because the rig was told so."""


def meet(data, operation):
    """Wait, and fail, where the rig was told so.

    Raises:
        FaultError: it was told to fail.
    """
    path = data / "faults" / operation
    if not path.exists():
        return
    fault = json.loads(path.read_text())
    while fault["held"] and path.exists():
        time.sleep(0.1)  # in Cinder it is Eventlet's, which lets others work
    if fault["times"]:
        path.write_text(json.dumps(fault | {"times": fault["times"] - 1}))
        raise FaultError(f"the rig was told to fail at {operation}")
