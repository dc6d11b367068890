"""What a cloud and a network do, in the words of the error tree."""

import json
import socket
import ssl

import pytest
import requests
import urllib3
from keystoneauth1 import exceptions as ksa
from openstack import exceptions as sdk

from thresher.model.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
    ThresherError,
)
from thresher.sources.openstack.access import Place
from thresher.sources.openstack.faults import source_error

AT = Place("keystone:5000", "RegionOne", "shop")


def answered(status: int, body: object, url: str = "https://nova:8774/v2.1/servers") -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer.url = url
    answer.headers["Content-Type"] = "application/json"
    answer._content = json.dumps(body).encode()
    return answer


def of_answer(status: int, body: object) -> ThresherError | None:
    with pytest.raises(sdk.HttpException) as raised:
        sdk.raise_from_response(answered(status, body))
    return source_error(raised.value, AT)


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"error": {"code": 401, "message": "Authentication required."}}, SourceDenied, "Authentication required"),
        (403, {"forbidden": {"code": 403, "message": "Policy doesn't allow it."}}, SourceDenied, "Policy doesn't"),
        (403, {"forbidden": {"code": 403, "message": "Quota exceeded for cores."}}, SourceBusy, "no quota left"),
        (404, {"itemNotFound": {"code": 404, "message": "Instance x not found."}}, SourceNotFound, "Instance x"),
        (409, {"conflictingRequest": {"code": 409, "message": "vm_state stopped"}}, SourceBusy, "vm_state stopped"),
        (
            413,
            {"overLimit": {"code": 413, "message": "SnapshotLimitExceeded: Maximum number of snapshots allowed (10)"}},
            SourceBusy,
            "SnapshotLimitExceeded",
        ),
        (429, {}, SourceUnreachable, "429"),
        (500, {"computeFault": {"code": 500, "message": "Unexpected API Error."}}, SourceUnreachable, "Unexpected"),
        (503, "<html>no server</html>", SourceUnreachable, "503"),
        (400, {"badRequest": {"code": 400, "message": "Invalid volume: status"}}, SourceError, "Invalid volume"),
    ],
)
def test_answers(status: int, body: object, kind: type[SourceError], words: str) -> None:
    error = of_answer(status, body)
    assert type(error) is kind
    assert words in str(error)
    assert "region RegionOne, project shop" in str(error)
    assert "nova:8774" in str(error)


def test_keystone_s_own_refusal() -> None:
    error = source_error(ksa.Unauthorized("The request you have made requires authentication."), AT)
    assert type(error) is SourceDenied
    assert "check the endpoint" in str(error)


def test_another_service_than_keystone() -> None:
    for error in (ksa.InvalidResponse(answered(200, {})), sdk.InvalidResponse("no JSON")):
        said = source_error(error, AT)
        assert type(said) is SourceError
        assert "check the endpoint" in str(said)


def wrapped(cause: Exception) -> ksa.ClientException:
    """As keystoneauth raises what requests, urllib3 and ssl made of a failure."""
    pool = urllib3.connectionpool.HTTPSConnectionPool("keystone", 5000)
    outer = urllib3.exceptions.MaxRetryError(pool, "/v3/auth/tokens", cause)
    error = ksa.SSLError("SSL exception connecting to https://keystone:5000")
    error.__context__ = requests.exceptions.SSLError(outer)
    return error


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), SourceUntrusted, "itself), as PEM, into ca_cert"),
        (ssl.SSLError(1, "wrong version number"), SourceUnreachable, "TLS"),
        (ConnectionRefusedError(111, "refused"), SourceUnreachable, "refuses the connection"),
        (socket.gaierror(-2, "Name or service not known"), SourceUnreachable, "cannot be resolved"),
        (TimeoutError("timed out"), SourceUnreachable, "in time"),
        (ConnectionResetError(104, "reset"), SourceUnreachable, "cannot be reached"),
    ],
)
def test_networks(cause: Exception, kind: type[SourceError], words: str) -> None:
    error = source_error(wrapped(urllib3.exceptions.SSLError(cause)), AT)
    assert type(error) is kind
    assert words in str(error)


def test_what_is_not_the_cloud_s_fault_stays_what_it_is() -> None:
    assert source_error(KeyError("x"), AT) is None
    denied = SourceDenied("no")
    assert source_error(denied, AT) is denied
