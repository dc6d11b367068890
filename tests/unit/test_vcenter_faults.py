"""Each fault of vSphere, and of the network below it, in the words of the error tree."""

import http.client
import socket
import ssl
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl

from thresher.model.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
)
from thresher.sources.vcenter.faults import source_error

HOST = "vc.example.com"


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (vim.fault.InvalidLogin(), SourceDenied, "password"),
        (vim.fault.PasswordExpired(), SourceDenied, "password"),
        (vim.fault.NotAuthenticated(privilegeId="System.View"), SourceUnreachable, "session"),
        (vim.fault.NoPermission(privilegeId="VApp.Export"), SourceDenied, "VApp.Export"),
        (vim.fault.NoPermission(object=vim.VirtualMachine("vm-7")), SourceDenied, "vm-7"),
        (vim.fault.RestrictedVersion(), SourceDenied, "licence"),
        (vmodl.fault.ManagedObjectNotFound(obj=vim.VirtualMachine("vm-7")), SourceNotFound, "vm-7"),
        (vim.fault.FileNotFound(msg="[ds] web.vmdk"), SourceError, "[ds] web.vmdk"),
        (vim.fault.NotFound(), SourceNotFound, "NotFound"),
        (vim.fault.TaskInProgress(), SourceBusy, "TaskInProgress"),
        (vim.fault.InvalidPowerState(msg="The VM is on."), SourceBusy, "The VM is on"),
        (vim.fault.ConcurrentAccess(), SourceBusy, "ConcurrentAccess"),
        (vim.fault.Timedout(), SourceUnreachable, "Timedout"),
        (vim.fault.NoHost(), SourceUnreachable, "NoHost"),
        (vmodl.fault.HostNotConnected(), SourceUnreachable, "HostNotConnected"),
        (vmodl.fault.SystemError(reason="x"), SourceUnreachable, "SystemError"),
        (vmodl.fault.NotSupported(msg="Not possible."), SourceError, "Not possible (NotSupported)"),
        (http.client.HTTPException("503 Service Unavailable"), SourceUnreachable, "503"),
        (http.client.HTTPException("404 Not Found"), SourceError, "endpoint"),
        (http.client.IncompleteRead(b""), SourceUnreachable, "IncompleteRead"),
        (http.client.RemoteDisconnected("closed"), SourceUnreachable, "reached"),
        (ExpatError("not well-formed"), SourceError, "endpoint"),
        (TimeoutError(), SourceUnreachable, "in time"),
        (ConnectionRefusedError(111, "Connection refused"), SourceUnreachable, "port"),
        (ConnectionResetError(104, "Connection reset by peer"), SourceUnreachable, "Connection reset by peer"),
        (socket.gaierror(-2, "Name or service not known"), SourceUnreachable, "DNS"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), SourceUnreachable, "TLS"),
    ],
)
def test_each_is_said_with_the_host(fault: Exception, kind: type[SourceError], words: str) -> None:
    error = source_error(fault, HOST)
    assert type(error) is kind
    assert words in str(error)
    assert HOST in str(error)


def test_privileges_of_newer_servers_are_named() -> None:
    missing = vim.fault.NoPermission.EntityPrivileges(
        entity=vim.VirtualMachine("vm-7"), privilegeIds=["VApp.Export", "System.Read"]
    )
    assert "VApp.Export, System.Read" in str(source_error(vim.fault.NoPermission(missingPrivileges=[missing]), HOST))


def test_an_error_of_the_tree_stays_what_it_is() -> None:
    error = SourceUntrusted("not the one that was pinned")
    assert source_error(error, HOST) is error


def test_a_mistake_of_ours_is_none_of_the_vcenters() -> None:
    assert source_error(ValueError("x"), HOST) is None
