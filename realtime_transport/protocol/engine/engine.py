"""The rules of the Realtime protocol for a client, without I/O.

The engine is told what happens (`Engine.receive_message`, the calls of the user, `Engine.handle_timer`) and when
(``now``, seconds of a monotonic clock), and says what follows: events for the application (`Engine.take_events`) and
messages for the server (`Engine.take_messages`). It is the same for every wire; what differs is its `EnginePolicy`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

from realtime_transport.errors import LocalProtocolError, RemoteProtocolError, UnsupportedOperation
from realtime_transport.protocol.config.defaults import DEFAULT_MODEL, NO_DEFAULTS, VENDOR_DEFAULTS
from realtime_transport.protocol.config.settings import SessionConfigInput, SessionSettings
from realtime_transport.protocol.wire.codec import dumps, loads

from . import requests
from .events import ErrorEvent, FunctionCallEvent, ItemUpdateEvent, McpApprovalRequestEvent
from .function_calls import FunctionCalls
from .history_diff import HistoryEditor
from .interruption import Interrupter
from .output_queue import Interest, ObservedOutput, Output, SendObserver
from .playback.ledger import PlaybackLedger
from .playback.server_playback import ServerPlayback
from .policy import CLIENT_PLAYBACK, EnginePolicy
from .reactions import Machines, Reactions
from .realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem, RealtimeToolCallItem, realtime_item
from .receiver import Receiver
from .responses.answer_gate import AnswerGate
from .responses.open_responses import OpenResponses
from .responses.sequencer import Phase, ResponseSequencer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Buffer

    from realtime_transport.protocol.vendors.profiles import EndpointProfile
    from realtime_transport.protocol.wire.model import ClientEvent, Event
    from realtime_transport.protocol.wire.objects import ServerError
    from realtime_transport.protocol.wire.responses import ResponseCreateParams
    from realtime_transport.protocol.wire.session import Session

    from .lanes import Outgoing
    from .playback.ledger import PlaybackPosition

__all__ = ["Engine"]


class Engine:
    """One client of the Realtime protocol.

    Calls of the user raise at once, and then nothing has changed; what the server sends never raises. The engine does
    not know whether there is a connection to send on: `LifeCycle.require_open` says so before anything is called here.

    Args:
        new_id: Makes an id that is unique on its connection, from what it is for (``"response_create"``).
        model: The model that ``session.update`` names.
        session_config: The configuration to open the session with.
        policy: What is special about the wire.
        create_timeout: Seconds to wait for an answer to ``response.create``; ``None`` waits for ever.
        profile: In what the server differs from the service.
        attached: The session exists already, as that of a call: what the caller does not name stays as it is.
        respond_after_all_calls: Ask for the next response when all calls of one are answered, not after each answer.
        playback_position: Is asked at an interruption how far playback has got; ``None`` if it does not know.
        observer: Sees what is sent.

    Raises:
        ConfigError: *session_config* has a setting of a wrong type or value.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[str], str],
        model: str = DEFAULT_MODEL,
        session_config: SessionConfigInput | None = None,
        policy: EnginePolicy = CLIENT_PLAYBACK,
        create_timeout: float | None = 30.0,
        profile: EndpointProfile | None = None,
        respond_after_all_calls: bool = False,
        attached: bool = False,
        playback_position: Callable[[], PlaybackPosition | None] | None = None,
        observer: SendObserver | None = None,
    ) -> None:
        dialect = None if profile is None else profile.dialect
        self._new_id = new_id
        self._policy = policy
        self._create_timeout = create_timeout
        self._read_at: float | None = None  # Messages of a read have been handled, and nothing was decided since.
        translate = None if profile is None else _translator(profile)
        self._output = Output(translate) if observer is None else ObservedOutput(translate, observer=observer)
        defaults = VENDOR_DEFAULTS if profile is None else profile.defaults
        self._of_vendor = defaults is VENDOR_DEFAULTS
        self._settings = SessionSettings(
            model, policy.default_format, policy.fixed_formats, NO_DEFAULTS if attached else defaults
        )
        self._initial_update = self._settings.start(session_config or {})
        self._opening = self._settings.newest_update
        self._sequencer = ResponseSequencer(new_id, create_timeout)
        self._ledger = PlaybackLedger(
            policy.playback_reported,
            policy.played_slack_ms,
            policy.ends_reported,
            policy.default_format,
            playback_position,
        )
        self._history = HistoryEditor(new_id)
        self._responses = OpenResponses()
        self._server_playback = ServerPlayback(policy.default_format)
        self._interrupter = Interrupter(
            policy, self._sequencer, self._responses, self._ledger, self._server_playback, self._output
        )
        self._calls = FunctionCalls()
        self._gate = AnswerGate(respond_after_all_calls)
        self._machines = Machines(
            self._settings,
            self._sequencer,
            self._responses,
            self._ledger,
            self._server_playback,
            self._history,
            self._interrupter,
            self._calls,
            self._gate,
            self._output,
        )
        self._reactions = Reactions(self._machines)
        self._receiver = Receiver(
            self._ledger,
            self._calls,
            self._gate,
            self._reactions,
            self._output,
            None if dialect is None else dialect.from_server,
        )

    # What the connection reads

    @property
    def of_vendor(self) -> bool:
        """The server is the vendor's own service, as far as is known: its models have the vendor's names."""
        return self._of_vendor

    @property
    def initial_session(self) -> Mapping[str, Any]:
        """The ``session`` that opens the connection: what the configuration says, completed by the defaults."""
        return self._initial_update

    @property
    def ready(self) -> bool:
        """``session.created`` has come on this connection."""
        return self._reactions.state.ready

    @property
    def session(self) -> Session | None:
        """The session as the server last described it."""
        return self._reactions.state.session

    @property
    def last_error(self) -> ServerError | None:
        """What the server last reported on this connection: the reason, if it closes now."""
        return self._reactions.state.last_error

    @property
    def configured(self) -> bool | None:
        """Whether the server has taken the ``session.update`` that opened the connection; ``None``: no answer yet."""
        return self._reactions.state.configured

    @property
    def refusal(self) -> ServerError | None:
        """Why the server has refused the ``session.update`` that opened the connection; ``None`` if it has not."""
        return self._reactions.state.refusal

    @property
    def model(self) -> str:
        """The model; a new one counts from the next ``session.update``."""
        return self._settings.model

    @model.setter
    def model(self, model: str) -> None:
        self._settings.model = model

    @property
    def tracing(self) -> Any:
        """The tracing that the connection was opened with; `UNSET` if its configuration did not say."""
        return self._settings.tracing

    @property
    def is_observed(self) -> bool:
        """Whether somebody sees what is sent: then `audio_sent` is to be called."""
        return isinstance(self._output, ObservedOutput)

    def audio_sent(self, text: str) -> None:
        """Note *text*, an ``input_audio_buffer.append`` that the connection has sent by itself."""
        self._output.audio_sent(text)

    @property
    def response_requested(self) -> bool:
        """A response was asked for and has not begun."""
        return self._sequencer.requested

    def part_played_by_server(self, response_id: str) -> tuple[str, int]:
        """Item and content index of what the server plays of a response; an empty item where it is not known."""
        return self._server_playback.part_of(response_id)

    def set_interest(self, interest: Interest) -> None:
        """Build from now on only events of the classes that *interest* accepts.

        Its answers are remembered: call this again whenever one changes.
        """
        self._output.set_interest(interest)

    def next_sequence(self) -> int:
        """A place in the order of events, for an event that the connection itself tells."""
        return self._output.next_sequence()

    def take_events(self) -> list[Event]:
        """The events since the last call, in order.

        The events in ``preceded_by`` of an event are not among them: they belong directly before it.
        """
        read_at, self._read_at = self._read_at, None
        if read_at is not None and self._sequencer.waiting:
            self._send_create(read_at)
        output = self._output
        if not output.events:
            return []
        events, output.events = output.events, []
        return events

    def take_messages(self) -> list[Outgoing]:
        """The messages to send since the last call, in order; after a read, with the create that it makes possible."""
        read_at, self._read_at = self._read_at, None
        if read_at is not None and self._sequencer.waiting:
            self._send_create(read_at)
        output = self._output
        if not output.messages:
            return []
        messages, output.messages = output.messages, []
        return messages

    def rehearsal(self) -> Engine:
        """A copy to try calls on: what it refuses, this one would refuse. What the copy has to say is never sent."""
        # Nobody is interested in what the copy emits: whoever is must not be copied along, nor who plays.
        position = self._ledger.position
        return deepcopy(self, {id(self._output): Output(), id(position): position})

    # Network and time

    def connection_opened(self, _now: float) -> None:
        """The connection is open: the session is configured at once."""
        self._reset()
        update = {"type": "session.update", "session": self._initial_update}
        self._output.send(update, self._opening)

    def receive_message(self, data: str | bytes, now: float) -> None:
        """A message has come. Never raises.

        All messages of one read are one step: hand each of them in, then call `take_messages` and `take_events`. The
        first of these calls ends the step and decides whether a ``response.create`` that waits may go out.

        Args:
            data: A text message as text; a binary one as bytes.
            now: The time.
        """
        self._receiver.receive(data, now)
        self._read_at = now

    def begin_close(self, _now: float) -> None:
        """Nothing is to be said before a connection is closed."""

    @property
    def finished(self) -> bool:
        """Nothing is to be waited for once all is sent."""
        return True

    def receive_eof(self, _now: float) -> None:
        """The connection has ended. What waited for it is dropped; the session remains to be read."""
        state = self._reactions.state
        self._reset()
        state.ready, self._reactions.state = False, state

    def get_timer(self) -> float | None:
        """When `handle_timer` is to be called, if nothing happens before."""
        return self._sequencer.deadline

    def handle_timer(self, now: float) -> None:
        """Act on the deadlines that have passed."""
        given_up = self._sequencer.handle_timer(now)
        if given_up is not None:
            error = RemoteProtocolError(f"response.create was not answered within {self._create_timeout} s")
            self._output.emit(ErrorEvent(sequence=self._output.next_sequence(), error=error, event_id=given_up))
        if self._sequencer.phase is Phase.IDLE:
            self._responses.forget_conversation()
        self._send_create(now)

    # The user

    def send_event(self, event: ClientEvent | Mapping[str, Any], now: float) -> None:
        """Send a client event as it is; a ``response.create`` waits until it may go out."""
        message = requests.client_event(event)
        if message["type"] == "response.create":
            # A copy: what waits must not change under the caller's hands.
            self._request(loads(dumps(message)), now)
            return
        texts = self._output.encode(message)
        if message["type"] == "response.cancel":
            self._interrupter.note_cancel(message.get("response_id"), now)
        self._output.send_encoded(texts, message)

    def send_message(
        self,
        message: requests.RealtimeUserInput,
        other_event_data: Mapping[str, Any] | None,
        trigger_response: bool,
        now: float,
    ) -> None:
        """Add a message of the user, and let the model answer if *trigger_response*."""
        self._add_item(requests.user_message(message, other_event_data), trigger_response, now)

    def add_image(self, image: str, trigger_response: bool, now: float) -> None:
        """Add an image (a ``data:`` URI) as a message of the user, and let the model answer if *trigger_response*."""
        self.send_message(requests.user_image(image), None, trigger_response, now)

    def send_audio(self, audio: Buffer, commit: bool) -> None:
        """Append *audio* to the input buffer, and end the user's turn if *commit*."""
        if self._policy.audio_refused is not None:
            raise UnsupportedOperation(self._policy.audio_refused)
        self._output.send_audio(requests.append_text(audio))
        if commit:
            self._output.send({"type": "input_audio_buffer.commit"})

    def send_function_call_output(
        self, call: FunctionCallEvent | Mapping[str, Any], output: object, start_response: bool, now: float
    ) -> None:
        """Answer a function call, and let the model go on if *start_response*.

        *output* is sent as it is if it is text, else as compact JSON.
        """
        answered, output = requests.function_call(call), requests.output_text(output)
        event = requests.function_output(answered.call_id, output)
        self._output.encode(event)  # What cannot be written is refused before anything has changed.
        answer = self._gate.handle_answer(answered.call_id, wants_response=start_response)
        self._calls.handle_answer(answered.id)
        self._add_item(event, answer, now)
        if answered.id:
            item = RealtimeToolCallItem(
                item_id=answered.id,
                name=answered.name,
                arguments=answered.arguments,
                status="completed",
                output=output,
                previous_item_id=answered.previous_item_id,
            )
            self._output.emit(ItemUpdateEvent(sequence=self._output.next_sequence(), item=item))

    def send_mcp_response(
        self,
        request: RealtimeMcpCallApprovalRequestItem | McpApprovalRequestEvent | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Allow or refuse an MCP call, perhaps with a reason."""
        self._output.send(requests.mcp_response(request, approved, reason))

    def update_session_config(self, config: SessionConfigInput, reset: bool) -> None:
        """Change the session: *config* on top of what this connection last sent, or of the defaults if *reset*."""
        session = self._settings.update(config, reset=reset)
        self._output.send({"type": "session.update", "session": session}, self._settings.newest_update)

    def build_session_payload(self, config: SessionConfigInput) -> dict[str, Any]:
        """The ``session`` that *config* alone gives, completed by the defaults. Nothing is sent."""
        return self._settings.preview(config)

    def request_response(self, options: ResponseCreateParams | Mapping[str, Any] | None, now: float) -> None:
        """Let the model answer; *options* are for this answer only.

        Requests without options that wait are answered together, others each for itself.
        """
        if options is None:
            self._sequencer.request({"type": "response.create"}, manual=False)
        else:
            self._request(loads(dumps(requests.response_create(options))), now)
        self._send_create(now)

    def reset_history(
        self,
        old: Sequence[RealtimeItem | Mapping[str, Any]],
        new: Sequence[RealtimeItem | Mapping[str, Any]],
    ) -> None:
        """Turn the history *old* of the conversation into *new*."""
        for event in self._history.plan([realtime_item(item) for item in old], [realtime_item(item) for item in new]):
            self._output.send(event)

    def cancel_response(self, now: float, response_id: str | None = None) -> None:
        """Stop the open responses, or *response_id*. What was received of them may be played."""
        self._interrupter.cancel(now, response_id)

    def interrupt(self, cancel_ongoing_response: bool, now: float, response_id: str | None = None) -> None:
        """Stop the model and playback, or only *response_id*."""
        self._interrupter.interrupt(now, cancel=cancel_ongoing_response, response_id=response_id)

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """*samples* samples of a content part, counted from its beginning, have reached the listener."""
        if samples < 0:
            raise LocalProtocolError(f"{samples} samples cannot have been played")
        self._ledger.report(item_id, content_index, samples)

    def audio_finished(self, item_id: str, content_index: int) -> None:
        """All of a content part has reached the listener."""
        self._ledger.finish(item_id, content_index)

    def _add_item(self, event: dict[str, Any], answer: bool, now: float) -> None:
        texts = self._output.encode(event)
        if answer:
            self._sequencer.request({"type": "response.create"}, manual=False)
        self._output.send_encoded(texts, event)
        self._send_create(now)

    def _request(self, event: dict[str, Any], now: float) -> None:
        """Ask for a response with settings of its own: beside the conversation at once, else when it may go out."""
        settings = event.get("response")
        if isinstance(settings, dict) and cast("dict[str, Any]", settings).get("conversation") == "none":
            self._responses.expected_beside += 1
            event_id = event.get("event_id")
            self._output.send(
                {**event, "event_id": event_id if isinstance(event_id, str) else self._new_id("response_create")}
            )
            return
        self._sequencer.request(event, manual=True)
        self._send_create(now)

    def _send_create(self, now: float) -> None:
        create = self._sequencer.take(now)
        if create is not None:
            self._output.send(create)

    def _reset(self) -> None:
        self._machines.reset()
        self._reactions.reset()
        self._receiver.reset()


def _translator(profile: EndpointProfile) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    dialect = profile.dialect

    def translate(message: dict[str, Any]) -> list[dict[str, Any]]:
        supported = profile.supported(message)
        if dialect is None or not supported:
            return [supported] if supported else []
        behind = dialect.behind(supported)
        return [dialect.to_server(supported), *([] if behind is None else [behind])]

    return translate
