"""The schemas of what the service accepts: sessions, items, tools, response parameters.

A key that is not listed here is an unknown parameter. In `_nullable` fields null is a value, which
switches something off. In other optional fields it means the same as leaving the field out.
"""

from __future__ import annotations

from .schema import Anything, Array, Boolean, ByType, Field, FirstOf, Integer, Node, Number, Object, StringMap, Text

__all__ = ["CREATED_ITEM", "INPUT_ITEM", "REALTIME_SESSION", "RESPONSE", "TRANSCRIPTION_SESSION", "TRANSLATION_SESSION"]

_TEXT = Text()


def _optional(**nodes: Node) -> dict[str, Field]:
    return {name: Field(node) for name, node in nodes.items()}


def _nullable(**nodes: Node) -> dict[str, Field]:
    return {name: Field(node, nullable=True) for name, node in nodes.items()}


def _required(**nodes: Node) -> dict[str, Field]:
    return {name: Field(node, required=True) for name, node in nodes.items()}


def _constant(name: str) -> dict[str, Field]:
    return {"type": Field(Text(enum=(name,)), required=True)}


# The service accepts only 24 kHz; a lower rate was refused with integer_below_min_value (seen live). The G.711 formats
# have no rate in the schema; 8000, which is their rate, is accepted.
AUDIO_FORMAT = ByType(
    {
        "audio/pcm": Object(_constant("audio/pcm") | _required(rate=Integer(minimum=24000, maximum=24000))),
        "audio/pcmu": Object(_constant("audio/pcmu") | _optional(rate=Integer(minimum=8000, maximum=8000))),
        "audio/pcma": Object(_constant("audio/pcma") | _optional(rate=Integer(minimum=8000, maximum=8000))),
    }
)

# The type may be left out of an update that changes the strength alone.
_NOISE_REDUCTION = Object(_optional(type=Text(enum=("near_field", "far_field")), strength=Number(minimum=0.0)))

_TRANSCRIPTION = Object(
    _optional(
        model=_TEXT,
        languages=Array(of=_TEXT),
        keywords=Array(of=_TEXT),
        delay=Text(enum=("minimal", "low", "medium", "high", "xhigh")),
    )
    | _nullable(language=_TEXT, prompt=_TEXT)
)

TURN_DETECTION = ByType(
    {
        "server_vad": Object(
            _constant("server_vad")
            | _optional(
                threshold=Number(minimum=0.0, maximum=1.0),
                prefix_padding_ms=Integer(minimum=0),
                silence_duration_ms=Integer(minimum=0),
                create_response=Boolean(),
                interrupt_response=Boolean(),
            )
            | _nullable(idle_timeout_ms=Integer(minimum=5000, maximum=30000))
        ),
        "semantic_vad": Object(
            _constant("semantic_vad")
            | _optional(
                eagerness=Text(enum=("low", "medium", "high", "auto")),
                create_response=Boolean(),
                interrupt_response=Boolean(),
            )
        ),
    }
)

_VOICE = FirstOf(strings=_TEXT, objects=Object(_required(id=_TEXT)))
_MODALITIES = Array(of=Text(enum=("text", "audio")))
_MAX_TOKENS = FirstOf(strings=Text(enum=("inf",)), integers=Integer(minimum=1, maximum=4096))
_PROMPT = Object(_required(id=_TEXT) | _nullable(version=_TEXT, variables=Anything()))
_REASONING = Object(_optional(effort=Text(enum=("minimal", "low", "medium", "high", "xhigh"))))
_INCLUDE = Array(of=Text(enum=("item.input_audio_transcription.logprobs",)))

_TOOL_FILTER = Object(_optional(tool_names=Array(of=_TEXT), read_only=Boolean()))

TOOL = ByType(
    {
        "function": Object(
            _constant("function") | _required(name=_TEXT) | _optional(description=_TEXT, parameters=Anything())
        ),
        "mcp": Object(
            _constant("mcp")
            | _required(server_label=_TEXT)
            | _optional(
                server_url=_TEXT,
                connector_id=_TEXT,
                tunnel_id=_TEXT,
                authorization=_TEXT,
                server_description=_TEXT,
                defer_loading=Boolean(),
            )
            | _nullable(
                headers=StringMap(),
                allowed_tools=FirstOf(arrays=Array(of=_TEXT), objects=_TOOL_FILTER),
                allowed_callers=Array(of=Text(enum=("direct", "programmatic"))),
                require_approval=FirstOf(
                    strings=Text(enum=("always", "never")),
                    objects=Object(_optional(always=_TOOL_FILTER, never=_TOOL_FILTER)),
                ),
            )
        ),
    }
)

_TOOL_CHOICE = FirstOf(
    strings=Text(enum=("none", "auto", "required")),
    objects=ByType(
        {
            "function": Object(_constant("function") | _required(name=_TEXT)),
            "mcp": Object(_constant("mcp") | _required(server_label=_TEXT) | _nullable(name=_TEXT)),
        }
    ),
)

