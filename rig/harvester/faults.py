"""What goes wrong on demand."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """What the simulated Harvester does wrong from now on. The default is a healthy one.

    Attributes:
        cut_downloads: so many downloads, from the next one on, break off.
        cut_at: the byte at which they do.
        rate: bytes a second of every download; 0 for as fast as it goes.
        refuse_volumes: the storage class whose claims stay pending; ``*`` for every class.
        refuse_scratch: claims of Pods (generic ephemeral volumes) and of imports stay pending.
        never_ready: virtual machines start, and never become ready.
    """

    cut_downloads: int = 0
    cut_at: int = 0
    rate: int = 0
    refuse_volumes: str = ""
    refuse_scratch: bool = False
    never_ready: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take: the real ones' figures are named where they are used, tests want them shorter.

    Attributes:
        idle_s: a download without a byte for so long ends (Longhorn: 30 s).
        begin_s: an answer that does not begin for so long is given up (Longhorn: 60 s).
        image_retry_s: the pause before an image's first retry; it doubles with each.
        restart_s: the pause before a container's first restart (kubelet: 10 s); it doubles with each.
    """

    idle_s: float = 30.0
    begin_s: float = 60.0
    image_retry_s: float = 0.2
    restart_s: float = 0.2


HEALTHY = Faults()
LIVELY = Pace()
