"""Makes the golden files of the translation: ``python -m rig.golden``.

They show what changes for users when the translation changes; what is right is stated by hand in the tests.
"""

from pathlib import Path

from rig.source_vms import CASES
from thresher.model.naming import image_name
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes
from thresher.model.vm import SourceVM
from thresher.targets import manifests
from thresher.targets.local.domain import domain_xml

FOLDER = Path(__file__).parent.parent / "tests" / "data" / "golden"


def refs(spec: ImportSpec, vm: SourceVM) -> list[manifests.ImageRef | None]:
    """The VM's images as a cluster would report them when they are done."""
    return [
        None
        if manifests.is_blank(disk)
        else manifests.ImageRef(image_name(spec.uid, disk.key), disk.capacity or Bytes(0), f"lh-{index}")
        for index, disk in enumerate(vm.disks)
    ]


def files(name: str) -> dict[Path, str]:
    """The golden files of case ``name``: path and content."""
    spec, vm = CASES[name]
    images = refs(spec, vm)
    objects = [
        manifests.image(spec, vm, index, manifests.Download(f"http://thresher.example/{index}.img"))
        for index, made in enumerate(images)
        if made is not None
    ]
    told = "".join(
        f"# {loss.severity} {loss.rule}, {loss.subject}: {loss.message}\n" for loss in manifests.findings(spec, vm)
    )
    yaml = told + manifests.to_yaml([*objects, manifests.virtual_machine(spec, vm, images)])
    disks = [Path(f"/vms/disk-{index}.raw") for index in range(len(vm.disks))]
    xml = domain_xml(spec, vm, disks, kvm=True)
    return {FOLDER / f"{name}.yaml": yaml, FOLDER / f"{name}.xml": xml}


def main() -> None:
    """Write them all, and remove those that no case makes any more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = {path: text for name in CASES for path, text in files(name).items()}
    for stale in set(FOLDER.iterdir()) - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    print(f"{len(wanted)} golden files in {FOLDER}")


if __name__ == "__main__":
    main()
