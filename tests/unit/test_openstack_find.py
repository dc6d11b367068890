"""Which server is meant by a name, and what is said where none or several are."""

import re
from typing import Any

import pytest
from keystoneauth1.access import AccessInfo, AccessInfoV3

from thresher.model.errors import SourceNotFound, UsageError
from thresher.model.naming import is_uuid
from thresher.sources.openstack.access import OpenstackAccess, Place, auth_url, check_complete, place
from thresher.sources.openstack.connection import region_in
from thresher.sources.openstack.find import ambiguous, called, nothing, safe_part
from thresher.sources.openstack.login import Login

AT = Place("keystone.example.com:5000", "RegionOne", "shop")


def named(*names: str) -> list[dict[str, str]]:
    return [{"id": str(number), "name": name} for number, name in enumerate(names)]


def test_defect_16_a_name_that_matches_only_partly_is_no_match() -> None:
    servers = named("web-10", "my-web-1", "WEB-1")
    assert called(servers, "web-1") == []
    said = str(nothing(servers, "web-1", AT))
    assert "no server 'web-1'" in said
    assert "'web-10'" in said


def test_an_exact_name_is_a_match_whatever_it_holds() -> None:
    servers = named("a.b", "a+b", "axb", "[x", "Prüfstand 1")
    for server in servers:
        assert called(servers, server["name"]) == [server]


@pytest.mark.parametrize("name", ["web-1", "a.b*c", "[x", "Prüfstand 1", "日本", "(", "v\\d"])
def test_what_nova_is_asked_for_is_a_part_of_the_name_in_any_dialect(name: str) -> None:
    part = safe_part(name)
    assert part in name
    assert re.fullmatch("[A-Za-z0-9]*", part)


def test_misspelled_names_are_hinted_at() -> None:
    assert "'database'" in str(nothing(named("database", "web"), "databsae", AT))
    assert "2 servers are there" in str(nothing(named("database", "web"), "xyz", AT))
    assert "the user sees no server there" in str(nothing([], "xyz", AT))


def test_duplicates_are_listed_with_what_tells_them_apart() -> None:
    rows = [
        {"id": "1", "status": "ACTIVE", "created": "2026-01-01T00:00:00Z"},
        {"id": "2", "status": "SHUTOFF", "created": "2025-01-01T00:00:00Z"},
    ]
    said = str(ambiguous(rows, 3, "web", AT))
    assert "3 servers" in said
    assert "1 (ACTIVE, created 2026-01-01T00:00:00Z)" in said
    assert "2 (SHUTOFF, created 2025-01-01T00:00:00Z)" in said
    assert "and 1 more" in said


def test_uuids() -> None:
    assert is_uuid("5F4A0C5E-8f5b-4d3e-9c55-2b4f7d5c0a01")
    assert not is_uuid("5f4a0c5e8f5b4d3e9c552b4f7d5c0a01")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://keystone:5000", "https://keystone:5000/v3"),
        ("https://keystone:5000/v3/", "https://keystone:5000/v3"),
        ("http://cloud/identity", "http://cloud/identity/v3"),
        ("https://cloud/identity/v3", "https://cloud/identity/v3"),
    ],
)
def test_endpoints_with_and_without_a_version(endpoint: str, url: str) -> None:
    assert auth_url(endpoint) == url


@pytest.mark.parametrize(
    "endpoint", ["keystone:5000", "ftp://keystone", "https://", "https://u:p@keystone", "https://h:x"]
)
def test_endpoints_that_are_none(endpoint: str) -> None:
    with pytest.raises(UsageError):
        auth_url(endpoint)


def test_credentials_in_an_endpoint_are_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        auth_url("https://admin:s3cret@keystone")
    assert "s3cret" not in str(refused.value)


def test_a_login_names_what_it_lacks() -> None:
    with pytest.raises(UsageError, match="password, project_name"):
        check_complete(OpenstackAccess("https://k", "R", username="u", domain_name="Default"))
    with pytest.raises(UsageError, match="application_credential_secret"):
        check_complete(OpenstackAccess("https://k", "R", application_credential_id="a"))
    check_complete(OpenstackAccess("https://k", "R", application_credential_id="a", application_credential_secret="s"))


@pytest.mark.parametrize(
    ("domains", "user", "project"),
    [
        ({"domain_name": "both"}, "both", "both"),
        ({"domain_name": "both", "user_domain_name": "ldap"}, "ldap", "both"),
        ({"domain_name": "both", "project_domain_name": "Default"}, "both", "Default"),
        ({"user_domain_name": "ldap", "project_domain_name": "Default"}, "ldap", "Default"),
    ],
)
def test_a_user_and_a_project_may_be_of_two_domains(domains: dict[str, str], user: str, project: str) -> None:
    access = OpenstackAccess("https://k", "R", "u", "s3cret", "p", **domains)  # type: ignore[arg-type]  # all are text
    check_complete(access)
    login = Login(access)
    method: Any = login.auth_methods[0]
    assert (method.user_domain_name, login.project_domain_name) == (user, project)


@pytest.mark.parametrize("one", ["user_domain_name", "project_domain_name"])
def test_one_domain_of_two_is_not_enough(one: str) -> None:
    access = OpenstackAccess("https://k", "R", "u", "s3cret", "p", **{one: "ldap"})  # type: ignore[arg-type]  # as above
    with pytest.raises(UsageError, match="domain_name"):
        check_complete(access)


def catalogue(*regions: str) -> AccessInfo:
    endpoints = [{"interface": "public", "url": "https://nova", "region": one, "id": one} for one in regions]
    nova = {"type": "compute", "name": "nova", "id": "n", "endpoints": endpoints}
    return AccessInfoV3(body={"token": {"catalog": [nova], "project": {"name": "shop", "id": "p"}}}, auth_token="t")


@pytest.mark.parametrize(
    ("asked", "regions", "found"),
    [("A", ["A", "B"], "A"), ("", ["A"], "A"), ("", ["A", "A"], "A")],
)
def test_a_region_may_be_left_out_where_there_is_only_one(asked: str, regions: list[str], found: str) -> None:
    assert region_in(catalogue(*regions), Place("k", asked)) == found


@pytest.mark.parametrize(
    ("asked", "regions", "says"),
    [
        ("", ["B", "A"], "no region is given, and the catalogue of k has A, B: set region"),
        ("", [], "has none at all"),
        ("C", ["B", "A"], "has no region 'C' for project shop; it has A, B"),
    ],
)
def test_a_region_that_is_not_certain_lists_those_that_exist(asked: str, regions: list[str], says: str) -> None:
    with pytest.raises(SourceNotFound, match=re.escape(says)):
        region_in(catalogue(*regions), Place("k", asked))


def test_a_place_whose_region_nobody_knows_yet() -> None:
    check_complete(OpenstackAccess("https://k", "", "u", "s3cret", "p", "d"))
    assert [str(Place("k", "")), str(Place("k", "", "p"))] == ["k", "k (project p)"]
    assert [str(Place("k", "R")), str(Place("k", "R", "p"))] == ["k (region R)", "k (region R, project p)"]


def test_secrets_are_in_no_repr() -> None:
    access = OpenstackAccess(
        "https://k", "R", "u", "s3cret", "p", "d", application_credential_secret="s3cret", ca_pem="s3cret"
    )
    assert "s3cret" not in repr(access)
    assert "s3cret" not in repr(Login(access))
    assert "project p" in str(place(OpenstackAccess("https://k", "R", "u", "s3cret", "p", "d")))
