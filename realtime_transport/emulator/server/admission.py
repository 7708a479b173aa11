"""Decides which kind of session an upgrade request opens, or why it is refused.

The service answers 101 even to a bad key: the refusal follows as an ``error`` event and a close frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.emulator.conversation.session_object import DEFAULT_MODEL
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal

from .request_head import split_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .access import Access

__all__ = ["Admission", "Rejection", "UpgradeRequest", "admit", "check_model", "is_realtime_path"]

REALTIME_PATH = "/v1/realtime"
TRANSLATION_PATH = "/v1/realtime/translations"

_KEY_PROTOCOL = "openai-insecure-api-key."
_BETA_PROTOCOL = "openai-beta.realtime-v1"
_UNAUTHENTICATED = 3000
_BAD_SHAPE = 4000

# Models are matched by part of their name, so that new ones need no change here.
_REALTIME_FAMILIES = ("realtime", "audio")
_OTHER_FAMILIES = ("whisper", "transcribe", "translate")
_SECRET_HEADERS = ("authorization", "api-key", "cookie", "sec-websocket-protocol")


@attrs.frozen(kw_only=True)
class UpgradeRequest:
    """The parts of an upgrade request that are read."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case; of several headers of one name, all values, joined by commas."""

    @classmethod
    def parse(cls, target: str, headers: Iterable[tuple[str, str]]) -> UpgradeRequest | None:
        """From the request target and the raw headers; ``None`` if the target is malformed."""
        parts = split_target(target)
        if parts is None:
            return None
        joined: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        return cls(path=parts[0], query=parts[1], headers=joined)

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The subprotocols that the client offers."""
        offered = self.headers.get("sec-websocket-protocol", "")
        return tuple(name.strip() for name in offered.split(",") if name.strip())

    @property
    def token(self) -> str | None:
        """The bearer token, from the header or, as browsers send it, from a subprotocol."""
        return bearer_token(self.headers) or next(
            (name.removeprefix(_KEY_PROTOCOL) for name in self.subprotocols if name.startswith(_KEY_PROTOCOL)), None
        )

    @property
    def public_headers(self) -> dict[str, str]:
        """The headers that hold no key."""
        return {name: value for name, value in self.headers.items() if name not in _SECRET_HEADERS}


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of the ``Authorization`` header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


@attrs.frozen(kw_only=True)
class Admission:
    """What an admitted connection opens.

    Attributes:
        settings: Session settings of the client secret, which override the defaults.
        model_is_fixed: Whether the client named the model.
        call_id: The call to attach to.
    """

    kind: SessionKind
    model: str
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    model_is_fixed: bool = True
    call_id: str | None = None


@attrs.frozen(kw_only=True)
class Rejection:
    """Why a connection is refused: the error, and the close code that follows it."""

    refusal: Refusal
    close_code: int

    @property
    def close_reason(self) -> str:
        """``type.code``, as the service writes it."""
        code = self.refusal.code
        return f"{self.refusal.family}.{code}" if code else self.refusal.family


def is_realtime_path(path: str) -> bool:
    """Whether a WebSocket may be opened at *path*."""
    return path in _ROUTES


def admit(request: UpgradeRequest, access: Access, now: float) -> Admission | Rejection:
    """Decide about an upgrade request at Unix time *now*."""
    try:
        settings = _authenticate(request, access, now)
    except Refusal as refusal:
        return Rejection(refusal=refusal, close_code=_UNAUTHENTICATED)
    try:
        _check_no_beta(request)
        return _ROUTES[request.path](request, settings)
    except Refusal as refusal:
        return Rejection(refusal=refusal, close_code=_BAD_SHAPE)


def incorrect_key(token: str) -> Refusal:
    """The refusal of a wrong key; it shows the key's end, as the service does."""
    shown = f"{token[:3]}{'*' * 8}{token[-4:]}" if len(token) > 8 else "*" * len(token)
    return Refusal(f"Incorrect API key provided: {shown}.", code="invalid_api_key")


def _authenticate(request: UpgradeRequest, access: Access, now: float) -> Mapping[str, Any]:
    token = request.token
    if token is None:
        raise Refusal("Missing bearer or basic authentication in header", code=None)
    if not access.accepts(token, now):
        raise incorrect_key(token)
    secret = access.secret(token)
    return secret.session if secret is not None else {}


def _check_no_beta(request: UpgradeRequest) -> None:
    if "realtime=v1" in request.headers.get("openai-beta", "") or _BETA_PROTOCOL in request.subprotocols:
        raise Refusal(
            "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
            code="beta_api_shape_disabled",
        )


def _admit_translation(request: UpgradeRequest, settings: Mapping[str, Any]) -> Admission:
    model = request.query.get("model") or settings.get("model")
    return Admission(kind=SessionKind.TRANSLATION, model=_named(model), settings=settings)


def _admit_realtime(request: UpgradeRequest, settings: Mapping[str, Any]) -> Admission:
    query = request.query
    model = query.get("model") or settings.get("model")
    intent = query.get("intent")
    if intent == "transcription" or (intent is None and not query and settings.get("type") == "transcription"):
        return Admission(kind=SessionKind.TRANSCRIPTION, model="", settings=settings)
    if intent is not None:
        raise Refusal(f"Invalid intent: '{intent}'.", code="invalid_intent", param="intent")
    if call_id := query.get("call_id"):
        return Admission(
            kind=SessionKind.REALTIME,
            model=model or DEFAULT_MODEL,
            settings=settings,
            model_is_fixed=model is not None,
            call_id=call_id,
        )
    model = _named(model)
    check_model(model)
    return Admission(kind=SessionKind.REALTIME, model=model, settings=settings)


def check_model(model: str) -> None:
    """Check that *model* is a model for conversations.

    Raises:
        Refusal: It is not.
    """
    if not any(family in model for family in _REALTIME_FAMILIES) or any(family in model for family in _OTHER_FAMILIES):
        raise Refusal(f"Model '{model}' is not supported in realtime mode.", code="invalid_model", param="model")


# The routes for WebSockets. A protocol at another path is one more row.
_ROUTES: Mapping[str, Callable[[UpgradeRequest, Mapping[str, Any]], Admission]] = {
    REALTIME_PATH: _admit_realtime,
    TRANSLATION_PATH: _admit_translation,
}


def _named(model: str | None) -> str:
    if not model:
        raise Refusal("You must provide a model parameter.", code="missing_model", param="model")
    return model
