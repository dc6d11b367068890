"""Logging in to Keystone, for any number of threads."""

import threading
import time
from typing import Any

from keystoneauth1 import exceptions as refused
from keystoneauth1.access import AccessInfo
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from thresher.sources.openstack.access import OpenstackAccess, auth_url

_REFUSED_S = 5.0
"""For so long a refused login is not tried again: several wrong ones at once lock an account (Keystone,
``[security_compliance] lockout_failure_attempts``)."""


class Login(v3.Auth):
    """One token, fetched when it is first needed and again when it ends or is refused.

    keystoneauth reads its token outside its own lock, so that one thread may drop what another is about to use.

    Args:
        access: as whom.
    """

    def __init__(self, access: OpenstackAccess) -> None:
        self._guard = threading.Lock()
        self._refusal: refused.Unauthorized | None = None
        self._refused_at = 0.0
        url = auth_url(access.endpoint)
        if access.by_application_credential:
            method: v3.AuthMethod = v3.ApplicationCredentialMethod(
                application_credential_id=access.application_credential_id,
                application_credential_secret=access.application_credential_secret,
            )
            super().__init__(url, [method])
        else:
            method = v3.PasswordMethod(
                username=access.username, password=access.password, user_domain_name=access.user_domain
            )
            super().__init__(url, [method], project_name=access.project_name, project_domain_name=access.project_domain)

    def get_access(self, session: Session, **kwargs: Any) -> AccessInfo:
        """The token and its catalogue. Raises what keystoneauth raises."""
        with self._guard:
            if self._refusal is not None and time.monotonic() - self._refused_at < _REFUSED_S:
                raise self._refusal
            try:
                access = super().get_access(session, **kwargs)
            except refused.Unauthorized as error:
                self._refusal, self._refused_at = error, time.monotonic()
                raise
            self._refusal = None
            return access

    def invalidate(self) -> bool:
        """Forget the token, because it was refused."""
        with self._guard:
            return super().invalidate()
