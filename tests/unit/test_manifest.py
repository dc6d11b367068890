import hashlib

import pytest

from thresher.formats.manifest import MAX_MANIFEST_BYTES, parse_manifest
from thresher.model.errors import ManifestError
from thresher.ports import Checksum

OVF = b"<Envelope/>"
SHA1 = hashlib.sha1(OVF, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(OVF).hexdigest()
SHA512 = hashlib.sha512(OVF).hexdigest()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"SHA256(vm.ovf)= {SHA256}\n", Checksum("sha256", SHA256)),
        (f"SHA1(vm.ovf)= {SHA1}\r\n", Checksum("sha1", SHA1)),
        (f"SHA512(vm.ovf)= {SHA512}", Checksum("sha512", SHA512)),
        (f"SHA1 (vm.ovf) = {SHA1}\n", Checksum("sha1", SHA1)),
        (f"  sha-256(./vm.ovf)={SHA256.upper()}  \n", Checksum("sha256", SHA256)),
        (f"\ufeff# by hand\n\n \r\nSHA256(vm.ovf)= {SHA256}\n\n", Checksum("sha256", SHA256)),
        (f"SHA256(vm.ovf)= {SHA256}\nSHA256(vm.ovf)= {SHA256}\n", Checksum("sha256", SHA256)),
        (f"SHA256(vm.ovf)= {SHA256}\nSHA1(vm.ovf)= {SHA1}\n", Checksum("sha256", SHA256)),
    ],
    ids=["ovftool", "CRLF", "SHA512", "VirtualBox", "loose", "comments", "repeated", "two algorithms"],
)
def test_lines_as_tools_write_them(text: str, expected: Checksum) -> None:
    assert parse_manifest(text.encode()) == {"vm.ovf": expected}


def test_names_may_hold_spaces_parentheses_and_any_script() -> None:
    names = ["My VM (1).ovf", "가상머신-disk1.vmdk", "sub/disk.vmdk", "a)= b"]
    text = "".join(f"SHA256({name})= {SHA256}\n" for name in names)
    assert set(parse_manifest(text.encode())) == set(names)


def test_nothing_stated_is_nothing_known() -> None:
    assert parse_manifest(b"") == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"MD5(vm.ovf)= {SHA256[:32]}", "'MD5'"),
        (f"SHA256(vm.ovf)= {SHA256[:-1]}", "63 hex digits, not 64"),
        (f"SHA256(vm.ovf)= {SHA1}", "40 hex digits, not 64"),
        ("SHA256(vm.ovf)= ", "0 hex digits"),
        (f"SHA256(vm.ovf)= {SHA256[:-1]}g", "no 'SHA256"),
        (f"SHA256(vm.ovf) {SHA256}", "no 'SHA256"),
        (f"{SHA256}  vm.ovf", "no 'SHA256"),
        (f"SHA256(/etc/passwd)= {SHA256}", "is absolute"),
        (f"SHA256(../vm.ovf)= {SHA256}", "climbs out"),
        (f"SHA256(a\\vm.ovf)= {SHA256}", "backslash"),
        (f"SHA256(vm\0.ovf)= {SHA256}", "control character"),
        (f"SHA256()= {SHA256}", "is empty"),
        (f"SHA256(first.ovf)= {'0' * 64}", "two different sha256 digests of 'first.ovf'"),
    ],
)
def test_refusals_say_what_and_where(line: str, words: str) -> None:
    first = f"SHA256(first.ovf)= {SHA256}\n"
    with pytest.raises(ManifestError, match=words) as caught:
        parse_manifest((first + line + "\n").encode())
    assert caught.value.offset == len(first)


def test_text_that_is_not_utf8_is_refused_at_its_byte() -> None:
    with pytest.raises(ManifestError, match="UTF-8") as caught:
        parse_manifest(b"# x\nSHA256(\xff)= 00\n")
    assert caught.value.offset == 11


def test_size_is_bounded() -> None:
    assert parse_manifest(b"\n" * MAX_MANIFEST_BYTES) == {}
    with pytest.raises(ManifestError, match="1048577 bytes"):
        parse_manifest(b"\n" * (MAX_MANIFEST_BYTES + 1))
