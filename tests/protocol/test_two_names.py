"""Events under the names of the beta protocol mean the same on every profile, and nothing twice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from realtime_transport.events import Event, SemanticEvent
from realtime_transport.protocol.vendors.profiles import PROFILES
from realtime_transport.protocol.wire.codec import decode_server_event, encode
from realtime_transport.protocol.wire.model import ServerEvent
from realtime_transport.protocol.wire.old_events import OLD_EVENTS, OLD_NAMES
from tests.protocol.engine_driver import EngineDriver, pcm, truncate

CONVERSING = sorted(name for name, profile in PROFILES.items() if profile.kind == "realtime")
PLACE: dict[str, Any] = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
FIELDS: dict[str, dict[str, Any]] = {
    "response.text.delta": {**PLACE, "delta": "Hel"},
    "response.text.done": {**PLACE, "text": "Hello"},
    "response.audio.delta": {**PLACE, "delta": pcm(20)},
    "response.audio.done": PLACE,
    "response.audio_transcript.delta": {**PLACE, "delta": "Hel"},
    "response.audio_transcript.done": {**PLACE, "transcript": "Hello"},
    "conversation.item.created": {
        "previous_item_id": None,
        "item": {"id": "i1", "type": "message", "role": "assistant", "content": []},
    },
}


def meaning(events: list[Event]) -> list[SemanticEvent]:
    return [event for event in events if isinstance(event, SemanticEvent)]


@pytest.mark.parametrize("profile", CONVERSING)
@pytest.mark.parametrize("old", OLD_NAMES)
def test_an_old_name_means_what_the_current_one_does(old: str, profile: str) -> None:
    told = [
        meaning(EngineDriver(profile=PROFILES[profile]).server(name, **FIELDS[old])) for name in (old, OLD_NAMES[old])
    ]
    assert told[0] == told[1]
    assert bool(told[0]) == (old not in ("response.text.done", "response.audio_transcript.done"))


@pytest.mark.parametrize("profile", CONVERSING)
@pytest.mark.parametrize("old", OLD_NAMES)
def test_a_server_that_sends_both_names_is_heard_once(old: str, profile: str) -> None:
    expected = EngineDriver(profile=PROFILES[profile])
    once = [meaning(expected.server(OLD_NAMES[old], **FIELDS[old])) for _ in range(2)]
    for first, second in itertools.permutations((old, OLD_NAMES[old])):
        talk = EngineDriver(profile=PROFILES[profile])
        assert [meaning(talk.server(name, **FIELDS[old])) for name in (first, second, first, second)] == [
            once[0],
            [],
            once[1],
            [],
        ]


@pytest.mark.parametrize("old", [name for name in OLD_NAMES if name.startswith("response.")])
def test_another_response_may_come_under_the_other_name(old: str) -> None:
    talk = EngineDriver()
    first = meaning(talk.server(old, **FIELDS[old]))
    second = meaning(talk.server(OLD_NAMES[old], **{**FIELDS[old], "response_id": "r2", "item_id": "i2"}))
    assert len(first) == len(second)


@pytest.mark.parametrize("old", OLD_NAMES)
def test_the_typed_event_keeps_its_name(old: str) -> None:
    talk = EngineDriver()
    talk.engine.set_interest(lambda _: True)
    for name in (old, OLD_NAMES[old]):
        [event] = [each for each in talk.server(name, **FIELDS[old]) if isinstance(each, ServerEvent)]
        built = event.build() if event.deferred else event  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        assert isinstance(built, ServerEvent)
        assert built.type == name
        assert encode(built)["type"] == built.raw["type"] == name


@pytest.mark.parametrize("old", OLD_EVENTS)
def test_an_old_event_is_one_of_the_current_class(old: type[ServerEvent]) -> None:
    message = {"type": old.type, "event_id": "e", **FIELDS[old.type], "more": 1}
    event, problems = decode_server_event(message)
    current, _ = decode_server_event({**message, "type": OLD_NAMES[old.type]})
    assert type(event) is old
    assert isinstance(event, type(current))
    assert not problems
    assert encode(event) == message


def test_audio_that_came_twice_is_counted_once() -> None:
    talk = EngineDriver()
    talk.created()
    for name in ("response.audio.delta", "response.output_audio.delta"):
        talk.server(name, **{**FIELDS["response.audio.delta"], "delta": pcm(500)})
    talk.advance_ms(700)
    talk.interrupt()
    assert truncate("i1", 500) in talk.sent()


def test_the_name_is_asked_anew_on_the_next_connection() -> None:
    talk = EngineDriver()
    old = "response.text.delta"
    assert meaning(talk.server(old, **FIELDS[old]))
    talk.engine.receive_eof(talk.now)
    talk.engine.connection_opened(talk.now)
    talk.engine.take_events()
    assert meaning(talk.server(OLD_NAMES[old], **FIELDS[old]))


def test_what_is_remembered_is_bounded() -> None:
    talk = EngineDriver()
    for number in range(1000):
        fields = {**FIELDS["response.text.delta"], "response_id": f"r{number}"}
        assert len(meaning(talk.server("response.text.delta", **fields))) == 1
        assert not meaning(talk.server("response.output_text.delta", **fields))
