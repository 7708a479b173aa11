"""Pieces of audio: the short path of the receiver gives what the general one gives, and holds the audio once."""

from __future__ import annotations

import base64
import json
import random
import tracemalloc
from typing import Any

import pytest

from realtime_transport.connection.hub import Hub
from realtime_transport.connection.subscription import Subscription, SubscriptionLimits
from realtime_transport.errors import ConsumerTooSlow
from realtime_transport.events import AudioEvent, ErrorEvent, Event
from realtime_transport.protocol.engine.engine import Engine
from realtime_transport.protocol.wire.codec import decode_server_event
from realtime_transport.server_events import ResponseOutputAudioDelta

PADDING = "p" * 2000
"""A field of this length makes a message odd: the general path takes it."""


def everything(_cls: type[Event]) -> bool:
    return True


def receive(*messages: str, limits: SubscriptionLimits | None = None) -> list[Any]:
    """What a subscriber to everything gets of *messages*."""
    engine, hub = Engine(new_id=lambda kind: kind), Hub()
    hub.on_change(lambda: engine.set_interest(hub.wants))
    subscription: Subscription[Any] = hub.subscribe(everything, limits or SubscriptionLimits())
    engine.connection_opened(0.0)
    for message in messages:
        engine.receive_message(message, 0.0)
    hub.publish(engine.take_events())
    hub.end(StopIteration)
    events: list[Any] = []
    try:
        while True:
            events.append(subscription.receive_nowait())
    except StopIteration:
        return events


def message(audio: bytes, **fields: Any) -> dict[str, Any]:
    return {
        "type": "response.output_audio.delta",
        "event_id": "e1",
        "response_id": "r1",
        "item_id": "i1",
        "output_index": 0,
        "content_index": 0,
        "delta": base64.b64encode(audio).decode(),
        **fields,
    }


ODD: list[dict[str, Any]] = [
    {"delta": "!"},
    {"delta": "AQI"},  # unpadded
    {"delta": "AR=="},  # bits that no bytes make again
    {"delta": None},
    {"delta": 5},
    {"response_id": None},
    {"item_id": ""},
    {"content_index": True},
    {"output_index": 1.5},
    {"event_id": 7},
    {"obfuscation": "xyz"},
    {"nested": {"delta": "AAAA"}},
]


@pytest.mark.parametrize("seed", range(10))
def test_the_short_path_gives_what_the_general_one_gives(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        fields = message(rng.randbytes(rng.randint(0, 2000)))
        if rng.random() < 0.6:
            fields.update(rng.choice(ODD))
        entries = list(fields.items())
        rng.shuffle(entries)
        separators = rng.choice([(",", ":"), (", ", ": ")])
        text = json.dumps(dict(entries), separators=separators)
        padded = json.dumps({**dict(entries), "padding": PADDING}, separators=separators)
        ours, general = receive(text), receive(padded)
        assert [type(event) for event in ours] == [type(event) for event in general]
        for event, other in zip(ours, general, strict=True):
            if isinstance(event, ErrorEvent):
                assert str(event.error) == str(other.error)
                continue
            assert event.raw == json.loads(text)
            assert list(event.raw) == list(json.loads(text))
            if isinstance(event, AudioEvent):
                assert event == other
                assert event.server_event == decode_server_event(json.loads(text))[0]
            else:
                assert event == decode_server_event(json.loads(text))[0]


def test_one_large_delta_counts_once_for_a_subscriber_to_everything() -> None:
    audio = bytes(3 * 1024 * 1024)
    limits = SubscriptionLimits(max_audio_bytes=len(audio))
    delta, event = receive(json.dumps(message(audio)), limits=limits)
    assert isinstance(delta, ResponseOutputAudioDelta)
    assert (delta.sequence, event.sequence) == (1, 2)
    assert event.data == audio
    with pytest.raises(ConsumerTooSlow):
        # Read once: then a bound is a bound.
        read_and_overflow(audio, limits)


def read_and_overflow(audio: bytes, limits: SubscriptionLimits) -> None:
    engine, hub = Engine(new_id=lambda kind: kind), Hub()
    hub.on_change(lambda: engine.set_interest(hub.wants))
    subscription: Subscription[Any] = hub.subscribe(everything, limits)
    engine.connection_opened(0.0)
    text = json.dumps(message(audio))
    engine.receive_message(text, 0.0)
    hub.publish(engine.take_events())
    subscription.receive_nowait()
    engine.receive_message(text, 0.0)
    engine.receive_message(text, 0.0)
    hub.publish(engine.take_events())


def test_the_text_of_the_audio_is_not_kept_beside_its_bytes() -> None:
    text = json.dumps(message(bytes(1_000_000)))
    engine = Engine(new_id=lambda kind: kind)
    engine.connection_opened(0.0)
    engine.take_events()
    tracemalloc.start()
    try:
        engine.receive_message(text, 0.0)
        [event] = engine.take_events()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert isinstance(event, AudioEvent)
    assert event.audio_bytes == 1_000_000
    assert held < 1_010_000
    assert event.raw == json.loads(text)


def test_what_a_server_puts_beside_the_audio_counts() -> None:
    [_, event] = receive(json.dumps(message(b"\1\2", padding="x" * 100_000)))
    assert event.audio_bytes > 100_000
