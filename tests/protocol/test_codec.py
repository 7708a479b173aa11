"""What the codec does with messages that are not as documented, and with text that is no message."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import traceback
import tracemalloc
from random import Random
from typing import Any

import attrs
import pytest

from realtime_transport.errors import DecodeError, LocalProtocolError
from realtime_transport.protocol.wire.client_events import ConversationItemCreate, SessionUpdate, UnknownClientEvent
from realtime_transport.protocol.wire.codec import (
    decode_client_event,
    decode_item,
    decode_server_event,
    decode_session,
    dumps,
    encode,
    loads,
)
from realtime_transport.protocol.wire.items import (
    AssistantMessageItem,
    FunctionCallItem,
    InputTextPart,
    McpCallItem,
    MessageItem,
    OutputAudioPart,
    OutputTextPart,
    UnknownItem,
    UnknownPart,
    UserMessageItem,
)
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import FieldProblem
from realtime_transport.protocol.wire.objects import (
    ServerError,
    TranscriptionDurationUsage,
    TranscriptionTokensUsage,
    UnknownObject,
)
from realtime_transport.protocol.wire.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferSpeechStarted,
    Ping,
    RateLimitsUpdated,
    ResponseDone,
    SessionUpdated,
    UnknownServerEvent,
)
from realtime_transport.protocol.wire.session import (
    AudioInput,
    AudioOutput,
    CustomVoice,
    FunctionTool,
    McpTool,
    NoiseReduction,
    RealtimeSession,
    RetentionTruncation,
    SemanticVad,
    ServerVad,
    SessionAudio,
    TranscriptionSession,
    TranslationSession,
)

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"x": value}
    return value


# Wrong types


def test_a_wrong_type_is_kept_and_reported() -> None:
    raw = {"type": "input_audio_buffer.speech_started", "event_id": 7, "audio_start_ms": "420", "item_id": None}
    event, problems = decode_server_event(raw)
    assert event == InputAudioBufferSpeechStarted(event_id=7, audio_start_ms="420", item_id=None)  # type: ignore[arg-type]
    assert problems == (
        FieldProblem(path="event_id", expected="string", got="integer"),
        FieldProblem(path="audio_start_ms", expected="integer", got="string"),
    )
    assert encode(attrs.evolve(event, raw={})) == raw


@pytest.mark.parametrize(
    ("value", "expected", "got"),
    [
        (True, "string or integer", "boolean"),
        (1.0, "string or integer", "number"),
        ([], "string or integer", "array"),
        ({}, "string or integer", "object"),
    ],
)
def test_an_integer_is_neither_a_boolean_nor_a_fraction(value: Any, expected: str, got: str) -> None:
    session, problems = decode_session({"type": "realtime", "max_output_tokens": value})
    assert session.max_output_tokens is value
    assert problems == (FieldProblem(path="max_output_tokens", expected=expected, got=got),)


def test_a_number_may_be_an_integer() -> None:
    session, problems = decode_session({"type": "realtime", "audio": {"output": {"speed": 1}}})
    assert problems == ()
    assert encode(session) == {"type": "realtime", "audio": {"output": {"speed": 1}}}


def test_a_wrong_type_deep_inside_spoils_nothing_around_it() -> None:
    raw = {
        "type": "session.updated",
        "session": {
            "type": "realtime",
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": "24000"}, "turn_detection": "server_vad"}},
            "tools": [{"type": "function", "name": 5}, "odd", None, {"type": "mcp", "server_label": "docs"}],
            "tracing": [],
        },
    }
    event, problems = decode_server_event(raw)
    assert isinstance(event, SessionUpdated)
    assert isinstance(event.session, RealtimeSession)
    assert isinstance(event.session.audio, SessionAudio)
    assert isinstance(event.session.audio.input, AudioInput)
    assert event.session.audio.input.turn_detection == "server_vad"
    assert event.session.tools == (FunctionTool(name=5), "odd", None, McpTool(server_label="docs"))  # type: ignore[arg-type]
    assert [(problem.path, problem.expected, problem.got) for problem in problems] == [
        ("session.audio.input.format.rate", "integer", "string"),
        ("session.audio.input.turn_detection", "object", "string"),
        ("session.tools[0].name", "string", "integer"),
        ("session.tools[1]", "object", "string"),
        ("session.tracing", "string or object", "array"),
    ]
    assert encode(attrs.evolve(event, raw={})) == raw


def test_odd_entries_do_not_spoil_the_others() -> None:
    limit = {"name": "tokens", "limit": 1, "remaining": 1, "reset_seconds": 0}
    raw = {"type": "rate_limits.updated", "rate_limits": [3, limit, ["x"], {}, None, limit | {"limit": "many"}]}
    event, problems = decode_server_event(raw)
    assert isinstance(event, RateLimitsUpdated)
    assert [problem.path for problem in problems] == ["rate_limits[0]", "rate_limits[2]", "rate_limits[5].limit"]
    assert event.rate_limits[1].reset_seconds == 0  # type: ignore[index]
    assert encode(attrs.evolve(event, raw={})) == raw


def test_null_is_never_a_problem() -> None:
    raw = {
        "type": "response.done",
        "response": {"output": [None], "usage": None, "id": None, "audio": {"output": None}},
    }
    event, problems = decode_server_event(raw)
    assert isinstance(event, ResponseDone)
    assert problems == ()
    assert encode(attrs.evolve(event, raw={})) == raw


# What is unknown


def test_an_unknown_event_is_an_event() -> None:
    raw = {"type": "brand.new", "event_id": "e1", "timestamp": 12, "session": {"type": "realtime"}}
    event, problems = decode_server_event(raw, sequence=4)
    assert event == UnknownServerEvent(
        type="brand.new", event_id="e1", extra={"timestamp": 12, "session": {"type": "realtime"}}
    )
    assert (event.type, event.sequence, event.raw, problems) == ("brand.new", 4, raw, ())
    assert encode(attrs.evolve(event, raw={})) == raw
    client, problems = decode_client_event(raw)
    assert client == UnknownClientEvent(type="brand.new", event_id="e1", extra=event.extra)
    assert encode(client) == raw
    assert problems == ()


@pytest.mark.parametrize("data", [{}, {"type": None}, {"type": 5}, {"type": ["error"]}], ids=str)
def test_an_event_needs_a_type(data: dict[str, Any]) -> None:
    for decode in (decode_server_event, decode_client_event):
        with pytest.raises(DecodeError) as caught:
            decode(data)
        assert caught.value.path == "type"


@pytest.mark.parametrize(
    ("raw", "item"),
    [
        ({"type": "new_item", "id": "i", "x": 1}, UnknownItem(type="new_item", id="i", extra={"x": 1})),
        ({"id": "i", "role": "user"}, UnknownItem(type=UNSET, id="i", extra={"role": "user"})),
        ({"type": None, "id": "i"}, UnknownItem(type=None, id="i")),
        ({"type": "message", "role": "narrator", "content": []}, MessageItem(role="narrator", content=())),
        ({"type": "message"}, MessageItem()),
        ({"type": "mcp_tool_call", "name": "f"}, McpCallItem(type="mcp_tool_call", name="f")),
        ({"type": "function_call", "name": "f"}, FunctionCallItem(name="f")),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "audio"}]},
            AssistantMessageItem(content=(OutputTextPart(type="text", text="a"), OutputAudioPart(type="audio"))),
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "smell", "of": "roses"}, {"text": "a"}]},
            UserMessageItem(
                content=(
                    UnknownPart(type="smell", extra={"of": "roses"}),
                    UnknownPart(extra={"text": "a"}),
                )
            ),
        ),
    ],
    ids=str,
)
def test_items_of_all_kinds(raw: dict[str, Any], item: Any) -> None:
    assert decode_item(raw) == (item, ())
    assert encode(item) == raw


@pytest.mark.parametrize("tag", [5, ["message"], {"type": "message"}, True, 1.5], ids=str)
def test_a_type_that_is_no_string_makes_an_unknown_item(tag: Any) -> None:
    item, problems = decode_item({"type": tag, "id": "i"})
    assert item == UnknownItem(type=tag, id="i")
    assert [problem.path for problem in problems] == ["type"]
    item, problems = decode_item({"type": "message", "role": tag})
    assert item == MessageItem(role=tag)
    assert [problem.path for problem in problems] == ["role"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "server_vad", "threshold": 0.5}, ServerVad(threshold=0.5)),
        ({"threshold": 0.5}, ServerVad(type=UNSET, threshold=0.5)),
        ({"type": "semantic_vad", "eagerness": "low"}, SemanticVad(eagerness="low")),
        ({"type": "mind_reading", "threshold": 1}, UnknownObject(type="mind_reading", extra={"threshold": 1})),
        ({"type": None}, UnknownObject(type=None)),
        (None, None),
    ],
    ids=str,
)
def test_turn_detection(raw: Any, expected: Any) -> None:
    data = {"type": "realtime", "audio": {"input": {"turn_detection": raw}}}
    session, problems = decode_session(data)
    assert session == RealtimeSession(audio=SessionAudio(input=AudioInput(turn_detection=expected)))
    assert problems == ()
    assert encode(session) == data


@pytest.mark.parametrize(
    ("raw", "cls"),
    [
        ({"type": "realtime"}, RealtimeSession),
        ({"type": "transcription"}, TranscriptionSession),
        ({"type": "translation"}, TranslationSession),
        ({"modalities": ["audio"], "voice": "ara"}, RealtimeSession),
        ({"type": "sculpture"}, RealtimeSession),
    ],
    ids=str,
)
def test_the_kind_of_a_session(raw: dict[str, Any], cls: type) -> None:
    session, problems = decode_session(raw)
    assert type(session) is cls
    assert problems == ()
    assert encode(session) == raw
    event, _ = decode_server_event({"type": "session.created", "session": raw})
    assert event.session == session  # type: ignore[attr-defined]


def test_values_of_several_kinds() -> None:
    raw = {
        "type": "realtime",
        "audio": {"output": {"voice": {"id": "voice_1"}}},
        "tools": [
            {"name": "f", "parameters": {"type": "object"}},
            {"type": "mcp", "allowed_tools": ["a"], "require_approval": {"never": {"read_only": True}}},
            {"type": "mcp", "allowed_tools": {"tool_names": ["a"]}, "require_approval": "always"},
            {"type": "teleport"},
        ],
        "tool_choice": {"type": "some_of", "n": 2},
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 5}},
        "tracing": {"workflow_name": "w"},
        "max_output_tokens": 7,
    }
    session, problems = decode_session(raw)
    assert problems == ()
    assert isinstance(session, RealtimeSession)
    assert session.audio == SessionAudio(output=AudioOutput(voice=CustomVoice(id="voice_1")))
    assert isinstance(session.tools, tuple)
    assert [type(tool) for tool in session.tools] == [FunctionTool, McpTool, McpTool, UnknownObject]
    assert session.tool_choice == UnknownObject(type="some_of", extra={"n": 2})
    assert isinstance(session.truncation, RetentionTruncation)
    assert encode(session) == raw


@pytest.mark.parametrize(
    ("usage", "cls"),
    [
        ({"type": "tokens", "input_tokens": 1}, TranscriptionTokensUsage),
        ({"type": "duration", "seconds": 2}, TranscriptionDurationUsage),
        ({"type": "barter", "goats": 1}, UnknownObject),
    ],
)
def test_transcription_usage(usage: dict[str, Any], cls: type) -> None:
    event, problems = decode_server_event(
        {"type": "conversation.item.input_audio_transcription.completed", "usage": usage}
    )
    assert isinstance(event, ConversationItemInputAudioTranscriptionCompleted)
    assert type(event.usage) is cls
    assert problems == ()


# What is written


def test_what_is_absent_is_not_written_and_null_is() -> None:
    update = SessionUpdate(session=RealtimeSession(audio=SessionAudio(input=AudioInput(turn_detection=None))))
    assert encode(update) == {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    }


def test_a_list_will_do_where_an_array_is_wanted() -> None:
    item = UserMessageItem(content=[InputTextPart(text="Hello")])
    assert encode(ConversationItemCreate(event_id="e", item=item)) == {
        "type": "conversation.item.create",
        "event_id": "e",
        "item": USER,
    }


def test_extra_does_not_override_a_field() -> None:
    assert encode(FunctionCallItem(name="f", extra={"name": "g", "type": "message", "x": 1})) == {
        "type": "function_call",
        "name": "f",
        "x": 1,
    }


def test_messages_may_hold_wire_classes() -> None:
    text = dumps({"type": "conversation.item.create", "item": UserMessageItem(content=[InputTextPart(text="Hello")])})
    assert loads(text) == {"type": "conversation.item.create", "item": USER}


@pytest.mark.parametrize("value", [object(), {1, 2}, nested(100_000), float], ids=["object", "set", "deep", "type"])
def test_what_has_no_form_in_json_is_refused(value: Any) -> None:
    with pytest.raises(LocalProtocolError):
        dumps({"type": "x", "value": value})


# Text


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", '{"type":"x"', "nonsense", "[]", '"text"', "5", "null", "[" * 100_000, '{"a":' * 100_000),
        *("{}", '{"type":null}', '{"type":5}', '{"type":{}}', '{"type":NaN}', '{"type":"x","a":Infinity}'),
        '\ufeff{"type":"x"}',
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_text_that_is_no_message(text: str) -> None:
    for data in (text, text.encode()):
        with pytest.raises(DecodeError) as caught:
            loads(data)
        assert caught.value.size == len(data)


def test_bytes_that_are_not_utf8() -> None:
    for data in (b'{"type":"\xff"}', '{"type":"x"}'.encode("utf-16")):
        with pytest.raises(DecodeError, match="not valid JSON"):
            loads(data)


def test_the_text_does_not_get_into_the_traceback() -> None:
    with pytest.raises(DecodeError) as caught:
        loads('{"type":"secret"')
    error: BaseException | None = caught.value
    while error is not None:
        assert not hasattr(error, "doc")
        error = error.__cause__ or error.__context__
    assert "secret" not in "".join(traceback.format_exception_only(caught.value))


def test_half_a_surrogate_pair_survives() -> None:
    text = r'{"type":"response.output_text.delta","delta":"\ud83d"}'
    raw = loads(text)
    assert raw["delta"] == "\ud83d"
    assert loads(dumps(encode(decode_server_event(raw)[0]))) == raw


@pytest.mark.parametrize("depth", [200, 500])
def test_deep_unknown_data_survives(depth: int) -> None:
    raw = {"type": "error", "error": {"x": nested(depth)}, "y": nested(depth)}
    event, problems = decode_server_event(loads(dumps(raw)))
    assert problems == ()
    assert dumps(encode(attrs.evolve(event, raw={}))) == dumps(raw)
    assert len(repr(event)) < 2000


def test_data_deeper_than_any_stack_neither_fails_to_decode_nor_to_encode() -> None:
    deep = nested(100_000)
    raw = {"type": "error", "error": {"type": deep, "x": deep}, "y": deep}
    event, [problem] = decode_server_event(raw)
    assert problem.path == "error.type"
    encoded = encode(attrs.evolve(event, raw={}))
    assert encoded["y"] is deep
    assert encoded["error"]["type"] is encoded["error"]["x"] is deep
    assert repr(event)


def test_a_server_that_invents_types_does_not_fill_the_memory() -> None:
    def decode(number: int) -> None:
        kind = str(number) * 200
        decode_server_event({"type": kind, "event_id": "e"})
        decode_item({"type": kind})
        decode_item({"type": "message", "role": kind, "content": [{"type": kind}]})

    decode(0)
    tracemalloc.start()
    try:
        for number in range(1000, 3000):
            decode(number)
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left < 200_000


# Values


def test_events_are_values() -> None:
    raw = {"type": "response.output_audio.delta", "item_id": "i", "delta": "A" * 5000, "obfuscation": "xx"}
    event, _ = decode_server_event(raw, sequence=3)
    same, _ = decode_server_event(dict(raw), sequence=9)
    assert event == same
    assert hash(event) == hash(same)
    assert event != decode_server_event(raw | {"item_id": "j"})[0]
    assert event != "event"
    for twin in (copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert twin == event
        assert (twin.raw, twin.sequence, twin.extra) == (raw, 3, {"obfuscation": "xx"})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.event_id = "other"  # type: ignore[misc]


def test_a_repr_shows_what_is_there_but_no_audio_and_no_secrets() -> None:
    event, _ = decode_server_event({"type": "response.output_audio.delta", "item_id": "i", "delta": "A" * 5000})
    assert repr(event) == "ResponseOutputAudioDelta(item_id='i', delta=<5000 characters>)"
    tool = McpTool(server_label="docs", authorization="sk-secret", headers={"key": "sk-secret"})
    assert repr(tool) == "McpTool(type='mcp', server_label='docs')"
    assert "<300 characters>" in repr(UnknownObject(extra={"nested": {"text": "A" * 300}}))


def test_unset_is_false_and_one() -> None:
    assert not UNSET
    assert repr(UNSET) == "UNSET"
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET


def test_cattrs_is_imported_at_the_first_use_only() -> None:
    code = (
        "import sys, realtime_transport.protocol.wire.codec as codec;"
        "before = 'cattrs' in sys.modules;"
        "codec.encode(codec.decode_item({'type': 'message'})[0]);"
        "print(before, 'cattrs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"


# Whatever comes

KEYS = (
    *("type", "role", "session", "item", "response", "part", "audio", "input", "output", "content", "tools", "format"),
    *("turn_detection", "usage", "error", "id", "delta", "extra", "raw", "sequence", "event_id", "x_new", "tags"),
)
TEXTS = ("message", "user", "function", "mcp", "server_vad", "text", "realtime", "translation", "tokens", "", "\ud83d")
TYPES = ("session.updated", "conversation.item.added", "response.done", "response.content_part.added", "unheard_of")


def anything(random: Random, depth: int) -> Any:
    """Return JSON that likes the words of the protocol, mostly in the wrong places."""
    match random.randrange(8 if depth else 5):
        case 0:
            return random.choice(TEXTS)
        case 1:
            return random.choice((0, -1, 2**53, 0.5, 1e300))
        case 2:
            return random.choice((True, False))
        case 3:
            return None
        case 4:
            return random.choice(([], {}))
        case 5:
            return [anything(random, depth - 1) for _ in range(3)]
        case _:
            return {key: anything(random, depth - 1) for key in random.sample(KEYS, 6)}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_goes_back_as_it_came(seed: int) -> None:
    random = Random(seed)
    for _ in range(200):
        raw = {key: anything(random, 4) for key in random.sample(KEYS, 6)} | {"type": random.choice(TYPES)}
        event, problems = decode_server_event(raw)
        assert encode(attrs.evolve(event, raw={})) == raw
        assert all(problem.path and problem.got != "null" for problem in problems)


def test_the_sign_of_life_of_another_vendor_has_a_class() -> None:
    raw = {"type": "ping", "event_id": "e", "timestamp": 1785214080296, "previous_item_id": None}
    event, problems = decode_server_event(raw)
    assert isinstance(event, Ping)
    assert not problems
    assert encode(event) == raw


def test_an_error_of_the_server_prints_its_message_however_long() -> None:
    long = "The model " + "really " * 60 + "does not exist."
    assert str(ServerError(message=long, code="model_not_found")) == f"{long} (model_not_found)"
    assert str(ServerError(type="server_error")) == "(server_error)"
    assert str(ServerError()) == "ServerError()"
    assert long not in repr(ServerError(message=long))


@pytest.mark.parametrize("strength", [0.5, 2])
@pytest.mark.parametrize(
    "kind",
    [{"type": "realtime"}, {"type": "transcription"}, {"type": "translation"}],
    ids=lambda kind: kind["type"],
)
def test_the_strength_of_noise_reduction(kind: dict[str, Any], strength: float) -> None:
    raw = {**kind, "audio": {"input": {"noise_reduction": {"type": "near_field", "strength": strength}}}}
    session: Any
    session, problems = decode_session(raw)
    assert not problems
    assert encode(session) == raw
    noise_reduction = session.audio.input.noise_reduction
    assert isinstance(noise_reduction, NoiseReduction)
    assert (noise_reduction.strength, noise_reduction.extra) == (strength, {})


def test_an_mcp_server_behind_a_tunnel() -> None:
    raw = {"type": "realtime", "tools": [{"type": "mcp", "server_label": "docs", "tunnel_id": "tun_1"}]}
    session: Any
    session, problems = decode_session(raw)
    assert not problems
    assert encode(session) == raw
    [tool] = session.tools
    assert (tool.tunnel_id, tool.extra) == ("tun_1", {})


def test_the_message_of_a_failed_response() -> None:
    details = {"type": "failed", "error": {"type": "server_error", "code": "c", "message": "out of order"}}
    raw = {"type": "response.done", "event_id": "e", "response": {"id": "r", "status_details": details}}
    event: Any
    event, problems = decode_server_event(raw)
    assert not problems
    assert encode(event) == raw
    assert event.response.status_details.error.message == "out of order"
