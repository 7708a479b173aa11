"""The servers that speak the Realtime protocol, and how they differ, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.config.defaults import SERVER_DEFAULTS, VENDOR_DEFAULTS, SessionDefaults
from realtime_transport.urls import endpoint_url

from .dialect import DIALECTS, Dialect

__all__ = ["PROFILES", "Auth", "CallRules", "EndpointProfile", "Naming", "profile_named"]

Auth: TypeAlias = Literal["bearer", "header", "query", "subprotocol", "none"]
"""Where the key goes: ``Authorization: Bearer``, a header of its own, the query, a subprotocol, or nowhere."""

Naming: TypeAlias = Literal["ga", "beta", "xai", "vllm"]


@frozen()
class CallRules:
    """How a server opens WebRTC calls.

    Attributes:
        path: Where an SDP offer is posted, with ``{model}`` filled in, escaped.
        session_with_offer: Whether a key that is no client secret posts the session beside the offer, as a form of
            ``sdp`` and ``session``. Otherwise the offer is posted alone.
        secret_prefix: How client secrets begin. One of them posts the offer alone: its session was named when it was
            minted.
        needs_secret: Whether only client secrets are accepted: one is minted with the key first.
        secrets_path: Where client secrets are minted.
        unusable_query: Query parameters that leave the client without the events it waits for.
    """

    path: str = "/v1/realtime/calls"
    session_with_offer: bool = True
    secret_prefix: str = "ek_"
    needs_secret: bool = False
    secrets_path: str = "/v1/realtime/client_secrets"
    unusable_query: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def posts_session(self, key: str) -> bool:
        """Whether *key* posts the session beside the offer."""
        return self.session_with_offer and not self.is_secret(key)

    def is_secret(self, key: str) -> bool:
        """Whether *key* is a client secret."""
        return key.startswith(self.secret_prefix)


@named_fields
@frozen()
class EndpointProfile:
    """What a client must know about a server besides its address.

    Attributes:
        name: The name for ``profile="…"``.
        path: Path and query of the endpoint, with ``{model}`` filled in, escaped.
        base_url: Its address, if it has a fixed one; otherwise ``url=`` must be given.
        auth: Where the key goes.
        auth_name: Name of the header or query parameter, if *auth* is one of these.
        headers: Further headers of the upgrade request.
        speaks_first: Whether the server says ``session.created`` at once. Otherwise the session counts as ready with
            the answer to our ``session.update``.
        answers_updates: Whether it answers an accepted ``session.update`` with ``session.updated``. Otherwise
            ``connect`` does not wait for one.
        naming: The names of events and fields.
        kind: Whether the server converses or only transcribes.
        rates: The sample rates of linear PCM that it accepts, in hertz; the first is its default.
        g711: Whether it accepts G.711.
        needs_model: Whether the URL has to name a model.
        key_variable: The environment variable that holds the key where none is given; empty: no key is needed.
        max_session_seconds: How long a session may last; ``None``: not known.
        unsupported: Fields of a session that it refuses or misreads, as dotted paths; they are not sent.
        defaults: The settings sent where the caller gave none.
        calls: How it opens WebRTC calls; ``None``: it has none, or how is not known.
    """

    name: str
    path: str = "/v1/realtime?model={model}"
    base_url: str | None = None
    auth: Auth = "bearer"
    auth_name: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    speaks_first: bool = True
    answers_updates: bool = True
    naming: Naming = "ga"
    kind: Literal["realtime", "transcription"] = "realtime"
    rates: tuple[int, ...] = (24000,)
    g711: bool = True
    needs_model: bool = True
    key_variable: str = ""
    max_session_seconds: int | None = None
    unsupported: frozenset[str] = frozenset()
    defaults: SessionDefaults = SERVER_DEFAULTS
    calls: CallRules | None = None

    @property
    def dialect(self) -> Dialect | None:
        """The dialect of *naming*; ``None`` for the current names."""
        return DIALECTS[self.naming]

    def url(self, given: str | None) -> str:
        """The URL to connect to, with ``{model}`` still to be filled in.

        Args:
            given: An address without a path (``https://host:8000``) or the base URL of the API
                (``https://host:8000/v1``), which gets the path of the profile; or a whole URL, which is used as
                written.

        Raises:
            ConfigError: There is no address.
        """
        return self._complete(given, self.path)

    def calls_url(self, given: str | None) -> str:
        """The URL to post an SDP offer to, with ``{model}`` still to be filled in.

        Args:
            given: As for `url`.

        Raises:
            ConfigError: There is no address, or the server has no WebRTC.
        """
        return self._complete(given, self._calls.path)

    def secrets_url(self, given: str | None) -> str:
        """The URL to mint a client secret at, for the *given* that `calls_url` takes.

        Raises:
            ConfigError: As for `calls_url`.
        """
        rules = self._calls
        return self._complete(given, rules.path).partition("?")[0].removesuffix(rules.path) + rules.secrets_path

    @property
    def _calls(self) -> CallRules:
        if self.calls is None:
            raise ConfigError(f"profile: how {self.name!r} opens WebRTC calls is not known", key="profile")
        return self.calls

    def _complete(self, given: str | None, path: str) -> str:
        address = given or self.base_url
        if address is None:
            raise ConfigError(f"url: the profile {self.name!r} has no address of its own; pass url=", key="url")
        if urlsplit(address).path in ("", "/") and not urlsplit(address).query:
            return address.rstrip("/") + path
        return endpoint_url(address, path.partition("/v1")[2]) if "/v1/" in path else address

    def credentials(self, key: str) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
        """Headers, query and subprotocols that carry *key*."""
        if not key:
            return {}, {}, ()
        match self.auth:
            case "bearer":
                return {"Authorization": f"Bearer {key}"}, {}, ()
            case "header":
                return {self.auth_name: key}, {}, ()
            case "query":
                return {}, {self.auth_name: key}, ()
            case "subprotocol":
                return {}, {}, ("realtime", f"openai-insecure-api-key.{key}")
            case "none":
                return {}, {}, ()

    def supported(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """*message* without the fields that the server does not support; empty if nothing is left of an update."""
        session = message.get("session")
        if not self.unsupported or message.get("type") != "session.update" or not isinstance(session, Mapping):
            return dict(message)
        kept = _without(cast("Mapping[str, Any]", session), self.unsupported, "")
        return {**message, "session": kept} if kept.keys() - {"type"} else {}


def _without(value: Mapping[str, Any], paths: frozenset[str], prefix: str) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, entry in value.items():
        path = prefix + name
        if path not in paths:
            inside = isinstance(entry, dict) and any(other.startswith(path + ".") for other in paths)
            kept[name] = _without(cast("dict[str, Any]", entry), paths, path + ".") if inside else entry
    return kept


PROFILES: Mapping[str, EndpointProfile] = {
    profile.name: profile
    for profile in (
        EndpointProfile(
            name="openai",
            base_url="wss://api.openai.com",
            key_variable="OPENAI_API_KEY",
            max_session_seconds=3600,
            defaults=VENDOR_DEFAULTS,
            calls=CallRules(),
        ),
        EndpointProfile(
            name="azure",
            path="/openai/v1/realtime?model={model}",  # the name of the deployment
            auth="header",
            auth_name="api-key",
            key_variable="AZURE_OPENAI_API_KEY",
            max_session_seconds=1800,
            unsupported=frozenset({"tracing"}),
            calls=CallRules(
                path="/openai/v1/realtime/calls",
                needs_secret=True,
                secrets_path="/openai/v1/realtime/client_secrets",
                unusable_query={"webrtcfilter": "on"},
            ),
        ),
        EndpointProfile(
            name="azure-preview",
            path="/openai/realtime?api-version=2025-04-01-preview&deployment={model}",
            auth="header",
            auth_name="api-key",
            naming="beta",
            key_variable="AZURE_OPENAI_API_KEY",
            max_session_seconds=1800,
            unsupported=frozenset({"tracing", "prompt", "audio.output.speed"}),
        ),
        EndpointProfile(
            name="xai",
            base_url="wss://api.x.ai",
            key_variable="XAI_API_KEY",
            rates=(24000, 8000, 16000, 22050, 32000, 44100, 48000),
            naming="xai",
            needs_model=False,
            unsupported=frozenset({"tracing", "prompt", "audio.input.noise_reduction", "audio.output.speed"}),
            # Its sessions begin without detection: spoken turns would never end.
            defaults=attrs.evolve(
                SERVER_DEFAULTS,
                transcription={"model": "grok-transcribe"},
                turn_detection={"type": "server_vad", "create_response": True, "interrupt_response": True},
            ),
        ),
        EndpointProfile(
            name="localai",
            base_url="ws://127.0.0.1:8080",
            g711=False,
            unsupported=frozenset({"tracing", "prompt", "audio.output.speed"}),
        ),
        EndpointProfile(
            name="speaches",
            base_url="ws://127.0.0.1:8000",
            naming="beta",
            g711=False,
            unsupported=frozenset({"tracing", "prompt", "audio.output.speed", "audio.input.noise_reduction"}),
        ),
        EndpointProfile(
            name="vllm-transcription",
            path="/v1/realtime",
            base_url="ws://127.0.0.1:8000",
            naming="vllm",
            kind="transcription",
            rates=(16000,),
            g711=False,
            needs_model=False,
            unsupported=frozenset({"tracing"}),
        ),
        EndpointProfile(name="generic", needs_model=False, calls=CallRules()),
    )
}
"""The profiles by name. Sources: the vendors' documentation and recorded sessions; see ``docs/endpoints.md``."""


def profile_named(profile: str | EndpointProfile) -> EndpointProfile:
    """The profile of that name; a profile is returned as it is.

    Raises:
        ConfigError: No profile has that name.
    """
    if isinstance(profile, EndpointProfile):
        return profile
    found = PROFILES.get(profile)
    if found is None:
        raise ConfigError(f"profile: {profile!r} is not one of {', '.join(sorted(PROFILES))}", key="profile")
    return found
