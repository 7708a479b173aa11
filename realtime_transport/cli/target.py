"""Which server a command talks to, and with which key. The environment is read only where a server was named."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit, urlunsplit

import attrs

from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL
from realtime_transport.urls import is_loopback, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.emulator.replies import Responder

__all__ = ["Target", "responder_of"]

LOCAL_KEY = "sk-local"
"""What servers on this machine are given if no key is set: the emulator accepts any."""

_CHOOSES_SESSION = frozenset({"model", "call_id", "intent"})


def responder_of(answer: str) -> Responder:
    """What the embedded emulator says: ``"echo"`` or ``"voice"``."""
    from realtime_transport.emulator.responders.echo import echo_responder
    from realtime_transport.emulator.responders.voice import voice_responder

    return voice_responder if answer == "voice" else echo_responder


@attrs.frozen(kw_only=True)
class Target:
    """A server, and the model to ask for.

    Attributes:
        name: How people call it.
        url: Where it is, with the credentials that it may hold; ``None``: where the library looks by default.
        model: The model.
        key: The API key.
        is_local: It runs on this machine: no proxy is asked.
    """

    name: str
    url: str | None = attrs.field(repr=lambda url: repr(url and redact_url(url)))
    model: str
    key: str = attrs.field(repr=False)
    is_local: bool

    @classmethod
    def emulator(cls, url: str, model: str | None) -> Target:
        """The emulator that runs in this process."""
        return attrs.evolve(cls.server(url, model, {}), name="the embedded emulator")

    @classmethod
    def live(cls, model: str | None, environment: Mapping[str, str]) -> Target:
        """The OpenAI API.

        Raises:
            ConfigError: ``OPENAI_API_KEY`` is missing or empty.
        """
        key = environment.get("OPENAI_API_KEY", "").strip()
        if not key:
            raise ConfigError("--live needs an API key: set OPENAI_API_KEY to yours", key="api_key")
        return cls(name="the OpenAI API", url=None, model=model or DEFAULT_MODEL, key=key, is_local=False)

    @classmethod
    def server(cls, url: str, model: str | None, environment: Mapping[str, str]) -> Target:
        """The server at *url*, which may be a base URL, and may name the model.

        Raises:
            ConfigError: It is no such URL, it names another model, or ``OPENAI_API_KEY`` is missing for a server
                elsewhere.
        """
        parts = _parse(url)
        path = parts.path.rstrip("/")
        if path in ("", "/v1"):
            path = "/v1/realtime"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        named = query.get("model") or model or DEFAULT_MODEL
        if model is not None and model != named:
            raise ConfigError(f"--model {model}: the URL names another, {named}", key="model")
        asked = parts.query
        if not _CHOOSES_SESSION.intersection(query):
            asked = "&".join(filter(None, [asked, f"model={quote(named, safe='')}"]))
        is_local = is_loopback(url)
        key = environment.get("OPENAI_API_KEY", "").strip()
        if not key and not is_local:
            raise ConfigError(
                f"--url {redact_url(url)}: this server needs an API key: set OPENAI_API_KEY", key="api_key"
            )
        complete = urlunsplit(parts._replace(path=path, query=asked))
        return cls(name=redact_url(url), url=complete, model=named, key=key or LOCAL_KEY, is_local=is_local)


def _parse(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"--url {redact_url(url)!r}: it cannot be read", key="url") from None
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname or port == 0:
        raise ConfigError(
            f"--url {redact_url(url)!r}: a URL such as ws://127.0.0.1:8642/v1/realtime expected", key="url"
        )
    return parts
