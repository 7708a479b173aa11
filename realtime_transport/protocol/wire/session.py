"""Sessions and the objects they consist of.

The server sends a session whole, a client sends the fields to change. Open enumerations are plain strings: a model,
a voice or a language that is new today must not need a new version of this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - the codec resolves annotations
from typing import Any, ClassVar, TypeAlias

import attrs

from .json_types import UNSET, Unset
from .model import WireObject, wire_model
from .objects import UnknownObject

__all__ = [
    "AudioFormatConfig",
    "AudioInput",
    "AudioOutput",
    "CustomVoice",
    "FunctionTool",
    "FunctionToolChoice",
    "InputTranscription",
    "McpApprovalFilter",
    "McpTool",
    "McpToolChoice",
    "McpToolFilter",
    "NoiseReduction",
    "PromptReference",
    "RealtimeSession",
    "Reasoning",
    "RetentionTruncation",
    "SemanticVad",
    "ServerVad",
    "Session",
    "SessionAudio",
    "Tool",
    "ToolChoice",
    "TracingConfig",
    "TranscriptionAudio",
    "TranscriptionSession",
    "TranslationAudio",
    "TranslationAudioOutput",
    "TranslationSession",
    "TruncationTokenLimits",
    "TurnDetection",
]


# Audio


@wire_model
class AudioFormatConfig(WireObject):
    """Encoding of audio on the wire.

    Attributes:
        type: ``audio/pcm`` (16-bit little-endian mono), ``audio/pcmu`` or ``audio/pcma`` (G.711, 8 kHz).
        rate: Samples per second; required for ``audio/pcm``, absent for G.711.
    """

    type: str | Unset | None = UNSET
    rate: int | Unset | None = UNSET


@wire_model
class NoiseReduction(WireObject):
    """Filter applied to input audio before turn detection and model.

    Attributes:
        type: ``near_field`` for headsets, ``far_field`` for microphones of laptops and rooms.
        strength: More is stronger; 1 when it is first switched on. Left out of an update it keeps its value.
    """

    type: str | Unset | None = UNSET
    strength: float | Unset | None = UNSET


@wire_model
class InputTranscription(WireObject):
    """How the user's speech is transcribed, by a model apart from the one that answers.

    Attributes:
        language: ISO 639-1 code of what is spoken.
        languages: Candidates, for the models that take several.
        keywords: Words to expect. Not sent back by the server.
        prompt: Hints; a list of words or free text, depending on the model.
        delay: ``minimal`` to ``xhigh``: wait for more accuracy. Not sent back by the server.
    """

    model: str | Unset | None = UNSET
    language: str | Unset | None = UNSET
    languages: Sequence[str] | Unset | None = UNSET
    keywords: Sequence[str] | Unset | None = UNSET
    prompt: str | Unset | None = UNSET
    delay: str | Unset | None = UNSET


@wire_model
class ServerVad(WireObject):
    """Turn detection by loudness.

    Attributes:
        threshold: 0 to 1; higher needs louder speech.
        prefix_padding_ms: Milliseconds of audio kept from before the detected speech.
        silence_duration_ms: Milliseconds of silence that end a turn.
        idle_timeout_ms: Milliseconds of silence after the model's last words until it speaks again by itself,
            5000 to 30000; null for never.
        create_response: Answer when a turn ends.
        interrupt_response: Cancel the active response when speech begins.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("server_vad", UNSET)

    type: str | Unset | None = "server_vad"
    threshold: float | Unset | None = UNSET
    prefix_padding_ms: int | Unset | None = UNSET
    silence_duration_ms: int | Unset | None = UNSET
    idle_timeout_ms: int | Unset | None = UNSET
    create_response: bool | Unset | None = UNSET
    interrupt_response: bool | Unset | None = UNSET


