"""``Secret``: credentials, which never appear in a repr or an error."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StrictBool

from thresher.api.common import ApiObject
from thresher.model.errors import UsageError


def _base64(value: SecretStr) -> SecretStr:
    try:
        base64.b64decode("".join(value.get_secret_value().split()), validate=True)
    except (binascii.Error, ValueError):
        # from None: the cause would carry the value
        raise ValueError("must be base64; write plain text under stringData instead") from None
    return value


class Secret(ApiObject):
    """Kubernetes' ``core/v1 Secret``."""

    api_version: Literal["v1"]
    kind: Literal["Secret"]
    type: str | None = Field(default=None, description="What the Secret is for; not looked at.")
    immutable: StrictBool | None = Field(default=None, description="Whether the API server lets it change.")
    data: dict[str, Annotated[SecretStr, AfterValidator(_base64)]] | None = Field(
        default=None, description="Values in base64."
    )
    string_data: dict[str, SecretStr] | None = Field(
        default=None, description="Values in plain text; they win over data, as in the API server."
    )

    @property
    def keys(self) -> list[str]:
        """The names of all values, sorted."""
        return sorted({*(self.data or {}), *(self.string_data or {})})

    def get(self, key: str) -> str | None:
        """The value of ``key`` as text, or None where it is absent.

        Raises:
            UsageError: the value is not UTF-8 text.
        """
        plain = (self.string_data or {}).get(key)
        if plain is not None:
            return plain.get_secret_value()
        coded = (self.data or {}).get(key)
        if coded is None:
            return None
        try:
            return base64.b64decode(coded.get_secret_value()).decode()
        except UnicodeDecodeError:
            raise UsageError(
                f"Secret {self.metadata.key}: {key} is not text. Encode the plain text with base64."
            ) from None

    def require(self, key: str) -> str:
        """The value of ``key`` as text.

        Raises:
            UsageError: it is absent or not text; the message lists the keys that are there.
        """
        value = self.get(key)
        if value is None:
            there = ", ".join(self.keys) or "none"
            raise UsageError(f"Secret {self.metadata.key} has no key {key}: add it. Its keys: {there}.")
        return value
