"""Every exception that the package raises.

The class says who is at fault and what state is left:

* `ProtocolError`: a rule of the protocol was broken, by the caller (`LocalProtocolError`: nothing has
  changed) or by the peer (`RemoteProtocolError`).
* `TransportError`: the connection could not be made (`ConnectError`) or did not last (`ConnectionLost`,
  `ConsumerTooSlow`).
* `NotConnectedError`, `UnsupportedOperation`, `ConfigError`: the call is not possible now, on this
  transport, or with these values.

Facts are attributes; the message is text for people, and no code compares it.
"""

from __future__ import annotations

from reprlib import Repr
from typing import TYPE_CHECKING, NoReturn

import anyio

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AuthenticationError",
    "CallbackError",
    "ConfigError",
    "ConnectError",
    "ConnectionLost",
    "ConsumerTooSlow",
    "DecodeError",
    "DeviceLost",
    "ListenerError",
    "LocalProtocolError",
    "MessageTooBig",
    "MissingExtraError",
    "ModelBehaviorError",
    "NegotiationError",
    "NotConnectedError",
    "OutputGuardrailTripwireTriggered",
    "ProtocolError",
    "RealtimeError",
    "RemoteProtocolError",
    "RequestError",
    "SetupTimeout",
    "ToolError",
    "TransportError",
    "UnsupportedOperation",
    "UpgradeRejected",
    "UpgradeUnauthorized",
    "WebhookError",
]


class RealtimeError(Exception):
    """Base class of all errors of this package."""


class ProtocolError(RealtimeError):
    """A rule of the protocol was broken."""


class LocalProtocolError(ProtocolError):
    """The caller did something that the protocol does not allow now. Nothing has changed."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that breaks the protocol. The connection is kept unless a close follows."""


class DecodeError(RemoteProtocolError):
    """A message of the peer could not be read.

    Attributes:
        path: Where in the message, as a dotted path; empty for the message as a whole.
        message_type: The wire type of the message, if that much could be read.
        size: Length of the message in characters or bytes. The content is never kept here.
    """

    def __init__(self, reason: str, *, path: str = "", message_type: str | None = None, size: int = 0) -> None:
        super().__init__(reason)
        self.path = path
        self.message_type = message_type
        self.size = size


class MessageTooBig(RemoteProtocolError):
    """The peer sent a message above ``max_message_bytes``; the connection was closed with 1009.

    Attributes:
        limit: The limit in bytes.
        size: The size that the frame announced, in bytes, if it was known.
    """

    def __init__(self, reason: str, *, limit: int, size: int | None = None) -> None:
        super().__init__(reason)
        self.limit = limit
        self.size = size


class TransportError(RealtimeError):
    """The connection could not be made or did not last."""


class ConnectError(TransportError, anyio.ConnectionFailed):
    """The connection could not be opened.

    Attributes:
        code: The machine-readable code of the server's error, or the close code as text, if there was one.
    """

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.code = code


class AuthenticationError(ConnectError):
    """The server did not accept the key.

    It answered with status 401 (then this is an `UpgradeUnauthorized`, too), or reported it before the session was
    ready.
    """


class UpgradeRejected(ConnectError):
    """The server answered the upgrade request with another status than 101, or refused an SDP offer.

    Attributes:
        status: The HTTP status code.
        body: The body of the answer as text, shortened to 64 KiB.
        headers: The headers of the answer by their names in lower case: ``retry-after``, ``x-request-id``.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int,
        body: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason, code=code)
        self.status = status
        self.body = body
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in (headers or {}).items()}


class UpgradeUnauthorized(UpgradeRejected, AuthenticationError):
    """The server answered the upgrade request, or an SDP offer, with 401: it did not accept the key."""


KEY_CODES = frozenset({"invalid_api_key", "invalid_authentication", "authentication_error", "invalid_token", "401"})
"""Error codes that mean that the key was refused."""


def upgrade_rejected(
    reason: str, *, status: int, body: str, code: str | None = None, headers: Mapping[str, str] | None = None
) -> UpgradeRejected:
    """The error for a refusal: `UpgradeUnauthorized` if the key is refused, else `UpgradeRejected`."""
    cls = UpgradeUnauthorized if status == 401 or code in KEY_CODES else UpgradeRejected
    return cls(reason, status=status, body=body, code=code, headers=headers)


def connect_error(reason: str, *, code: str | None) -> ConnectError:
    """The error for a refused connection: `AuthenticationError` if the key is refused, else `ConnectError`."""
    cls = AuthenticationError if code in KEY_CODES else ConnectError
    return cls(reason, code=code)


class NegotiationError(ConnectError):
    """The peers could not agree: a wrong accept key, a subprotocol that nobody offered, an unusable SDP answer."""


class SetupTimeout(ConnectError, TimeoutError):
    """A deadline passed before the session was ready.

    Attributes:
        phase: What the transport was waiting for: ``"key"``, ``"upgrade"``, ``"session"``; over WebRTC also
            ``"devices"``, ``"offer"``, ``"answer"``, ``"channel"``.
        timeout: The deadline in seconds.
    """

    def __init__(self, reason: str, *, phase: str, timeout: float) -> None:
        super().__init__(reason)
        self.phase = phase
        self.timeout = timeout


class ConnectionLost(TransportError, anyio.BrokenResourceError):
    """An open connection broke or was closed by the peer.

    Attributes:
        code: The WebSocket close code; ``None`` or 1006 when there was no close frame.
        reason: The reason that the peer gave, possibly empty.
    """

    def __init__(self, message: str, *, code: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class DeviceLost(TransportError, anyio.BrokenResourceError):
    """A sound device stopped while it was in use: it was unplugged, or the sound system failed."""


class ConsumerTooSlow(TransportError):
    """A subscription passed its bound because its consumer did not keep up.

    Attributes:
        limit: The bound that was passed.
        unit: ``"bytes"`` of audio or control ``"events"``.
    """

    def __init__(self, message: str, *, limit: int, unit: str) -> None:
        super().__init__(message)
        self.limit = limit
        self.unit = unit


class RequestError(TransportError):
    """A request to the REST interface failed or was refused.

    Attributes:
        status: The HTTP status; ``None`` if there was no answer.
        code: The machine-readable code of the service (``"call_id_not_found"``), if it gave one.
        param: The parameter at fault, as a dotted path, if the service named one.
        request_id: The ``x-request-id`` of the answer, for the vendor's support.
        body: The body of the answer as text, shortened to 64 KiB.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.body = body


