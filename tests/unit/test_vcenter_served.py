"""Where a lease's disks are read, whom that is trusted by, and who gets to see the session."""

import hashlib
import ssl

import pytest
import trustme

from thresher.sources.bytes import HttpAccess
from thresher.sources.vcenter.access import address
from thresher.sources.vcenter.served import Called, LeaseItem, served

THUMBPRINT = "AB:CD" + ":00" * 18
FINGERPRINT = "12:34" + ":00" * 30
CALLED = Called(address("https://vc.example/sdk"), FINGERPRINT, "a CA", "s3ss10n")


def item(url: str, thumbprint: str = THUMBPRINT, certificate: str = "") -> LeaseItem:
    return LeaseItem(
        "/vm-1/ParaVirtualSCSIController0:0", url, disk=True, thumbprint=thumbprint, certificate=certificate
    )


@pytest.mark.parametrize(
    ("endpoint", "url", "expected"),
    [
        ("https://vc.example/sdk", "https://*/nfc/t1/disk-0.vmdk", "https://vc.example/nfc/t1/disk-0.vmdk"),
        ("https://vc.example/sdk", "https://*:8443/nfc/t1/disk-0.vmdk", "https://vc.example:8443/nfc/t1/disk-0.vmdk"),
        ("https://[fd00::1]/sdk", "https://*/nfc/t1/disk-0.vmdk", "https://[fd00::1]/nfc/t1/disk-0.vmdk"),
        ("https://vc.example/sdk", "https://esx-1.example/nfc/t1/d", "https://esx-1.example/nfc/t1/d"),
        ("https://vc.example/sdk", "https://esx-1.example/nfc/*/d", "https://esx-1.example/nfc/*/d"),
    ],
)
def test_a_star_in_place_of_the_host_is_the_host_that_was_called(endpoint: str, url: str, expected: str) -> None:
    assert served(item(url), Called(address(endpoint), FINGERPRINT)).url == expected


def test_an_esxi_host_is_trusted_by_the_thumbprint_alone_and_sees_no_session() -> None:
    found = served(item("https://esx-1.example/nfc/t1/d"), CALLED)
    assert found.access == HttpAccess(fingerprint_sha1=THUMBPRINT.replace(":", ""))
    assert found.host == "esx-1.example"


@pytest.mark.parametrize(
    "url", ["https://VC.example/nfc/t1/d", "https://vc.example:443/nfc/t1/d", "https://*/nfc/t1/d"]
)
def test_vcenter_itself_is_trusted_as_it_was_and_sees_its_session(url: str) -> None:
    access = served(item(url), CALLED).access
    assert access.fingerprint_sha256 == FINGERPRINT
    assert access.fingerprint_sha1 is None
    assert access.headers == (("Cookie", 'vmware_soap_session="s3ss10n"'),)


def test_another_port_of_vcenters_host_is_another_server() -> None:
    assert served(item("https://vc.example:8443/nfc/t1/d"), CALLED).access.headers == ()


def test_a_certificate_is_better_than_its_sha1() -> None:
    authority = trustme.CA()
    chain = authority.issue_cert("esx-1.example").cert_chain_pems[0].bytes().decode()
    certificate = chain + authority.cert_pem.bytes().decode()
    access = served(item("https://esx-1.example/nfc/t1/d", certificate=certificate), CALLED).access
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(chain)).hexdigest()
    assert access.fingerprint_sha1 is None
    assert (access.fingerprint_sha256 or "").replace(":", "").lower() == digest


def test_a_thumbprint_may_be_sha256() -> None:
    access = served(item("https://esx-1.example/nfc/t1/d", thumbprint=FINGERPRINT), CALLED).access
    assert (access.fingerprint_sha1, access.fingerprint_sha256) == (None, FINGERPRINT.replace(":", ""))


def test_without_a_thumbprint_an_authority_has_to_vouch() -> None:
    access = served(item("https://esx-1.example/nfc/t1/d", thumbprint=""), CALLED).access
    assert access == HttpAccess(ca_pem="a CA")


def test_neither_ticket_nor_session_is_shown() -> None:
    what = item("https://vc.example/nfc/t1cket/d")
    assert "t1cket" not in repr((what, served(what, CALLED)))
    assert "s3ss10n" not in repr((CALLED, served(what, CALLED)))
