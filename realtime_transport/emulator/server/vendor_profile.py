"""Emulates another vendor's server: its path, its authentication, its names of events and fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import attrs

from realtime_transport.emulator.conversation.effects import CloseWith, Effect, SendFrame, SendServerEvent
from realtime_transport.emulator.conversation.session_object import DEFAULT_MODEL
from realtime_transport.errors import DecodeError
from realtime_transport.protocol.vendors.profiles import CallRules
from realtime_transport.protocol.wire.codec import dumps, encode, loads

from .admission import UpgradeRequest, bearer_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.protocol.vendors.dialect import Dialect
    from realtime_transport.protocol.vendors.profiles import EndpointProfile

    from .rest import HttpRequest
    from .websocket import Peer

__all__ = ["DialectPeer", "Mismatch", "as_our_call", "as_ours"]


@attrs.frozen
class Mismatch:
    """Why a request does not match a profile: an HTTP status and a text that names the difference."""

    status: int
    reason: str


def as_ours(request: UpgradeRequest, profile: EndpointProfile) -> UpgradeRequest | Mismatch:
    """The request that a client of the service would make, or how *request* differs from *profile*."""
    template = urlsplit(profile.path)
    if request.path != template.path:
        return Mismatch(404, f"the endpoint of {profile.name} is at {template.path}, not at {request.path}")
    fixed = {name: value for name, value in parse_qsl(template.query) if "{" not in value}
    for name, value in fixed.items():
        if request.query.get(name) != value:
            return Mismatch(404, f"{profile.name} wants {name}={value} in the query")
    named = [name for name, value in parse_qsl(template.query) if value == "{model}"]
    model = next((request.query[name] for name in named if request.query.get(name)), "")
    if named and profile.needs_model and not model:
        return Mismatch(400, f"{profile.name} wants the model as {named[0]}= in the query")
    for name, value in profile.headers.items():
        if request.headers.get(name.lower()) != value:
            return Mismatch(400, f"{profile.name} wants the header {name}: {value}")
    key = _key(request, profile)
    if key is None and profile.key_variable:
        return Mismatch(401, f"{profile.name} takes the key {_place(profile)}")
    headers = {name: value for name, value in request.headers.items() if name != "sec-websocket-protocol"}
    ours = {"intent": "transcription"} if profile.kind == "transcription" else {"model": _known(model)}
    return attrs.evolve(
        request, path="/v1/realtime", query=ours, headers={**headers, "authorization": f"Bearer {key or 'sk-none'}"}
    )


def as_our_call(request: HttpRequest, profile: EndpointProfile) -> HttpRequest | Mismatch:
    """The request about a WebRTC call that a client of the service would make, or how *request* differs.

    Other requests are returned as they are.
    """
    rules = profile.calls
    ours = CallRules()
    if rules is None or not request.path.startswith((rules.path, rules.secrets_path)):
        return request
    given = {name: value for name, value in request.headers.items() if name not in ("authorization", profile.auth_name)}
    upgrade = UpgradeRequest(path=request.path, query=request.query, headers=request.headers)
    token = bearer_token(request.headers)
    secret = token if token is not None and rules.is_secret(token) else None
    if request.path.startswith(rules.secrets_path):
        key, path = _key(upgrade, profile), request.path.replace(rules.secrets_path, ours.secrets_path, 1)
    else:
        key, path = secret, request.path.replace(rules.path, ours.path, 1)
        if secret is None and not rules.needs_secret:
            key = _key(upgrade, profile)
        if key is None and rules.needs_secret:
            return Mismatch(401, f"{profile.name} takes a client secret for a call, minted at {rules.secrets_path}")
    if key is None and profile.key_variable:
        return Mismatch(401, f"{profile.name} takes the key {_place(profile)}")
    if secret is not None and profile.auth == "header" and profile.auth_name.lower() in request.headers:
        return Mismatch(401, f"{profile.name} takes one credential for each request")
    return attrs.evolve(request, path=path, headers={**given, "authorization": f"Bearer {key or 'sk-none'}"})


def _key(request: UpgradeRequest, profile: EndpointProfile) -> str | None:
    match profile.auth:
        case "bearer" | "none":
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            return token.strip() or None if scheme.lower() == "bearer" else None
        case "header":
            return request.headers.get(profile.auth_name.lower())
        case "query":
            return request.query.get(profile.auth_name)
        case "subprotocol":
            return request.token if "authorization" not in request.headers else None


def _place(profile: EndpointProfile) -> str:
    places: Mapping[str, str] = {
        "bearer": "as Authorization: Bearer",
        "header": f"in the header {profile.auth_name}",
        "query": f"as {profile.auth_name}= in the query",
        "subprotocol": "as a subprotocol",
    }
    return places.get(profile.auth, "nowhere")


def _known(model: str) -> str:
    """A model that the emulator accepts, in place of another vendor's name."""
    return model if "realtime" in model else DEFAULT_MODEL


_NEW_NAMES = frozenset({"type", "audio", "output_modalities"})


@attrs.define(eq=False)
class DialectPeer:
    """A peer that speaks a dialect: translates on the way in and out."""

    _peer: Peer
    _dialect: Dialect
    _refused: list[Effect] = attrs.field(factory=list[Effect], init=False)
    _over: bool = attrs.field(default=False, init=False)

    def open(self, now: float) -> None:
        """Begin to serve the connection."""
        self._peer.open(now)

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a whole message."""
        if self._over:
            return
        try:
            given = loads(data)
        except DecodeError:
            self._peer.receive(data, now)
            return
        strange = self._new_names(given)
        if strange:
            self._refuse(strange)
        else:
            self._peer.receive(dumps(self._dialect.from_client(given)), now)

    def _new_names(self, message: dict[str, Any]) -> list[str]:
        session = message.get("session")
        if self._dialect.name == "vllm":
            return ["session"] if session is not None else []
        if self._dialect.name == "xai":
            return []
        return sorted(_NEW_NAMES & set(cast("dict[str, Any]", session))) if isinstance(session, dict) else []

    def _refuse(self, names: list[str]) -> None:
        self._over = True
        text = f"This endpoint speaks the {self._dialect.name} protocol, which has no {', '.join(names)} in a session."
        code = f"{self._dialect.name}_protocol_only"
        error = {"type": "invalid_request_error", "code": code, "message": text, "param": names[0]}
        self._refused = [SendFrame(dumps({"type": "error", "event_id": "event_refused", "error": error}))]
        self._refused.append(CloseWith(4000, f"invalid_request_error.{code}"))

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; ``None``: not at all."""
        return self._peer.get_timer()

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._peer.handle_timer(now)

    def take_effects(self) -> list[Effect]:
        """The effects on the connection, translated into the dialect."""
        refused, self._refused = self._refused, []
        return [self._translated(effect) for effect in self._peer.take_effects()] + refused

    def _translated(self, effect: Effect) -> Effect:
        if not isinstance(effect, SendServerEvent):
            return effect
        return SendFrame(dumps(self._dialect.to_client(encode(effect.event))))
