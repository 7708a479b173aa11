"""The response scheduler: starts responses, sends their events when they are due, and cancels them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.emulator.replies import (
    Abort,
    Action,
    CloseConnection,
    Expire,
    Input,
    ListMcpTools,
    Refuse,
    Responder,
    SendEvent,
    SendText,
    SetRateLimit,
    StopAnswering,
    Turn,
)
from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.objects import RateLimit

from . import usage
from .output_items import ResponseSettings
from .responder_input import tokens_of
from .response_run import ResponseRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_transport.protocol.wire.model import ServerEvent

    from .event_sender import EventSender
    from .history import Entry, History
    from .mcp import McpListings
    from .timer_queue import TimerQueue

__all__ = ["ResponseScheduler"]

MAX_BESIDE = 100
"""Responses out of band that may run at once."""

_TOKENS_PER_MINUTE = 40_000
_EXPIRED = "Your session hit the maximum duration of 60 minutes."


class OnResponseEnded(Protocol):
    """Called when a response of the conversation has ended."""

    def __call__(self, run: ResponseRun, now: float) -> None:
        """*run* has ended."""
        ...


@attrs.define(eq=False)
class ResponseScheduler:
    """Runs at most one response in the default conversation, and others out of band beside it.

    Args:
        sender: Sends events.
        timers: Calls the next step of a response when it is due.
        history: The default conversation.
        listings: MCP servers.
        responder: Decides what is said.
        conversation_id: Id of the default conversation.
        audio_speed: Seconds of audio sent in one second; ``None``: all at once.
        on_ended: Called when a response of the default conversation has ended.
    """

    _sender: EventSender
    _timers: TimerQueue
    _history: History
    _listings: McpListings
    _responder: Responder
    _conversation_id: str
    _audio_speed: float | None
    _on_ended: OnResponseEnded
    _active: ResponseRun | None = attrs.field(init=False, default=None)
    _beside: dict[str, ResponseRun] = attrs.field(init=False, factory=dict[str, ResponseRun])
    _turns: int = attrs.field(init=False, default=0)
    _tokens_left: int = attrs.field(init=False, default=_TOKENS_PER_MINUTE)

    # What a run needs of its host

    def emit(self, event: ServerEvent) -> None:
        """Send *event*."""
        self._sender.emit(event)

    def new_id(self, prefix: str) -> str:
        """A fresh identifier."""
        return self._sender.ids(prefix)

    def padding(self, text: str) -> dict[str, str]:
        """The ``obfuscation`` of a delta."""
        return self._sender.padding(text)

    def add_output(self, entry: Entry) -> str | None:
        """Put an item that is in progress into the conversation."""
        return self._history.append(entry)

    # What the conversation does

    @property
    def is_taken(self) -> bool:
        """Whether a response is active in the default conversation."""
        return self._active is not None

    def check_free(self) -> None:
        """Make sure that a response may begin in the default conversation.

        Raises:
            Refusal: One is active.
        """
        if self._active is not None:
            raise Refusal(
                "Conversation already has an active response in progress: "
                f"{self._active.id}. Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )

    def start(
        self,
        session: Mapping[str, Any],
        params: Mapping[str, Any],
        inputs: Sequence[Input],
        event_id: str | None,
        now: float,
        *,
        responder: Responder | None = None,
    ) -> None:
        """Ask the responder and begin what it says.

        Args:
            session: The session object.
            params: ``response`` of the ``response.create``, or nothing.
            inputs: What is to be answered.
            event_id: Of the ``response.create``, for an error.
            now: The time.
            responder: Who is asked instead of the session's responder.

        Raises:
            Refusal: A response is active, or too many run beside the conversation.
        """
        is_aside = params.get("conversation") == "none"
        if not is_aside:
            self.check_free()
        elif len(self._beside) >= MAX_BESIDE:
            raise Refusal(
                f"At most {MAX_BESIDE} responses may run beside the conversation at once.",
                code="rate_limit_exceeded",
                param="response.conversation",
            )
        self._turns += 1
        reply = (responder or self._responder)(_turn(self._turns, session, params, inputs))
        for action in reply.before:
            self._act(action, event_id)
        if reply.outputs is None or self._sender.is_over:
            return
        settings = _settings(session, params, inputs, None if is_aside else self._conversation_id)
        run = ResponseRun(self, settings, reply, self._audio_speed)
        if is_aside:
            self._beside[run.id] = run
        else:
            self._active = run
        run.begin()
        self._advance(run, now, now)

    def cancel(self, response_id: str | None, now: float) -> None:
        """Cancel a response for the client.

        Raises:
            Refusal: It is not active.
        """
        if response_id is None or (self._active is not None and response_id == self._active.id):
            run = self._active
        else:
            run = self._beside.get(response_id)
        if run is None:
            raise Refusal("Cancellation failed: no active response found", code="response_cancel_not_active")
        self._stop(run, "client_cancelled", now)

    def yield_to_user(self, now: float) -> None:
        """Cancel what is being said in the default conversation because the user speaks."""
        if self._active is not None:
            self._stop(self._active, "turn_detected", now)

    def expire(self) -> None:
        """End the session because its time is up."""
        self._sender.refuse(Refusal(_EXPIRED, code="session_expired"), None)
        self._sender.close(1001, _EXPIRED)

    # Steps

    def _advance(self, run: ResponseRun, started: float, now: float) -> None:
        """Do the next step of *run*. One callback is one step, so that a long reply does not hold others up."""
        after = run.advance()
        if run.is_done:
            self._ended(run, now)
        elif after is not None:
            self._timers.at(started + after, lambda then: None if run.is_done else self._advance(run, started, then))

    def _stop(self, run: ResponseRun, reason: str, now: float) -> None:
        run.stop(reason)
        self._ended(run, now)

    def _ended(self, run: ResponseRun, now: float) -> None:
        if run is self._active:
            self._active = None
        self._beside.pop(run.id, None)
        self._tokens_left = max(0, self._tokens_left - run.settings.input_tokens.total - run.tokens.total)
        self._send_rate_limits()
        if run.settings.conversation_id is not None:
            self._on_ended(run, now)

    def _send_rate_limits(self) -> None:
        used = _TOKENS_PER_MINUTE - self._tokens_left
        limit = RateLimit(
            name="tokens",
            limit=_TOKENS_PER_MINUTE,
            remaining=self._tokens_left,
            reset_seconds=round(60 * used / _TOKENS_PER_MINUTE, 3),
        )
        self._sender.emit(ev.RateLimitsUpdated(rate_limits=[limit]))

    def _act(self, action: Action, event_id: str | None) -> None:
        match action:
            case Refuse(code=code, message=message):
                text = message or f"The emulator was asked to refuse this with '{code}'."
                self._sender.refuse(Refusal(text, code=code), event_id)
            case CloseConnection(code=code, reason=reason):
                self._sender.close(code, reason)
            case Abort():
                self._sender.abort()
            case StopAnswering():
                self._sender.go_silent()
            case Expire():
                self.expire()
            case SendText(text):
                self._sender.send_text(text)
            case SendEvent(event):
                self._sender.emit_raw(dict(event))
            case SetRateLimit(remaining=remaining):
                self._tokens_left = remaining
                self._send_rate_limits()
            case ListMcpTools(server_label=label, tool_names=names):
                self._listings.announce(label, names)


def _turn(number: int, session: Mapping[str, Any], params: Mapping[str, Any], inputs: Sequence[Input]) -> Turn:
    return Turn(
        number=number,
        inputs=inputs,
        session=session,
        instructions=params.get("instructions"),
        tools=params.get("tools", session["tools"]),
        tool_choice=params.get("tool_choice", session["tool_choice"]),
    )


def _settings(
    session: Mapping[str, Any], params: Mapping[str, Any], inputs: Sequence[Input], conversation_id: str | None
) -> ResponseSettings:
    output = {**session["audio"]["output"], **params.get("audio", {}).get("output", {})}
    instructions = params.get("instructions", session["instructions"])
    voice = output["voice"]
    return ResponseSettings(
        conversation_id=conversation_id,
        modality=params.get("output_modalities", session["output_modalities"])[0],
        audio_format=AudioFormat.parse(output["format"]),
        voice=voice if isinstance(voice, str) else voice["id"],
        max_output_tokens=params.get("max_output_tokens", session["max_output_tokens"]),
        metadata=params.get("metadata"),
        input_tokens=usage.Tokens(text=usage.text_tokens(instructions)) + tokens_of(inputs),
    )