class WebhookError(RealtimeError):
    """A webhook is not authentic or cannot be read.

    Attributes:
        problem: ``"header"`` (missing or malformed), ``"timestamp"`` (too old or in the future), ``"signature"``, or
            ``"payload"``.
    """

    def __init__(self, message: str, *, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


class NotConnectedError(RealtimeError):
    """The call needs an open connection and there is none. Nothing was sent or queued."""


class UnsupportedOperation(RealtimeError):
    """This transport cannot do that; the message says what to use instead."""


class ConfigError(RealtimeError, ValueError):
    """A setting has a wrong name, type or value.

    Attributes:
        key: Dotted path of the setting, as the caller spelled it; empty where no single one is at fault.
    """

    def __init__(self, message: str, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class ListenerError(RealtimeError):
    """A listener of a `RealtimeEmitter` raised; its exception is ``__cause__``.

    Attributes:
        event_name: The name of the event.
        event: The argument of the listener.
    """

    def __init__(self, message: str, *, event_name: str, event: object) -> None:
        super().__init__(message)
        self.event_name = event_name
        self.event = event


class CallbackError(RealtimeError):
    """A function that the application gave to an agent session raised; its exception is ``__cause__``.

    Attributes:
        role: The role of the function: ``"guardrail"``, ``"approval"``, ``"formatter"``, ``"handoff"`` or ``"agent"``.
        name: The name of the guardrail, tool or agent that it belongs to.
    """

    def __init__(self, message: str, *, role: str, name: str) -> None:
        super().__init__(message)
        self.role = role
        self.name = name


class ToolError(RealtimeError):
    """A tool raised, timed out, or returned a value without a text form; its exception is ``__cause__``.

    Attributes:
        tool_name: The tool.
        call_id: The call.
    """

    def __init__(self, message: str, *, tool_name: str, call_id: str) -> None:
        super().__init__(message)
        self.tool_name = tool_name
        self.call_id = call_id


class ModelBehaviorError(RemoteProtocolError):
    """The model called an unknown tool, or one with wrong arguments."""


class OutputGuardrailTripwireTriggered(RealtimeError):
    """A guardrail refused what the model said.

    Attributes:
        guardrail: The name of the guardrail.
        policy_hint: The reason that the model gets.
        output_info: The details of the guardrail's result.
    """

    def __init__(self, message: str, *, guardrail: str, policy_hint: str, output_info: object) -> None:
        super().__init__(message)
        self.guardrail = guardrail
        self.policy_hint = policy_hint
        self.output_info = output_info


class MissingExtraError(RealtimeError, ImportError):
    """A feature needs packages that are not installed; the message names the command that installs them."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {module!r}, which is not installed. In a checkout of realtime-transport: "
            f"python -m pip install '.[{extra}]'; with a wheel of it: python -m pip install 'FILE.whl[{extra}]'. "
            "It is on no index: what is there by this name is something else"
        )
        self.name: str | None = module
        self.extra = extra


def missing_extra(error: ImportError, extra: str) -> NoReturn:
    """Raise `MissingExtraError` for *error*, naming *extra*, the extra that brings the module.

    Raises:
        MissingExtraError: Always, from *error*.
    """
    raise MissingExtraError((error.name or str(error)).partition(".")[0], extra) from error


_REPR = Repr()
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist, _REPR.maxstring, _REPR.maxother = 3, 3, 3, 60, 60


def brief(value: object) -> str:
    """*value* in one short line, for error messages."""
    return _REPR.repr(value)[:80]
