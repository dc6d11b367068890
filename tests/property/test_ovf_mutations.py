"""Whatever is done to a descriptor, it ends in a package or in OvfError."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.formats.ovf import OvfPackage, parse_ovf
from thresher.model.errors import OvfError

DATA = Path(__file__).parent.parent / "data" / "ovf"
DESCRIPTORS = [path.read_bytes() for path in sorted(DATA.glob("*.ovf"))]
WORDS = [
    b"",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"byte * 2^63",
    b"../x",
    b"\xff",
    b"&x;",
    b"<a>",
    b"</Item>",
    b'"',
]


def check(data: bytes) -> None:
    try:
        package = parse_ovf(data)
    except OvfError:
        return
    assert_consistent(package)


def assert_consistent(package: OvfPackage) -> None:
    assert package.vms
    for href in package.files:
        assert not href.startswith("/")
        assert ".." not in href.split("/")
    for vm in package.vms:
        places = [(disk.bus, disk.bus_number, disk.unit) for disk in vm.disks]
        assert len(set(places)) == len(places)
        assert len({disk.key for disk in vm.disks}) == len(vm.disks)
        assert all(disk.file is None or disk.file in package.files for disk in vm.disks)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DESCRIPTORS), st.floats(0, 1))
def test_truncated(data: bytes, share: float) -> None:
    check(data[: int(len(data) * share)])


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(DESCRIPTORS),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(WORDS) | st.binary(max_size=8)),
        max_size=4,
    ),
)
def test_mutated(data: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for share, removed, put in edits:
        at = int(len(data) * share)
        data = data[:at] + put + data[at + removed :]
    check(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(DESCRIPTORS), st.data())
def test_values_replaced_and_elements_lost(data: bytes, draw: st.DataObject) -> None:
    """Stays well-formed more often than blind edits: whole lines go, numbers become others."""
    lines = data.split(b"\n")
    for _ in range(draw.draw(st.integers(1, 3))):
        index = draw.draw(st.integers(0, len(lines) - 1))
        old = draw.draw(st.sampled_from([b"1", b"0", b"3", b"17", b"disk", b"file", b"byte", b"vmdisk"]))
        new = draw.draw(st.sampled_from(WORDS[:6]) | st.integers(0, 40).map(lambda n: str(n).encode()))
        lines[index] = lines[index].replace(old, new) if draw.draw(st.booleans()) else b""
    check(b"\n".join(lines))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    check(data)