@wire_model
class SemanticVad(WireObject):
    """Turn detection by what is said.

    Attributes:
        eagerness: How long the server waits for more words: ``low`` 8 s at most, ``medium`` 4 s, ``high`` 2 s;
            ``auto`` is ``medium``.
        create_response: Answer when a turn ends.
        interrupt_response: Cancel the active response when speech begins.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("semantic_vad",)

    type: str | Unset | None = "semantic_vad"
    eagerness: str | Unset | None = UNSET
    create_response: bool | Unset | None = UNSET
    interrupt_response: bool | Unset | None = UNSET


TurnDetection: TypeAlias = ServerVad | SemanticVad | UnknownObject


@wire_model
class AudioInput(WireObject):
    """How the server treats the user's audio.

    Attributes:
        noise_reduction: Null switches it off.
        transcription: Null switches it off.
        turn_detection: Null means that the client ends each turn itself.
    """

    format: AudioFormatConfig | str | Unset | None = UNSET
    noise_reduction: NoiseReduction | Unset | None = UNSET
    transcription: InputTranscription | Unset | None = UNSET
    turn_detection: TurnDetection | Unset | None = UNSET


@wire_model
class CustomVoice(WireObject):
    """A custom voice; its id begins with ``voice_``."""

    id: str | Unset | None = UNSET


@wire_model
class AudioOutput(WireObject):
    """The model's audio.

    Attributes:
        voice: Name of a built-in voice or a custom one. Cannot be changed once audio was produced.
        speed: 0.25 to 1.5; can be changed between turns only.
    """

    format: AudioFormatConfig | str | Unset | None = UNSET
    voice: str | CustomVoice | Unset | None = UNSET
    speed: float | Unset | None = UNSET


@wire_model
class SessionAudio(WireObject):
    """Audio settings of a conversation."""

    input: AudioInput | Unset | None = UNSET
    output: AudioOutput | Unset | None = UNSET


@wire_model
class TranscriptionAudio(WireObject):
    """Audio settings of a transcription."""

    input: AudioInput | Unset | None = UNSET


@wire_model
class TranslationAudioOutput(WireObject):
    """The language to translate into."""

    language: str | Unset | None = UNSET


@wire_model
class TranslationAudio(WireObject):
    """Audio settings of a translation; always 24 kHz PCM."""

    input: AudioInput | Unset | None = UNSET
    output: TranslationAudioOutput | Unset | None = UNSET


# Tools


@wire_model
class FunctionTool(WireObject):
    """A function that the client runs.

    Attributes:
        parameters: JSON Schema of the arguments.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("function", UNSET)

    type: str | Unset | None = "function"
    name: str | Unset | None = UNSET
    description: str | Unset | None = UNSET
    parameters: Mapping[str, Any] | Unset | None = UNSET


@wire_model
class McpToolFilter(WireObject):
    """Some of the tools of an MCP server, by name or by being read-only."""

    tool_names: Sequence[str] | Unset | None = UNSET
    read_only: bool | Unset | None = UNSET


@wire_model
class McpApprovalFilter(WireObject):
    """Which tools always and which never need approval."""

    always: McpToolFilter | Unset | None = UNSET
    never: McpToolFilter | Unset | None = UNSET


@wire_model
class McpTool(WireObject):
    """An MCP server whose tools the Realtime server runs.

    Attributes:
        server_url: Its address; not needed with *connector_id* or *tunnel_id*.
        connector_id: A connector of the vendor. Models released after 2026-09-01 take *server_url* or *tunnel_id*.
        tunnel_id: A tunnel of the vendor to the server.
        authorization: OAuth token. Not shown in the repr, and neither are the headers.
        require_approval: ``always``, ``never``, or by tool.
        allowed_callers: ``direct``, ``programmatic``.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("mcp",)

    type: str | Unset | None = "mcp"
    server_label: str | Unset | None = UNSET
    server_url: str | Unset | None = UNSET
    connector_id: str | Unset | None = UNSET
    tunnel_id: str | Unset | None = UNSET
    authorization: str | Unset | None = attrs.field(default=UNSET, repr=False)
    headers: Mapping[str, str] | Unset | None = attrs.field(default=UNSET, repr=False)
    server_description: str | Unset | None = UNSET
    allowed_tools: Sequence[str] | McpToolFilter | Unset | None = UNSET
    allowed_callers: Sequence[str] | Unset | None = UNSET
    require_approval: str | McpApprovalFilter | Unset | None = UNSET
    defer_loading: bool | Unset | None = UNSET


Tool: TypeAlias = FunctionTool | McpTool | UnknownObject


@wire_model
class FunctionToolChoice(WireObject):
    """The model must call this function."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("function",)

    type: str | Unset | None = "function"
    name: str | Unset | None = UNSET


@wire_model
class McpToolChoice(WireObject):
    """The model must call a tool of this MCP server; with a name, that tool."""

    tags: ClassVar[tuple[str | Unset, ...]] = ("mcp",)

    type: str | Unset | None = "mcp"
    server_label: str | Unset | None = UNSET
    name: str | Unset | None = UNSET


ToolChoice: TypeAlias = str | FunctionToolChoice | McpToolChoice | UnknownObject
"""``"auto"``, ``"none"``, ``"required"``, or one tool."""


