"""Whatever a server sends, the engine never raises, and what the user asked for still goes out."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from realtime_transport.errors import RealtimeError
from realtime_transport.events import ErrorEvent
from realtime_transport.protocol.engine.engine import Engine
from realtime_transport.protocol.engine.policy import CLIENT_PLAYBACK, SERVER_PLAYBACK

CATALOGUE = json.loads((Path(__file__).parents[1] / "data/protocol/events.json").read_text())
EXAMPLES = [event["example"] for event in CATALOGUE["server_events"]]
ODD: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "\ud800",
    [],
    {},
    [None],
    {"type": 5},
    [{"type": "message"}],
    "=" * 5000,
]


def spoil(value: Any, random: Random) -> Any:
    """*value* with something in it replaced, dropped or added."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        match random.randrange(4):
            case 0:
                return {name: entry for name, entry in value.items() if name != key}
            case 1:
                return value | {random.choice(["odd", "type", "id", "delta"]): random.choice(ODD)}
            case _:
                return value | {key: spoil(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        index = random.randrange(len(value))
        return [*value[:index], spoil(value[index], random), *value[index + 1 :], random.choice(ODD)]
    return random.choice(ODD)


def text_of(random: Random) -> str | bytes:
    raw = random.choice(EXAMPLES)
    for _ in range(random.randrange(3)):
        raw = spoil(raw, random)
    text = json.dumps(raw)
    if random.random() < 0.05:
        cut = random.randrange(len(text) + 1)
        text = text[:cut] + random.choice(["", "{", "\x00", '"', "é"]) + text[cut:]
    return text.encode() if random.random() < 0.02 else text


@pytest.mark.parametrize("seed", range(20))
def test_no_server_can_make_the_engine_raise(seed: int) -> None:
    random = Random(seed)
    numbers = itertools.count()
    policy = random.choice([CLIENT_PLAYBACK, SERVER_PLAYBACK])
    engine = Engine(new_id=lambda kind: f"{kind}_{next(numbers)}", policy=policy, create_timeout=30)
    now = 0.0
    engine.connection_opened(now)
    sequence = 0
    for _ in range(400):
        now += random.random()
        engine.receive_message(text_of(random), now)
        match random.randrange(12):
            case 0:
                engine.interrupt(random.random() < 0.5, now)
            case 1:
                engine.request_response(random.choice([None, {"instructions": "x"}]), now)
            case 2:
                engine.audio_played("item_B2", 0, random.randrange(10**6))
            case 3:
                engine.handle_timer(now)
        for event in engine.take_events():
            assert event.sequence > sequence
            sequence = event.sequence
            if isinstance(event, ErrorEvent) and isinstance(event.error, RealtimeError):
                assert str(event.error)
        for message in engine.take_messages():
            assert isinstance(json.loads(message.text)["type"], str)
    engine.send_message("still there", None, False, now)
    assert "still there" in engine.take_messages()[-1].text
