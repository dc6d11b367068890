"""Which VM is meant. Pure: names in, one VM or an error that helps out."""

import difflib
from collections.abc import Callable, Sequence

from thresher.model.errors import SourceNotFound
from thresher.model.matching import unescape
from thresher.model.naming import is_uuid
from thresher.sources.vcenter.rows import Row, Surroundings

NAMES = ("name",)
"""What is read of every VM to find one: of 10,000 VMs each further property takes a second to read."""
DETAILS = ("name", "parent", "parentVApp", "config.uuid", "config.instanceUuid")
"""What :func:`choose` asks of a candidate."""

_LISTED = 10
_CLOSE = 3


def candidates(vms: Sequence[Row], name: str) -> list[str]:
    """The morefs of those that may be meant, by :data:`NAMES` alone; a UUID is none of a name's business."""
    names = {unescape(name), unescape(name.rpartition("/")[2])}
    return [vm.moref for vm in vms if vm.moref == name or unescape(vm.get("name", "")) in names]


def choose(vms: Sequence[Row], around: Surroundings, name: str, folder: str = "", *, root: str = "") -> Row:
    """The one VM of that name, in that folder where one is given.

    A name counts before an id: its moref (``vm-42``), its instance UUID, or its SMBIOS UUID where only one VM has
    that. Where nothing has the name and it holds a slash, it is read as a folder and a name, as in the add-on, which
    pastes both together.

    Args:
        vms: every VM, with :data:`NAMES`, and the candidates with :data:`DETAILS`.
        around: their folders.
        name: what the user wrote; ``%2f`` stands for a slash in a name.
        folder: below the datacenter's VM folder, or the whole inventory path; "" is anywhere, "/" the top.
        root: the inventory path of the VM folder, such as ``EU/Berlin/vm``.

    Raises:
        SourceNotFound: none, or several.
    """
    for found in _attempts(vms, name):
        if not found:
            continue
        inside = _within(found, around, folder, root)
        if len(inside) == 1:
            return inside[0]
        if inside:
            raise _ambiguous(inside, around, name)
        raise SourceNotFound(
            f"no VM {name!r} lies in the folder {folder!r}; VMs of that name are at {_places(found, around)}: "
            "correct the folder"
        )
    above, slash, last = name.rpartition("/")
    if slash and not folder and last:
        return choose(vms, around, last, above or "/", root=root)
    raise _nothing(vms, name)


def _attempts(vms: Sequence[Row], name: str) -> Sequence[Sequence[Row]]:
    plain, lower = unescape(name), name.lower()

    def those(matches: Callable[[Row], bool]) -> list[Row]:
        return [vm for vm in vms if matches(vm)]

    found = [
        those(lambda vm: unescape(vm.get("name", "")) == plain),
        those(lambda vm: vm.moref == name),
    ]
    if is_uuid(name):
        found.append(those(lambda vm: vm.get("config.instanceUuid", "").lower() == lower))
        found.append(those(lambda vm: vm.get("config.uuid", "").lower() == lower))
    return found


def _within(vms: Sequence[Row], around: Surroundings, folder: str, root: str) -> Sequence[Row]:
    if not folder:
        return vms
    wanted, top = _plain(folder), _plain(root)
    inside = [vm for vm in vms if _plain(around.folder(vm)) == wanted]
    if not inside and top and wanted[: len(top)] == top:
        inside = [vm for vm in vms if _plain(around.folder(vm)) == wanted[len(top) :]]
    return inside


def _plain(path: str) -> list[str]:
    return [unescape(part) for part in path.split("/") if part]


def _ambiguous(vms: Sequence[Row], around: Surroundings, name: str) -> SourceNotFound:
    return SourceNotFound(
        f"{len(vms)} VMs are called {name!r}: {_places(vms, around)}; set folder, or name one by its id"
    )


def _places(vms: Sequence[Row], around: Surroundings) -> str:
    shown = [f"/{around.folder(vm)} ({vm.moref})" for vm in vms[:_LISTED]]
    rest = len(vms) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _nothing(vms: Sequence[Row], name: str) -> SourceNotFound:
    names = {unescape(vm.get("name", "")) for vm in vms}
    by_lower = {one.lower(): one for one in names}
    close = difflib.get_close_matches(unescape(name).lower(), by_lower, n=_CLOSE)
    if close:
        hint = f"the nearest names are {', '.join(repr(by_lower[one]) for one in close)}"
    else:
        hint = f"{len(vms)} VMs are there that the user may see" if vms else "the user sees no VM there"
    return SourceNotFound(f"the datacenter has no VM {name!r}; {hint}: correct virtualMachineName")
