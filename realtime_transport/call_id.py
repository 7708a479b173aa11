"""The id of a call made by this package, which keeps the client secret that made the call."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from .urls import http_url

__all__ = ["CallId", "secret_of"]

_PORTS = {"http": 80, "https": 443}


class CallId(str):
    """A call id with the client secret of the call, which is never shown.

    Pickled and JSON copies, and slices, are plain text without the secret.
    """

    _secret: str
    _origin: tuple[str, str | None, int | None]

    @classmethod
    def made_with(cls, call_id: str, secret: str, url: str) -> CallId:
        """The id of a call that was made with *secret* at *url*."""
        made = cls(call_id)
        made._secret, made._origin = secret, _origin(url)
        return made

    def secret_for(self, url: str) -> str | None:
        """The client secret, if *url* leads to the server of the call."""
        return self._secret if _origin(url) == self._origin else None

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def secret_of(call_id: str | None, url: str) -> str | None:
    """The client secret to attach to *call_id* with at *url*; ``None`` if none is known, or the call is on
    another server.
    """
    return call_id.secret_for(url) if isinstance(call_id, CallId) else None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts: SplitResult = urlsplit(http_url(url))
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