_TRUNCATION = FirstOf(
    strings=Text(enum=("auto", "disabled")),
    objects=Object(
        _constant("retention_ratio")
        | _required(retention_ratio=Number(minimum=0.0, maximum=1.0))
        | _optional(token_limits=Object(_optional(post_instructions=Integer(minimum=0))))
    ),
)

_TRACING = FirstOf(
    strings=Text(enum=("auto",)),
    objects=Object(_optional(workflow_name=_TEXT, group_id=_TEXT, metadata=Anything())),
)

_AUDIO_INPUT = Object(
    _optional(format=AUDIO_FORMAT)
    | _nullable(noise_reduction=_NOISE_REDUCTION, transcription=_TRANSCRIPTION, turn_detection=TURN_DETECTION)
)

REALTIME_SESSION = Object(
    _constant("realtime")
    | _optional(
        model=_TEXT,
        output_modalities=_MODALITIES,
        instructions=_TEXT,
        audio=Object(
            _optional(
                input=_AUDIO_INPUT,
                output=Object(
                    _optional(format=AUDIO_FORMAT, voice=_VOICE, speed=Number(minimum=0.25, maximum=1.5)),
                ),
            )
        ),
        tools=Array(of=TOOL),
        tool_choice=_TOOL_CHOICE,
        parallel_tool_calls=Boolean(),
        reasoning=_REASONING,
        max_output_tokens=_MAX_TOKENS,
        truncation=_TRUNCATION,
    )
    | _nullable(tracing=_TRACING, prompt=_PROMPT, include=_INCLUDE)
)

TRANSCRIPTION_SESSION = Object(
    _constant("transcription") | _optional(audio=Object(_optional(input=_AUDIO_INPUT))) | _nullable(include=_INCLUDE)
)

TRANSLATION_SESSION = Object(
    _optional(
        type=Text(enum=("translation",)),
        audio=Object(
            _optional(
                input=Object(
                    _nullable(transcription=Object(_optional(model=_TEXT)), noise_reduction=_NOISE_REDUCTION),
                ),
                output=Object(_optional(language=_TEXT)),
            )
        ),
    )
)

_ITEM_BASE = _optional(
    id=Text(max_length=512),
    object=Text(enum=("realtime.item",)),
    status=Text(enum=("completed", "incomplete", "in_progress")),
)

_PART_KEYS = frozenset({"text", "audio", "transcript", "image_url", "detail"})
_INPUT_TEXT = Object(_constant("input_text") | _required(text=_TEXT), others=_PART_KEYS)
_USER_PART = ByType(
    {
        "input_text": _INPUT_TEXT,
        "input_audio": Object(_constant("input_audio") | _required(audio=_TEXT) | _nullable(transcript=_TEXT)),
        "input_image": Object(
            _constant("input_image") | _required(image_url=_TEXT) | _optional(detail=Text(enum=("auto", "low", "high")))
        ),
    }
)
# A client cannot create assistant audio: the service requires the text of the part.
_ASSISTANT_PART = Object(
    {"type": Field(Text(enum=("output_text", "text", "output_audio", "audio")), required=True)}
    | _required(text=_TEXT)
    | _nullable(audio=_TEXT, transcript=_TEXT),
    others=_PART_KEYS,
)


def _message(role: str, part: Node) -> Object:
    fields = _constant("message") | _ITEM_BASE | _required(role=Text(enum=(role,)), content=Array(of=part))
    return Object(fields)


_MESSAGE = ByType(
    {
        "system": _message("system", ByType({"input_text": _INPUT_TEXT})),
        "user": _message("user", _USER_PART),
        "assistant": _message("assistant", _ASSISTANT_PART),
    },
    key="role",
)

_CREATED: dict[str, Object | ByType] = {
    "message": _MESSAGE,
    "function_call": Object(
        _constant("function_call") | _ITEM_BASE | _required(name=_TEXT, arguments=_TEXT) | _optional(call_id=_TEXT)
    ),
    "function_call_output": Object(
        _constant("function_call_output") | _ITEM_BASE | _required(call_id=_TEXT, output=_TEXT)
    ),
    "mcp_approval_response": Object(
        _constant("mcp_approval_response")
        | _ITEM_BASE
        | _required(approval_request_id=_TEXT, approve=Boolean())
        | _nullable(reason=_TEXT)
    ),
}

CREATED_ITEM = ByType(_CREATED)
"""The items of ``conversation.item.create``."""

INPUT_ITEM = ByType({**_CREATED, "item_reference": Object(_constant("item_reference") | _required(id=_TEXT))})
"""The items of ``response.input`` in ``response.create``."""

RESPONSE = Object(
    _optional(
        conversation=Text(enum=("auto", "none")),
        input=Array(of=INPUT_ITEM),
        instructions=_TEXT,
        output_modalities=_MODALITIES,
        audio=Object(_optional(output=Object(_optional(format=AUDIO_FORMAT, voice=_VOICE)))),
        tools=Array(of=TOOL),
        tool_choice=_TOOL_CHOICE,
        parallel_tool_calls=Boolean(),
        reasoning=_REASONING,
        max_output_tokens=_MAX_TOKENS,
    )
    | _nullable(metadata=StringMap(max_entries=16, max_key_length=64, max_value_length=512), prompt=_PROMPT)
)
