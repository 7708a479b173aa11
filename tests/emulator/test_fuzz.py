"""Whatever a client sends, the core answers: broken events are refused, and the session goes on."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from realtime_transport.emulator.kinds import SessionKind
from tests.emulator.conversation_driver import ConversationDriver, append, silence, speech, user_text

SOUND = [append(speech(0.4)), append(silence(0.4)), append(speech(0.3, start=5.0))]

EVENTS: list[dict[str, Any]] = [
    *SOUND,
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "response.create", "event_id": "e1"},
    {"type": "response.create", "response": {"conversation": "none", "input": [user_text("x")["item"]], "tools": []}},
    {"type": "response.create", "response": {"max_output_tokens": 5, "metadata": {"a": "b"}, "instructions": "i"}},
    {"type": "response.cancel"},
    user_text("hello"),
    user_text("/call f {}"),
    user_text("/say 1"),
    user_text("/mcp"),
    {**user_text("placed"), "previous_item_id": "root"},
    {"type": "conversation.item.create", "item": {"id": "item_1", **user_text("named")["item"]}},
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
    },
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "o"}},
    {"type": "conversation.item.retrieve", "item_id": "item_1"},
    {"type": "conversation.item.delete", "item_id": "item_1"},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 5},
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "turn_detection": {"type": "server_vad", "threshold": 0.4, "idle_timeout_ms": 5000},
                    "transcription": {"model": "whisper-1"},
                },
                "output": {"format": {"type": "audio/pcma"}, "voice": "ash", "speed": 1.0},
            },
            "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "s", "allowed_tools": ["t"]}],
            "output_modalities": ["text"],
            "tool_choice": "auto",
        },
    },
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu"}}}}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}},
    },
    {"type": "session.update", "session": {"type": "transcription", "audio": {"input": {"transcription": {}}}}},
]
ODD: list[Any] = [None, True, 0, -1, 1e9, "", "x", "root", [], [None], {}, {"type": "x"}, [{}], "AAAA", "audio/pcm"]


def mutated(chance: random.Random, event: Any) -> Any:
    """*event* with one thing in it changed, removed or added."""
    event = copy.deepcopy(event)
    node: Any = event
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return event
        key = chance.choice(keys)
        if isinstance(node[key], dict | list) and node[key] and chance.random() < 0.7:
            node = node[key]
            continue
        what = chance.random()
        if what < 0.4:
            node[key] = chance.choice(ODD)
        elif what < 0.7:
            del node[key]
        elif isinstance(node, dict):
            node[chance.choice(["type", "id", "x", "audio", "status"])] = chance.choice(ODD)
        return event


@pytest.mark.parametrize("kind", [SessionKind.REALTIME, SessionKind.TRANSCRIPTION])
@pytest.mark.parametrize("seed", range(5))
def test_nothing_gets_through(seed: int, kind: SessionKind) -> None:
    chance = random.Random(seed)
    talk = ConversationDriver.begin(kind, audio_speed=chance.choice([None, 1.0, 20.0]))
    for _ in range(150):
        event = chance.choice(EVENTS)
        if event not in SOUND and chance.random() < 0.5:
            event = mutated(chance, event)
        talk.say(event)
        talk.advance(chance.choice([0.0, 0.0, 0.05, 2.0]))
    talk.advance(60.0)
    started = [event["item_id"] for event in talk.of("input_audio_buffer.speech_started")]
    stopped = [event["item_id"] for event in talk.of("input_audio_buffer.speech_stopped")]
    assert set(stopped) <= set(started)
    created = [event["response"]["id"] for event in talk.of("response.created")]
    done = [event["response"]["id"] for event in talk.of("response.done")]
    assert sorted(created) == sorted(done)
    assert all(event["event_id"].startswith("event_") for event in talk.events)
    assert len({event["event_id"] for event in talk.events}) == len(talk.events)
