"""What a listener hears, reckoned out: no device, no loop, time by hand."""

from __future__ import annotations

import pytest

from realtime_transport.audio import AudioFormat
from realtime_transport.replay import Listener

SECOND = 48_000
A, B = ("r1", "i1", 0), ("r2", "i2", 0)


def listener(speed: float | None = 1.0, buffer_ms: float = 20.0) -> Listener:
    return Listener(AudioFormat.PCM24K, speed, buffer_ms)


def test_audio_plays_from_its_arrival_on_and_its_buffer_later() -> None:
    found = listener()
    found.hear(A, SECOND, 10.0)
    found.hear(A, SECOND, 10.01)
    heard = found.heard("r1")
    assert heard is not None
    assert (heard.began_at, heard.samples, heard.gaps) == (10.02, 48_000, ())
    assert list(found.positions(10.02)) == []
    assert list(found.positions(11.02)) == [("i1", 0, 24_000)]
    assert list(found.positions(11.02)) == []
    assert found.is_playing(12.01)
    assert found.silent_at == pytest.approx(12.02)
    assert list(found.positions(20.0)) == [("i1", 0, 48_000)]


def test_what_comes_after_its_moment_leaves_a_gap() -> None:
    found = listener()
    found.hear(A, SECOND, 0.0)  # To 1.02.
    found.hear(A, SECOND, 1.5)
    found.hear(A, SECOND, 2.0)  # In time: the one before lasts to 2.52.
    found.hear(B, SECOND, 9.0)  # Another answer: the silence before it is no gap.
    first, second = found.heard("r1"), found.heard("r2")
    assert first is not None
    assert second is not None
    assert first.gaps == (pytest.approx(0.5),)
    assert (second.gaps, second.began_at) == ((), 9.02)
    assert found.heard("r3") is None


def test_what_the_loop_is_late_by_is_no_gap() -> None:
    found = listener(buffer_ms=0)
    for number in range(10):
        found.hear(A, SECOND // 50, number * 0.02 + 0.0005 * (number % 2))
    heard = found.heard("r1")
    assert heard is not None
    assert heard.gaps == ()


def test_an_interruption_is_heard_to_its_moment_and_no_further() -> None:
    found = listener(buffer_ms=0)
    found.hear(A, SECOND, 0.0)
    found.hear(B, SECOND, 0.0)
    assert found.withdraw({"r1"}, 0.5)
    assert list(found.positions(0.5)) == [("i1", 0, 12_000)]
    assert found.silent_at == pytest.approx(1.5)  # What is left moves up.
    assert list(found.positions(2.0)) == [("i2", 0, 24_000)]
    assert not found.withdraw(None, 2.0)  # All of it had been heard.


def test_everything_can_be_withdrawn() -> None:
    found = listener(buffer_ms=0)
    found.hear(A, SECOND, 0.0)
    found.hear(B, SECOND, 0.0)
    assert found.withdraw(None, 1.5)
    assert not found.is_playing(1.5)
    assert list(found.positions(9.0)) == [("i1", 0, 24_000), ("i2", 0, 12_000)]


def test_a_fast_listener_and_one_without_pace() -> None:
    fast = listener(speed=4.0)
    fast.hear(A, SECOND, 0.0)
    assert fast.silent_at == pytest.approx(0.255)
    at_once = listener(speed=None)
    at_once.hear(A, SECOND, 5.0)
    at_once.hear(A, SECOND, 7.0)
    heard = at_once.heard("r1")
    assert heard is not None
    assert (heard.began_at, heard.gaps) == (5.0, ())
    assert not at_once.is_playing(7.0)


def test_when_so_much_will_have_been_heard() -> None:
    found = listener(buffer_ms=0)
    assert found.when("r1", 0.5) is None
    found.hear(A, SECOND, 10.0)
    found.hear(B, SECOND, 10.0)
    assert found.when("r1", 0.5) == pytest.approx(10.5)
    assert found.when("r2", 0.5) == pytest.approx(11.5)
    assert found.when("r1", 1.5) is None
    assert list(found.positions(10.75)) == [("i1", 0, 18_000)]
    assert found.when("r1", 0.9) == pytest.approx(10.9)
    assert found.when("r1", 0.5) is not None  # Long ago.
