"""The history is a fold of what the server says about items."""

from __future__ import annotations

import random
from typing import Any

import pytest

from realtime_transport import UNSET
from realtime_transport.protocol.engine.realtime_items import RealtimeMessageItem, RealtimeToolCallItem
from realtime_transport.protocol.wire.items import InputAudioPart, InputTextPart, OutputAudioPart
from realtime_transport.session.core.history import History


def message(item_id: str, previous: Any = UNSET, *parts: Any, role: str = "user") -> RealtimeMessageItem:
    return RealtimeMessageItem(
        item_id=item_id, role=role, content=parts or (InputTextPart(text=item_id),), previous_item_id=previous
    )


def ids(history: History) -> list[str]:
    return [item.item_id for item in history.snapshot]


def filled(*items: RealtimeMessageItem, keep_audio: bool = False) -> History:
    history = History(keep_audio)
    for item in items:
        history.update(item)
    return history


@pytest.mark.parametrize(
    ("previous", "expected"),
    [
        (UNSET, ["a", "b", "new"]),
        (None, ["new", "a", "b"]),
        ("a", ["a", "new", "b"]),
        ("b", ["a", "b", "new"]),
        ("nobody", ["a", "b", "new"]),
    ],
)
def test_a_new_item_goes_where_the_server_says(previous: Any, expected: list[str]) -> None:
    history = filled(message("a"), message("b"))
    assert history.update(message("new", previous)) is True
    assert ids(history) == expected


def test_a_known_item_is_replaced_where_it_stands() -> None:
    history = filled(message("a"), message("b"), message("c"))
    assert history.update(message("b", None, InputTextPart(text="other"))) is False
    assert ids(history) == ["a", "b", "c"]
    assert history.snapshot[1].content[0].text == "other"


def test_a_snapshot_never_changes() -> None:
    history = filled(message("a"))
    before = history.snapshot
    history.update(message("b"))
    history.delete("a")
    assert [item.item_id for item in before] == ["a"]
    assert isinstance(before, tuple)


def test_audio_is_kept_only_on_request() -> None:
    part = InputAudioPart(audio="AAAA", transcript="Hi")
    assert filled(message("a", UNSET, part)).snapshot[0].content[0].audio is None
    assert filled(message("a", UNSET, part), keep_audio=True).snapshot[0].content[0].audio == "AAAA"


def test_a_transcript_is_not_overwritten_by_an_empty_one() -> None:
    history = filled(message("a", UNSET, OutputAudioPart(transcript="Hello"), role="assistant"))
    history.update(message("a", UNSET, OutputAudioPart(transcript=""), role="assistant"))
    assert history.snapshot[0].content[0].transcript == "Hello"
    history.update(message("a", UNSET, OutputAudioPart(transcript="Hello you"), role="assistant"))
    assert history.snapshot[0].content[0].transcript == "Hello you"


def test_a_transcription_fills_the_item_of_the_user() -> None:
    history = filled(message("u", UNSET, InputAudioPart()), message("a", role="assistant"))
    assert history.transcribe("u", "What time is it?")
    assert history.snapshot[0].content[0].transcript == "What time is it?"
    assert history.snapshot[0].status == "completed"
    assert not history.transcribe("a", "no")
    assert not history.transcribe("nobody", "no")


def test_a_call_with_its_output_does_not_go_back() -> None:
    history = History()
    history.update(RealtimeToolCallItem(item_id="f", name="t"))
    answered = RealtimeToolCallItem(item_id="f", name="t", status="completed", output="x")
    assert history.update(answered) is False
    assert history.update(answered) is None
    assert history.update(RealtimeToolCallItem(item_id="f", name="t")) is None
    assert history.snapshot == (answered,)


def test_a_call_is_placed_whichever_message_comes_first() -> None:
    history = filled(message("a"), message("b"))
    history.update(RealtimeToolCallItem(item_id="f"))
    assert history.place("f", "a")
    assert ids(history) == ["a", "f", "b"]
    assert not history.place("f", "a")
    assert not history.place("f", "nobody")
    assert not history.place("g", "f")
    history.update(RealtimeToolCallItem(item_id="g"))
    assert ids(history) == ["a", "f", "g", "b"]
    assert history.place("g", None)
    assert ids(history) == ["g", "a", "f", "b"]


def test_deleting_what_is_not_there_changes_nothing() -> None:
    history = filled(message("a"))
    assert not history.delete("b")
    assert history.delete("a")
    assert history.snapshot == ()


@pytest.mark.parametrize("seed", range(30))
def test_it_equals_a_fold_that_is_written_the_slow_way(seed: int) -> None:
    chance = random.Random(seed)
    history, plain = History(), list[str]()
    for _ in range(200):
        item_id = f"i{chance.randrange(30)}"
        if chance.random() < 0.2:
            history.delete(item_id)
            plain = [known for known in plain if known != item_id]
            continue
        previous: Any = chance.choice([UNSET, None, f"i{chance.randrange(30)}"])
        history.update(message(item_id, previous))
        if item_id not in plain:
            if previous is None:
                plain.insert(0, item_id)
            elif previous in plain:
                plain.insert(plain.index(previous) + 1, item_id)
            else:
                plain.append(item_id)
        assert ids(history) == plain
