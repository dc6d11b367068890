"""Which certificates count: those of a CA that is given, else those of the system's authorities."""

import ssl

from thresher.model.errors import UsageError


def verifying(ca_pem: str, key: str) -> ssl.SSLContext:
    """A context that verifies.

    Args:
        ca_pem: certificates to trust; "" for the system's authorities.
        key: what the source's Secret calls them.

    Raises:
        UsageError: the CA is no PEM.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem.strip() or None)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"{key} of the source is not PEM: it begins with -----BEGIN CERTIFICATE-----") from error
    # What was given may be the server's own certificate or an intermediate CA's: whoever gives it vouches for it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Python 3.13 began to ask of a CA what RFC 5280 asks, and not every vCenter's or private CA has it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
