"""How patient an import is. Purely computational."""

import zlib
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and delays, all in one place.

    Attributes:
        attempts: failures in a row after which a step gives up.
        budget: failures of all steps together, after which an import gives up although no step has failed so often in
            a row. Putting the source right is not bounded by it, and a transfer that got further costs nothing.
        restore_attempts: the same for what puts the source right, which is worth more patience: nobody comes after it.
        refused_sweeps: how often copies are asked to go where the source refuses that for a reason that does not pass
            by itself: an administrator may mend it meanwhile, and else they would stay for good.
        remakes: how often failed images are made again. Harvester retries a download 3 times by itself
            (``VirtualMachineImage.spec.retry``), so each of these stands for four downloads.
        first_delay: the delay after the first failure; it doubles with each further one.
        longest_delay: where doubling ends.
        late_shutdown: how much longer than its graceful time-out a guest that was asked to shut down may still obey: so
            long an import that ends meanwhile stays, to switch the VM on again.
        power_off_wait: how long a VM that was switched off may take to be off. vSphere's task takes seconds.
        boot_wait: how long the new VM may take to run.
        poll: how often to look while waiting.
    """

    attempts: int = 5
    budget: int = 60
    restore_attempts: int = 10
    refused_sweeps: int = 5
    remakes: int = 3
    first_delay: timedelta = timedelta(seconds=2)
    longest_delay: timedelta = timedelta(minutes=2)
    late_shutdown: timedelta = timedelta(minutes=1)
    power_off_wait: timedelta = timedelta(minutes=2)
    boot_wait: timedelta = timedelta(minutes=15)
    poll: timedelta = timedelta(seconds=2)

    def delay(self, count: int, salt: str) -> timedelta:
        """How long to wait after ``count`` failures: exponential, with up to a quarter more as jitter.

        The jitter comes from ``salt``: a decision stays a pure function, and many imports that failed at the
        same moment still spread out.
        """
        doublings = min(max(count - 1, 0), 32)
        plain = min(self.first_delay * (1 << doublings), self.longest_delay)
        return plain * (1 + zlib.crc32(f"{salt}:{count}".encode()) / 2**34)


DEFAULT = Policy()
