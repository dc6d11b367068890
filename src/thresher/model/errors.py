"""The one error tree. It answers two questions: is it worth a retry, and whose fault is it.

::

    ThresherError
    ├── UsageError              the manifests or the arguments are wrong           user      exit 2
    ├── FormatError             bytes that are not what they claim to be           source    exit 3
    ├── SourceError             the place the VM comes from                        source    exit 4
    │   ├── SourceUnreachable       no connection, time-out, 5xx          (retry)
    │   ├── SourceDenied            wrong credentials, missing privilege
    │   ├── SourceNotFound          no such VM, file, datacenter; or an ambiguous name
    │   ├── SourceUntrusted         a certificate that nobody vouches for
    │   ├── SourceBusy              a state that passes, another task     (retry)
    │   └── StreamCut               the bytes stopped in the middle       (retry)
    ├── TargetError             the place the VM goes to                           target    exit 5
    │   ├── TargetFull              no space left                         (retry)
    │   ├── TargetUnreachable       no connection, time-out, 5xx          (retry)
    │   ├── TargetDenied            no rights, or not known yet           (retry)
    │   ├── DiskUnreachable         a worker's disks cannot be downloaded (retry)
    │   └── TargetConflict          somebody else changed it meanwhile    (retry)
    ├── VerificationError       a checksum or a size that does not agree           source    exit 6
    ├── PreflightError          something would be lost, so nothing was touched    user      exit 7
    ├── BootError               the new VM did not come up                         target    exit 8
    └── Stopped                 the user asked to stop                             user      exit 130

Every message says what happened, to what, and what to do, in one sentence or two. ``reason`` is the CamelCase
word that conditions, events and metrics use.
"""

from enum import Enum
from typing import ClassVar


class Fault(Enum):
    """Whose fault an error is: where the user has to look."""

    USER = "user"
    SOURCE = "source"
    TARGET = "target"
    THRESHER = "thresher"


class ThresherError(Exception):
    """Everything that Thresher raises knowingly. Its text is shown to the user as it is."""

    reason: ClassVar[str] = "InternalError"
    retryable: ClassVar[bool] = False
    fault: ClassVar[Fault] = Fault.THRESHER
    exit_code: ClassVar[int] = 1


class UsageError(ThresherError):
    """Arguments or manifests that cannot be carried out as written."""

    reason = "InvalidSpec"
    fault = Fault.USER
    exit_code = 2


class FormatError(ThresherError):
    """Input that is not what it claims to be.

    Args:
        message: what is wrong, in words.
        offset: where, in bytes from the start of the input; None where a place has no meaning.
    """

    reason = "MalformedInput"
    fault = Fault.SOURCE
    exit_code = 3

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message if offset is None else f"{message} (at byte {offset})")
        self.offset = offset


class VmdkError(FormatError):
    """A VMDK that breaks its own format."""

    reason = "MalformedVmdk"


class OvfError(FormatError):
    """An OVF descriptor that cannot be understood."""

    reason = "MalformedOvf"


class OvaError(FormatError):
    """An OVA whose tar archive is broken or names what it may not name."""

    reason = "MalformedOva"


class ManifestError(FormatError):
    """A manifest (.mf) that cannot be parsed."""

    reason = "MalformedManifest"


class ImageError(FormatError):
    """A disk image that qemu-img refuses, or that reaches for files outside itself."""

    reason = "MalformedImage"


class SourceError(ThresherError):
    """The place the VM comes from failed or refused."""

    reason = "SourceFailed"
    fault = Fault.SOURCE
    exit_code = 4


class SourceUnreachable(SourceError):
    """No connection, a time-out, or the source's own temporary trouble (429, 5xx)."""

    reason = "SourceUnreachable"
    retryable = True


class SourceDenied(SourceError):
    """Wrong credentials or a missing privilege."""

    reason = "SourceDenied"


class SourceNotFound(SourceError):
    """What was named is not there, or the name is ambiguous."""

    reason = "SourceNotFound"


class SourceUntrusted(SourceError):
    """The certificate of the source is not trusted."""

    reason = "SourceUntrusted"


class SourceBusy(SourceError):
    """What was asked for cannot be done in the state that it is in now; another task holds it."""

    reason = "SourceBusy"
    retryable = True


class StreamCut(SourceError):
    """The bytes of a disk stopped before their end."""

    reason = "StreamCut"
    retryable = True


class TargetError(ThresherError):
    """The place the VM goes to failed or refused."""

    reason = "TargetFailed"
    fault = Fault.TARGET
    exit_code = 5


class TargetFull(TargetError):
    """No space is left where the disk is written."""

    reason = "TargetFull"
    retryable = True


class TargetUnreachable(TargetError):
    """No connection, a time-out, or the target's own temporary trouble (429, 5xx)."""

    reason = "TargetUnreachable"
    retryable = True


class TargetDenied(TargetError):
    """No rights to do it. An API server that has just started knows no rights yet, so this may pass."""

    reason = "TargetDenied"
    retryable = True


class DiskUnreachable(TargetError):
    """What a worker serves cannot be reached by whoever has to download it."""

    reason = "DiskUnreachable"
    retryable = True


class TargetConflict(TargetError):
    """Somebody else made or changed the same object at the same time: look again."""

    reason = "TargetConflict"
    retryable = True


class VerificationError(ThresherError):
    """A checksum or a size that does not agree with what the source stated."""

    reason = "VerificationFailed"
    fault = Fault.SOURCE
    exit_code = 6


class PreflightError(ThresherError):
    """Something of the VM would be lost or cannot work, found before anything was touched."""

    reason = "PreflightFailed"
    fault = Fault.USER
    exit_code = 7


class BootError(ThresherError):
    """The new VM did not start, or gave no sign of life in time."""

    reason = "BootFailed"
    fault = Fault.TARGET
    exit_code = 8


class Stopped(ThresherError):
    """The user asked to stop (Ctrl-C, SIGTERM, a cancelled import). What was made durable can be resumed."""

    reason = "Stopped"
    fault = Fault.USER
    exit_code = 130
