"""What a responder receives and what it replies: text, audio and calls. The response scheduler decides when it is sent.

A *responder* is any callable from a `Turn` to a `Reply`. It is called once for each response; it must not wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs

from realtime_transport.argument_names import named_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_transport.emulator.sound import AudioClip

__all__ = [
    "Abort",
    "Action",
    "ApprovalAnswer",
    "CloseConnection",
    "Expire",
    "Failure",
    "FunctionCall",
    "FunctionOutput",
    "Input",
    "ListMcpTools",
    "McpApprovalRequest",
    "McpCall",
    "Output",
    "Refuse",
    "Reply",
    "Responder",
    "SendEvent",
    "SendText",
    "SetRateLimit",
    "Speech",
    "StopAnswering",
    "Turn",
    "UserAudio",
    "UserImage",
    "UserText",
]


# Inputs of the user


@attrs.frozen
class UserText:
    """The user wrote something."""

    text: str


@attrs.frozen
class UserAudio:
    """The user spoke."""

    clip: AudioClip
    transcript: str | None = None


@attrs.frozen
class UserImage:
    """The user showed a picture.

    Attributes:
        media_type: Such as ``image/png``.
        size: Bytes of the file.
    """

    media_type: str
    size: int


@attrs.frozen
class FunctionOutput:
    """A function returned.

    Attributes:
        name: Name of the function, if its call is known.
    """

    name: str | None
    output: str


@attrs.frozen(kw_only=True)
class ApprovalAnswer:
    """The user allowed or forbade an MCP call."""

    request_id: str
    server_label: str
    name: str
    arguments: str
    approve: bool
    reason: str | None = None


Input = UserText | UserAudio | UserImage | FunctionOutput | ApprovalAnswer


@attrs.frozen(kw_only=True)
class Turn:
    """The input of a response.

    Attributes:
        number: 1 for the first response of the session.
        inputs: The inputs since the last response, oldest first; or those in ``response.input``.
        session: The session object, as on the wire.
        instructions: The instructions of this response only, if it has any.
        tools: Tools that may be called, as on the wire.
        tool_choice: As on the wire.
    """

    number: int
    inputs: Sequence[Input]
    session: Mapping[str, Any]
    instructions: str | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: Any = "auto"

    @property
    def text(self) -> str:
        """What the user wrote, one message a line."""
        return "\n".join(entry.text for entry in self.inputs if isinstance(entry, UserText))

    @property
    def words(self) -> str:
        """What the user wrote or said, the latter as transcribed."""
        said = (
            entry.text if isinstance(entry, UserText) else entry.transcript or ""
            for entry in self.inputs
            if isinstance(entry, UserText | UserAudio)
        )
        return "\n".join(part for part in said if part)

    def tool(self, name: str) -> Mapping[str, Any] | None:
        """The function tool of that name."""
        return next((t for t in self.tools if t.get("type", "function") == "function" and t["name"] == name), None)


# Outputs of the assistant


@attrs.frozen(kw_only=True)
class Speech:
    """An assistant message: spoken, or written where the response has text output.

    Attributes:
        text: The text, or the transcript of the speech.
        audio: The sound of it; if not given, synthetic speech-like sound that suits the text.
        seconds: The length of that sound; if not given, it follows from the text.
    """

    text: str
    audio: AudioClip | None = None
    seconds: float | None = None


@named_fields
@attrs.frozen(kw_only=True)
class FunctionCall:
    """A function call.

    Attributes:
        name: Name of the function.
        arguments: JSON text, or malformed text, as a model may write it.
        call_id: Identifies the call; a new one if not given.
    """

    name: str
    arguments: str = "{}"
    call_id: str | None = None


@attrs.frozen(kw_only=True)
class McpApprovalRequest:
    """The server asks whether it may run an MCP tool."""

    server_label: str
    name: str
    arguments: str = "{}"


@attrs.frozen(kw_only=True)
class McpCall:
    """The server runs an MCP tool.

    Attributes:
        output: What the tool returned; ``None`` if it failed.
        error: Why it failed.
    """

    server_label: str
    name: str
    arguments: str = "{}"
    approval_request_id: str | None = None
    output: str | None = None
    error: str | None = None


Output = Speech | FunctionCall | McpApprovalRequest | McpCall


# What the server does to the connection before or instead of an answer


@attrs.frozen(kw_only=True)
class Refuse:
    """An ``error`` event whose ``event_id`` is that of the ``response.create``."""

    code: str
    message: str | None = None


@attrs.frozen(kw_only=True)
class CloseConnection:
    """A close frame."""

    code: int = 1000
    reason: str = ""


@attrs.frozen
class Abort:
    """Reset TCP, without a close frame."""


@attrs.frozen
class StopAnswering:
    """Send nothing from now on: no events, no pongs, no CLOSE. Received messages are ignored."""


@attrs.frozen
class Expire:
    """The end of the maximum duration of a session."""


@attrs.frozen
class SendText:
    """A text frame as it is, JSON or not."""

    text: str = attrs.field(repr=lambda text: f"<{len(text)} characters>")


@attrs.frozen
class SendEvent:
    """An event of any type; an ``event_id`` is added."""

    event: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class SetRateLimit:
    """``rate_limits.updated`` with this many tokens left."""

    remaining: int = 0


@attrs.frozen(kw_only=True)
class ListMcpTools:
    """The server lists the tools of an MCP server, unless it has done so already."""

    server_label: str
    tool_names: Sequence[str] = ()


Action = Refuse | CloseConnection | Abort | StopAnswering | Expire | SendText | SendEvent | SetRateLimit | ListMcpTools


@attrs.frozen(kw_only=True)
class Failure:
    """How a response fails."""

    code: str
    message: str | None = None
    type: str = "server_error"


@attrs.frozen(kw_only=True)
class Reply:
    """The answer to a turn.

    Attributes:
        outputs: The items of the response, in order; ``None``: there is no response, only *before*.
        before: The actions before the response.
        delay: Seconds between ``response.created`` and the first output.
        pace: Seconds over which each message is spread; ``None``: as fast as the emulator speaks.
        failure: The response ends ``failed`` after its outputs.
        incomplete: The response ends ``incomplete`` after its outputs, for this reason.
        interleaved: Whether all outputs begin at once and their deltas alternate; otherwise one output ends before the
            next begins.
    """

    outputs: Sequence[Output] | None = ()
    before: Sequence[Action] = ()
    delay: float = 0.0
    pace: float | None = None
    failure: Failure | None = None
    incomplete: str | None = None
    interleaved: bool = False


class Responder(Protocol):
    """Decides what the model replies."""

    def __call__(self, turn: Turn, /) -> Reply:
        """Answer *turn*. Called once for each response, on the event loop: it must not wait."""
        ...
