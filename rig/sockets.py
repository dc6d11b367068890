"""TLS sockets of the test process that close themselves."""

import ssl
from typing import Any


class TidySocket(ssl.SSLSocket):
    """Closes itself where its peer has reset the connection.

    CPython's ``SSLContext.wrap_socket`` leaves a socket open that was reset between connecting and the handshake: it is
    already detached from the plain one, and whoever asked for it never gets it. The garbage collector's warning then
    fails whichever test runs at that moment, and only because a server that the test kills was just being asked.
    """

    def recv(self, *args: Any, **options: Any) -> bytes:
        """Receive, as ever."""
        try:
            return super().recv(*args, **options)
        except ConnectionError:
            self.close()
            raise


def use_tidy_sockets() -> None:
    """All TLS sockets of this process are tidy from now on."""
    ssl.SSLContext.sslsocket_class = TidySocket
