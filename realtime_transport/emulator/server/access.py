"""Authentication: keys, and the client secrets that are created with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.emulator.ids import IdSource

__all__ = ["Access", "Secret"]

REFUSED_KEY = "sk-invalid"

MAX_SECRETS = 10_000


@attrs.frozen(kw_only=True)
class Secret:
    """A client secret.

    Attributes:
        value: ``ek_…``.
        expires_at: Unix time in seconds.
        session: Settings for the sessions that it opens.
    """

    value: str = attrs.field(repr=False)
    expires_at: int
    session: Mapping[str, Any]


@attrs.define(eq=False)
class Access:
    """Keeps the client secrets and checks tokens.

    Args:
        api_key: The only key that is accepted; ``None``: any but ``sk-invalid``.
        ids: Makes secrets.
    """

    _api_key: str | None
    _ids: IdSource
    _secrets: dict[str, Secret] = attrs.field(init=False, factory=dict[str, Secret])

    def accepts(self, token: str, now: float) -> bool:
        """Whether *token* is accepted at Unix time *now*."""
        secret = self._secrets.get(token)
        if secret is not None:
            return now < secret.expires_at
        if self._api_key is not None:
            return token == self._api_key
        return bool(token) and token != REFUSED_KEY

    def secret(self, token: str) -> Secret | None:
        """The client secret with the value *token*, if there is one."""
        return self._secrets.get(token)

    def mint(self, session: Mapping[str, Any], expires_at: int) -> Secret:
        """Make a client secret. Beyond `MAX_SECRETS`, the oldest is forgotten."""
        secret = Secret(value=self._ids("ek"), expires_at=expires_at, session=session)
        self._secrets[secret.value] = secret
        if len(self._secrets) > MAX_SECRETS:
            del self._secrets[next(iter(self._secrets))]
        return secret
