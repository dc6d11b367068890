"""How requests is made to trust one TLS context, and nothing besides."""

import ssl
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter


class TrustingAdapter(HTTPAdapter):
    """Connects with one context alone, so that no CA has to lie in a file and no other one is trusted besides.

    Overrides what requests leaves to subclasses (``requests.adapters.HTTPAdapter``).

    Args:
        context: judges every server, and every proxy on the way.
        connections: kept open for each host.
    """

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does, with the context."""
        super().init_poolmanager(*args, **{**kwargs, "ssl_context": self._context})

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """As requests does, with the context."""
        return super().proxy_manager_for(proxy, **{**kwargs, "ssl_context": self._context})

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any, cert: Any = None) -> Any:
        """As requests does, without a file of authorities that the environment may name."""
        del verify
        return super().build_connection_pool_key_attributes(request, verify=True, cert=cert)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Load no authorities besides the context's."""
