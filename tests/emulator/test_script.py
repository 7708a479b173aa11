"""Scripts: conversations as data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from realtime_transport.emulator import Script
from realtime_transport.emulator.conversation.effects import AbortConnection, CloseWith, GoSilent
from realtime_transport.errors import ConfigError
from tests.emulator.conversation_driver import ConversationDriver, silence, speech

if TYPE_CHECKING:
    from pathlib import Path

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def begin(*rules: dict[str, Any], transcripts: list[str] | None = None, **session: Any) -> ConversationDriver:
    player = Script.parse({"rules": list(rules), "transcripts": transcripts or []}).player()
    return ConversationDriver.begin(responder=player, recognize=player.recognize, **session)


def said(talk: ConversationDriver) -> str:
    part = talk.of("response.done")[-1]["response"]["output"][-1]["content"][0]
    return part.get("text") or part["transcript"]


def test_the_first_rule_that_fits_answers() -> None:
    talk = begin(
        {"when": {"text": "WEATHER"}, "reply": {"text": "Sunny."}},
        {"when": {"pattern": r"\d+"}, "reply": {"text": "A number."}},
        {"when": {"turn": 3}, "reply": {"text": "Third."}},
        output_modalities=["text"],
    )
    answers = []
    for text in ("the weather of 5 days", "room 42", "anything", "anything"):
        talk.ask(text)
        answers.append(said(talk))
    assert answers == ["Sunny.", "A number.", "Third.", "You said: anything"]


def test_a_rule_may_be_used_up() -> None:
    talk = begin(
        {"times": 1, "reply": {"text": "Once."}},
        {"times": 2, "reply": {"text": "Twice."}},
        output_modalities=["text"],
    )
    answers = []
    for _ in range(4):
        talk.ask("x")
        answers.append(said(talk))
    assert answers == ["Once.", "Twice.", "Twice.", "You said: x"]


def test_what_is_spoken_is_known_from_the_script() -> None:
    talk = begin(
        {"when": {"spoken": True, "text": "oslo"}, "reply": {"calls": [{"name": "get_weather"}]}},
        {"when": {"function_output": "get_weather"}, "reply": {"text": "It rains."}},
        transcripts=["What is the weather in Oslo?"],
        tools=[TOOL],
        audio={"input": {"transcription": {"model": "whisper-1"}}},
    )
    talk.hear(speech(1.0) + silence(0.8))
    transcript = talk.one("conversation.item.input_audio_transcription.completed")["transcript"]
    assert transcript == "What is the weather in Oslo?"
    (call,) = talk.one("response.done")["response"]["output"]
    assert call["arguments"] == "{}"
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    talk.say({"type": "conversation.item.create", "item": output}, {"type": "response.create"})
    assert said(talk) == "It rains."
    talk.hear(speech(1.0) + silence(0.8))
    assert said(talk).endswith("seconds of speech)")  # The transcripts are used up.


def test_delay_pace_and_length() -> None:
    talk = begin({"reply": {"text": "a b c", "seconds": 2, "delay": 1.5, "pace": 4}})
    talk.ask("x")
    assert talk.types[-1] == "response.created"
    talk.advance(1.4)
    assert talk.of("response.output_item.added") == []
    talk.advance(4.0)
    assert talk.of("response.done") == []
    talk.advance(0.2)
    assert len(talk.of("response.output_audio.delta")) == 20
    assert talk.one("response.done")["response"]["status"] == "completed"


def test_calls_texts_and_echoes_in_one_reply() -> None:
    calls = [{"name": "get_weather", "arguments": {"city": "Oslo"}}, {"name": "f", "arguments": "not json"}]
    talk = begin({"reply": {"echo": True, "text": "wait", "calls": calls}}, output_modalities=["text"])
    talk.ask("x")
    output = talk.one("response.done")["response"]["output"]
    assert [item["type"] for item in output] == ["message", "message", "function_call", "function_call"]
    assert [item["arguments"] for item in output[2:]] == ['{"city":"Oslo"}', "not json"]


def test_endings_of_a_response() -> None:
    talk = begin(
        {"when": {"turn": 1}, "reply": {"fail": {"code": "c", "message": "m", "type": "t"}}},
        {"when": {"turn": 2}, "reply": {"text": "cut", "incomplete": "content_filter"}},
        {"when": {"turn": 3}, "reply": {"error": {"code": "e"}}},
        {"when": {"turn": 4}, "reply": {"directive": "/fail d"}},
        {"when": {"turn": 5}, "reply": {"tokens_left": 7, "send": ["{", {"type": "x.y"}]}},
    )
    for _ in range(5):
        talk.ask("x")
    responses = [event["response"] for event in talk.of("response.done")]
    assert responses[0]["status_details"]["error"] == {"type": "t", "code": "c", "message": "m"}
    assert responses[1]["status_details"] == {"type": "incomplete", "reason": "content_filter"}
    assert talk.one("error")["error"]["code"] == "e"
    assert responses[2]["status_details"]["error"]["code"] == "d"
    assert talk.one("x.y")["event_id"].startswith("event_")
    assert talk.one("(raw)")["text"] == "{"


@pytest.mark.parametrize(
    ("reply", "effect"),
    [
        ({"close": {"code": 1012, "reason": "r"}}, CloseWith(1012, "r")),
        ({"drop": True}, AbortConnection()),
        ({"mute": True}, GoSilent()),
    ],
)
def test_endings_of_a_connection(reply: dict[str, Any], effect: Any) -> None:
    talk = begin({"reply": reply})
    talk.ask("x")
    assert talk.others == [effect]


def test_each_session_plays_the_script_from_its_beginning() -> None:
    script = Script.parse({"rules": [{"times": 1, "reply": {"text": "Once."}}]})
    for _ in range(2):
        talk = ConversationDriver.begin(responder=script.player(), output_modalities=["text"])
        talk.ask("x")
        assert said(talk) == "Once."


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ([], ""),
        ({"rule": []}, "rule"),
        ({"rules": [{}]}, "rules[0].reply"),
        ({"rules": [{"reply": {"say": "x"}}]}, "rules[0].reply.say"),
        ({"rules": [{"when": {"turn": 0}, "reply": {}}]}, "rules[0].when.turn"),
        ({"rules": [{"when": {"pattern": "("}, "reply": {}}]}, "rules[0].when.pattern"),
        ({"transcripts": [5]}, "transcripts[0]"),
    ],
)
def test_mistakes_are_named(data: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Script.parse(data)
    assert caught.value.key == key


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"rules": [{"reply": {"text": "From a file."}}]}))
    assert Script.load(path).rules[0]["reply"] == {"text": "From a file."}
    path.write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        Script.load(path)


WEATHER = {"name": "get_weather", "arguments": {"city": "Oslo and its surroundings"}}


def kinds_of(response: dict[str, Any]) -> list[str]:
    return [item["type"] for item in response["output"]]


def test_calls_come_in_any_order_with_what_is_said() -> None:
    outputs = [
        {"call": WEATHER},
        {"text": "One."},
        {"call": WEATHER},
        {"call": WEATHER},
        {"text": "Two.", "seconds": 0.3},
    ]
    talk = begin({"reply": {"outputs": outputs}}, tools=[TOOL])
    talk.ask("x")
    kinds = ["function_call", "message", "function_call", "function_call", "message"]
    assert kinds_of(talk.one("response.done")["response"]) == kinds
    ends = [event["output_index"] for event in talk.of("response.output_item.done")]
    begins = [event["output_index"] for event in talk.of("response.output_item.added")]
    assert ends == begins == list(range(5))
    assert len({item["call_id"] for item in talk.one("response.done")["response"]["output"] if "call_id" in item}) == 3


def test_calls_and_speech_come_by_turns() -> None:
    outputs = [{"call": WEATHER}, {"text": "Let me look it up.", "seconds": 0.5}, {"call": WEATHER}]
    talk = begin({"reply": {"outputs": outputs, "interleaved": True}}, tools=[TOOL])
    talk.ask("x")
    types = [event["type"] for event in talk.events]
    added = [at for at, kind in enumerate(types) if kind == "response.output_item.added"]
    deltas = [event["output_index"] for event in talk.of("response.function_call_arguments.delta")]
    assert deltas[:4] == [0, 2, 0, 2]  # One after the other, not one after the end of the other.
    assert (
        max(added) < types.index("response.function_call_arguments.delta") < types.index("response.output_audio.done")
    )
    response = talk.one("response.done")["response"]
    assert (response["status"], kinds_of(response)) == ("completed", ["function_call", "message", "function_call"])
    for index, item in enumerate(response["output"]):
        if item["type"] == "function_call":
            pieces = [
                e["delta"] for e in talk.of("response.function_call_arguments.delta") if e["output_index"] == index
            ]
            assert json.loads("".join(pieces)) == json.loads(item["arguments"]) == WEATHER["arguments"]


def test_a_cancelled_response_closes_all_that_is_open() -> None:
    outputs = [{"text": "One.", "seconds": 5}, {"text": "Two.", "seconds": 5}]
    player = Script.parse({"rules": [{"reply": {"outputs": outputs, "interleaved": True}}]}).player()
    talk = ConversationDriver.begin(responder=player, audio_speed=1.0)
    talk.ask("x")
    talk.advance(1.0)
    talk.say({"type": "response.cancel"})
    response = talk.one("response.done")["response"]
    assert [item["status"] for item in response["output"]] == ["incomplete"] * 2
    assert len(talk.of("response.output_audio.done")) == 2


def test_a_call_may_be_nonsense_or_come_twice() -> None:
    broken = {"call": {"name": "nobody", "arguments": '{"city": ', "call_id": "call_1"}}
    half = {"call": {"name": "get_weather", "arguments": {"city": "\ud83d"}, "call_id": "call_1"}}
    talk = begin({"reply": {"outputs": [broken, half]}})
    talk.ask("x")
    calls = talk.one("response.done")["response"]["output"]
    assert [call["call_id"] for call in calls] == ["call_1", "call_1"]
    assert calls[0]["arguments"] == '{"city": '
    assert json.loads(calls[1]["arguments"]) == {"city": "\ud83d"}


@pytest.mark.parametrize(
    ("reply", "key"),
    [
        ({"outputs": [{}]}, "rules[0].reply.outputs[0]"),
        ({"outputs": [{"call": WEATHER}, {"call": WEATHER, "text": "x"}]}, "rules[0].reply.outputs[1]"),
        ({"outputs": [], "text": "x"}, "rules[0].reply.text"),
        ({"outputs": [{"call": {}}]}, "rules[0].reply.outputs[0].call.name"),
    ],
)
def test_outputs_that_are_none(reply: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Script.parse({"rules": [{"reply": reply}]})
    assert caught.value.key == key