# Other settings


@wire_model
class TracingConfig(WireObject):
    """Labels for the vendor's traces of the session."""

    workflow_name: str | Unset | None = UNSET
    group_id: str | Unset | None = UNSET
    metadata: Mapping[str, Any] | Unset | None = UNSET


@wire_model
class PromptReference(WireObject):
    """A prompt that is stored with the vendor."""

    id: str | Unset | None = UNSET
    version: str | Unset | None = UNSET
    variables: Mapping[str, Any] | Unset | None = UNSET


@wire_model
class Reasoning(WireObject):
    """Settings of reasoning models.

    Attributes:
        effort: ``minimal``, ``low``, ``medium``, ``high`` or ``xhigh``.
    """

    effort: str | Unset | None = UNSET


@wire_model
class TruncationTokenLimits(WireObject):
    """Limits of the context.

    Attributes:
        post_instructions: Tokens that may follow the instructions.
    """

    post_instructions: int | Unset | None = UNSET


@wire_model
class RetentionTruncation(WireObject):
    """Drop more than needed when the context is full, so that the cache is hit more often.

    Attributes:
        retention_ratio: Share of the context to keep, 0 to 1.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("retention_ratio", UNSET)

    type: str | Unset | None = "retention_ratio"
    retention_ratio: float | Unset | None = UNSET
    token_limits: TruncationTokenLimits | Unset | None = UNSET


# Sessions


@wire_model
class RealtimeSession(WireObject):
    """A conversation with a speech-to-speech model.

    Attributes:
        type: ``realtime``. The server refuses an update without it.
        id: ``sess_...``; set by the server, as are ``object`` and ``expires_at``.
        expires_at: Unix time in seconds.
        model: Cannot be changed by an update.
        output_modalities: ``["audio"]``, which brings a transcript, or ``["text"]``.
        instructions: The system prompt; ``""`` clears it.
        tools: ``[]`` clears them.
        max_output_tokens: 1 to 4096 per response, or ``"inf"``.
        tracing: ``"auto"`` or labels; null switches it off. Cannot be changed once it is on.
        truncation: ``"auto"`` drops the oldest messages when the context is full, ``"disabled"`` makes that an error.
        include: Further output: ``item.input_audio_transcription.logprobs``.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("realtime", UNSET)

    type: str | Unset | None = "realtime"
    id: str | Unset | None = UNSET
    object: str | Unset | None = UNSET
    expires_at: int | Unset | None = UNSET
    model: str | Unset | None = UNSET
    output_modalities: Sequence[str] | Unset | None = UNSET
    instructions: str | Unset | None = UNSET
    audio: SessionAudio | Unset | None = UNSET
    tools: Sequence[Tool] | Unset | None = UNSET
    tool_choice: ToolChoice | Unset | None = UNSET
    parallel_tool_calls: bool | Unset | None = UNSET
    reasoning: Reasoning | Unset | None = UNSET
    max_output_tokens: int | str | Unset | None = UNSET
    truncation: str | RetentionTruncation | UnknownObject | Unset | None = UNSET
    tracing: str | TracingConfig | Unset | None = UNSET
    prompt: PromptReference | Unset | None = UNSET
    include: Sequence[str] | Unset | None = UNSET


@wire_model
class TranscriptionSession(WireObject):
    """Speech to text, without answers.

    Attributes:
        type: ``transcription``.
        expires_at: Unix time in seconds.
        include: Further output: ``item.input_audio_transcription.logprobs``.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("transcription",)

    type: str | Unset | None = "transcription"
    id: str | Unset | None = UNSET
    object: str | Unset | None = UNSET
    expires_at: int | Unset | None = UNSET
    audio: TranscriptionAudio | Unset | None = UNSET
    include: Sequence[str] | Unset | None = UNSET


@wire_model
class TranslationSession(WireObject):
    """Speech to speech in another language.

    Attributes:
        type: ``translation``; from the server only, an update is sent without it (``type=UNSET``).
        expires_at: Unix time in seconds.
        model: Cannot be changed by an update.
    """

    tags: ClassVar[tuple[str | Unset, ...]] = ("translation",)

    type: str | Unset | None = "translation"
    id: str | Unset | None = UNSET
    expires_at: int | Unset | None = UNSET
    model: str | Unset | None = UNSET
    audio: TranslationAudio | Unset | None = UNSET


Session: TypeAlias = RealtimeSession | TranscriptionSession | TranslationSession
