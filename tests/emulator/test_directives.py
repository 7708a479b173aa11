"""What the default responder says, and the texts that make it do something particular."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pybase64
import pytest

from realtime_transport.emulator.conversation.effects import AbortConnection, CloseWith, GoSilent
from realtime_transport.emulator.conversation.vad import Segmenter, SileroScorer, TurnRules
from realtime_transport.emulator.conversation.voice import VOICE_RATE, speech_like
from tests.emulator.conversation_driver import ConversationDriver, append, audio_of, shape, silence, speech, user_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CREATE = {"type": "response.create"}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.org", "allowed_tools": ["find", "read"]}


def said(talk: ConversationDriver) -> list[str]:
    """What the last response said, as text or transcript."""
    output = talk.of("response.done")[-1]["response"]["output"]
    parts = (item["content"][0] for item in output if item["type"] == "message")
    return [part.get("text") or part["transcript"] for part in parts]


def samples(audio: bytes) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.frombuffer(audio, "<i2").astype(float)


def test_text_is_said_back_audibly() -> None:
    talk = ConversationDriver.begin()
    text = "The quick brown fox jumps over the lazy dog. " * 4
    talk.ask(text)
    assert said(talk) == [f"You said: {text}"]
    audio = samples(audio_of(talk.events))
    assert 0.5 < len(audio) / 24000 / (len(text) / 15) < 1.5
    assert (audio**2).mean() ** 0.5 > 1000  # About -30 dB: nobody has to turn the volume up.


def test_the_made_up_voice_passes_for_speech() -> None:
    from realtime_transport.audio.formats import AudioFormat

    scores = SileroScorer(AudioFormat(encoding="audio/pcm", rate=VOICE_RATE)).feed(speech_like(6.0))
    assert sum(score > 0.5 for score in scores) > 0.8 * len(scores)
    segmenter = Segmenter(TurnRules())
    assert any(segmenter.score(score) for score in scores)


def test_speech_is_played_back() -> None:
    import numpy as np

    talk = ConversationDriver.begin()
    spoken = silence(0.4) + speech(2.0) + silence(0.4)
    talk.hear(spoken + silence(1.0))
    (start, end) = talk.core.record.segments[0]
    original, reply = samples((spoken + silence(1.0))[start * 48 : end * 48]), samples(audio_of(talk.events))
    assert len(reply) == len(original)
    assert np.corrcoef(reply, original)[0, 1] > 0.99


def test_a_picture_is_named_by_type_and_size() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    url = "data:image/jpeg;base64," + pybase64.b64encode(bytes(1234)).decode()
    event = user_text("")
    event["item"]["content"] = [{"type": "input_image", "image_url": url}]
    talk.say(event, CREATE)
    assert said(talk) == ["I see a picture of type image/jpeg and 1234 bytes."]


def test_say_gives_so_many_seconds() -> None:
    talk = ConversationDriver.begin()
    talk.ask("/say 8")
    assert len(audio_of(talk.events)) == 8 * 48000
    talk.ask("/say 1.5 and these words")
    assert said(talk) == ["and these words"]


def test_audio_comes_faster_than_real_time_but_not_at_once() -> None:
    talk = ConversationDriver.begin(audio_speed=10.0)
    talk.ask("/say 10")
    assert len(audio_of(talk.events)) == 4800  # 100 ms at first, at once.
    talk.advance(0.5)
    assert len(audio_of(talk.events)) == pytest.approx(5 * 48000, rel=0.05)
    talk.advance(0.5)
    assert len(audio_of(talk.events)) == 10 * 48000


def test_slow_is_paced() -> None:
    talk = ConversationDriver.begin()
    talk.ask("/slow 5")
    talk.advance(4.8)
    assert talk.of("response.done") == []
    talk.advance(0.3)
    assert talk.one("response.done")["response"]["status"] == "completed"
    written = ConversationDriver.begin(output_modalities=["text"])
    written.ask("/slow 5")
    written.advance(4.0)
    assert 3 < len(written.of("response.output_text.delta")) < 8
    assert written.of("response.done") == []


def test_calls_need_tools_of_the_session() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("/call nobody {}")
    assert said(talk) == ["The session has no tool named nobody."]


@pytest.mark.parametrize(
    "text", ["/say soon", "/say -1", "/call", "/close 99", "/close 1006", "/big 1000", "/mcp a b {"]
)
def test_nonsense_is_answered_in_words(text: str) -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask(text)
    assert said(talk)[0].startswith(f"I do not understand {text}")


@pytest.mark.parametrize("text", ["/hello there", "/", "not /say 5"])
def test_other_texts_are_no_directives(text: str) -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask(text)
    assert said(talk) == [f"You said: {text}"]


def test_error_refuses_the_response() -> None:
    talk = ConversationDriver.begin()
    talk.ask("/error some_code")
    error = talk.one("error")["error"]
    assert (error["code"], error["event_id"]) == ("some_code", "create")
    assert talk.of("response.created") == []
    talk.ask("and now")
    assert said(talk) == ["You said: and now"]


def test_fail_ends_the_response() -> None:
    talk = ConversationDriver.begin()
    talk.ask("/fail server_overloaded")
    assert shape(talk.events)[2:] == ["response.created", "response.done", "rate_limits.updated"]
    response = talk.one("response.done")["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["type"] == "failed"
    assert response["status_details"]["error"]["code"] == "server_overloaded"


def test_rate_limit() -> None:
    talk = ConversationDriver.begin()
    talk.ask("/rate-limit")
    assert shape(talk.events)[2:] == ["rate_limits.updated", "response.created", "response.done", "rate_limits.updated"]
    assert talk.of("rate_limits.updated")[0]["rate_limits"][0]["remaining"] == 1
    assert talk.one("response.done")["response"]["status_details"]["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("/close 1011 some reason", CloseWith(1011, "some reason")),
        ("/drop", AbortConnection()),
        ("/mute-close", GoSilent()),
    ],
)
def test_ends(text: str, effect: Any) -> None:
    talk = ConversationDriver.begin()
    talk.ask(text)
    assert talk.types == ["conversation.item.added", "conversation.item.done"]
    assert talk.others == [effect]


def test_odd_frames_come_before_a_normal_reply() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("/garbage")
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(talk.one("(raw)")["text"])
    talk.forget()
    talk.ask("/unknown")
    assert talk.types[2] == "emulator.unknown"
    talk.forget()
    talk.ask("/big 0.5")
    assert len(talk.one("(raw)")["text"]) == 500_000
    assert len(talk.of("response.done")) == 1


def test_mcp_from_the_listing_to_the_call() -> None:
    talk = ConversationDriver.begin()
    talk.say({"type": "session.update", "session": {"type": "realtime", "tools": [MCP]}})
    assert talk.types == [
        "session.updated",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "conversation.item.done",
        "mcp_list_tools.completed",
    ]
    listing = talk.one("conversation.item.done")["item"]
    assert [tool["name"] for tool in listing["tools"]] == ["find", "read"]
    talk.forget()
    talk.ask('/mcp docs read {"page": 1}')
    assert talk.of("mcp_list_tools.completed") == []  # Once is enough.
    (request,) = talk.one("response.done")["response"]["output"]
    assert (request["type"], request["name"], request["arguments"]) == ("mcp_approval_request", "read", '{"page": 1}')
    talk.forget()
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    create = {"type": "conversation.item.create", "item": answer, "previous_item_id": request["id"]}
    talk.say(create)
    kinds = shape(talk.events)
    assert kinds[:3] == ["conversation.item.added", "conversation.item.done", "response.created"]
    assert [kind for kind in kinds if "mcp" in kind] == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
    ]
    call = talk.one("response.done")["response"]["output"][0]
    assert (call["type"], call["approval_request_id"]) == ("mcp_call", request["id"])
    assert call["error"] is None
    assert said(talk)[0].startswith("read returned")


def test_mcp_without_a_server_and_without_consent() -> None:
    talk = ConversationDriver.begin(output_modalities=["text"])
    talk.ask("/mcp")
    assert "mcp_list_tools.completed" in talk.types
    (request,) = talk.one("response.done")["response"]["output"]
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": False, "reason": "no"}
    talk.say({"type": "conversation.item.create", "item": answer})
    assert said(talk) == ["You did not allow me to use search. Your reason: no"]


def test_mcp_that_needs_no_approval() -> None:
    talk = ConversationDriver.begin(tools=[{**MCP, "require_approval": "never"}])
    talk.ask("/mcp")
    assert talk.one("response.done")["response"]["output"][0]["type"] == "mcp_call"


def test_an_approval_while_something_is_said_waits_for_the_next_response() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.ask("/mcp")
    (request,) = talk.one("response.done")["response"]["output"]
    talk.ask("/say 5")
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    talk.say({"type": "conversation.item.create", "item": answer})
    talk.advance(6.0)
    assert talk.of("error") == []
    talk.forget()
    talk.say(CREATE)
    assert talk.of("response.output_item.added")[0]["item"]["type"] == "mcp_call"


def test_a_spoken_and_a_written_message_are_both_answered() -> None:
    talk = ConversationDriver.begin(audio={"input": {"turn_detection": None}})
    talk.say(append(speech(1.0)), {"type": "input_audio_buffer.commit"}, user_text("and this"), CREATE)
    spoken, written = said(talk)
    assert spoken == "You said: (1.0 seconds of speech)"
    assert written == "You said: and this"
