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
