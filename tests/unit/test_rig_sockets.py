"""A test that kills a server leaves no socket to the garbage collector."""

import os
import socket
import ssl
import struct

import pytest

from rig.sockets import TidySocket


def _reset_connection() -> socket.socket:
    """A plain connection whose peer has reset it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _address = server.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
    return ours


def test_a_connection_that_is_reset_before_the_handshake_is_closed() -> None:
    plain = _reset_connection()
    handle = plain.fileno()
    context = ssl.create_default_context()
    with pytest.raises(ConnectionResetError):
        context.wrap_socket(plain, server_hostname="localhost")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_all_sockets_of_the_tests_are_tidy() -> None:
    assert ssl.create_default_context().sslsocket_class is TidySocket
