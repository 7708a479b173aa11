from __future__ import annotations

import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.protocol.engine.playback.ledger import MAX_PARTS, PlaybackLedger, PlaybackPosition, Truncation

MS = 48  # bytes of a millisecond at 24 kHz


def cuts(ledger: PlaybackLedger, now: float) -> list[tuple[str, int, int]] | None:
    stopped = ledger.interrupt(now)
    if stopped is None:
        return None
    return [(cut.item_id, cut.content_index, cut.audio_end_ms) for cut in stopped.truncations]


@pytest.mark.parametrize(
    ("received_ms", "elapsed", "done", "cut"),
    [
        (400, 0.150, False, [("i", 0, 150)]),
        (400, 0.150, True, [("i", 0, 150)]),
        (160, 5.0, False, [("i", 0, 160)]),  # never more than was received
        (160, 5.0, True, []),  # all of it was heard: a truncation would wipe the transcript
        (160, 0.160, True, []),
        (500, 0.0, False, [("i", 0, 0)]),
        (500, -1.0, False, [("i", 0, 0)]),
    ],
)
def test_estimate(received_ms: int, elapsed: float, done: bool, cut: list[tuple[str, int, int]]) -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "i", 0, received_ms * MS, 10.0)
    if done:
        ledger.finish_part("i", 0)
    assert cuts(ledger, 10.0 + elapsed) == cut


def test_elapsed_time_is_rounded_to_the_microsecond_first() -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "i", 0, 1000 * MS, 4.2)
    assert 4.35 - 4.2 < 0.15  # as floats
    assert cuts(ledger, 4.35) == [("i", 0, 150)]


@pytest.mark.parametrize(
    ("audio_format", "size", "ms"),
    [
        (AudioFormat.PCM24K, 4800, 100),
        (AudioFormat.PCM16K, 3200, 100),
        (AudioFormat.PCM8K, 1013, 63),
        (AudioFormat.PCMU, 804, 100),
        (AudioFormat.PCMA, 8, 1),
        (AudioFormat(encoding="audio/pcm", rate=44_100), 89, 1),
    ],
)
def test_length_by_format(audio_format: AudioFormat, size: int, ms: int) -> None:
    ledger = PlaybackLedger()
    ledger.session_format = audio_format
    ledger.receive("r", "i", 0, size, 0.0)
    assert cuts(ledger, 60.0) == [("i", 0, ms)]


def test_a_response_may_have_a_format_of_its_own() -> None:
    ledger = PlaybackLedger()
    ledger.begin_response("r", AudioFormat.PCMU)
    ledger.begin_response("s", None)
    ledger.receive("r", "i", 0, 800, 0.0)
    assert cuts(ledger, 60.0) == [("i", 0, 100)]
    ledger.receive("s", "j", 0, 4800, 0.0)
    assert cuts(ledger, 60.0) == [("j", 0, 100)]


def test_estimate_knows_only_the_latest_part() -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "a", 0, 300 * MS, 0.0)
    ledger.receive("r", "b", 0, 300 * MS, 0.250)
    assert cuts(ledger, 0.290) == [("b", 0, 40)]
    ledger.receive("r", "b", 0, 300 * MS, 1.0)
    ledger.receive("r", "b", 1, 300 * MS, 1.1)
    assert cuts(ledger, 1.15) == [("b", 1, 50)]


def test_nothing_to_interrupt() -> None:
    ledger = PlaybackLedger()
    assert ledger.idle
    assert cuts(ledger, 0.0) is None
    ledger.receive("r", "i", 0, MS, 0.0)
    assert not ledger.idle
    assert cuts(ledger, 0.0) == [("i", 0, 0)]
    assert cuts(ledger, 0.0) is None


@pytest.mark.parametrize(
    ("reports", "cut"),
    [
        ([], [("a", 0, 0), ("b", 0, 0)]),
        ([("a", 2400)], [("a", 0, 100), ("b", 0, 0)]),
        ([("a", 2400), ("a", 1200)], [("a", 0, 100), ("b", 0, 0)]),  # positions never go back
        ([("a", 999_999)], [("b", 0, 0)]),  # heard to its end: gone
        ([("a", 7200), ("b", 24)], [("b", 0, 1)]),
        ([("b", 999_999)], [("a", 0, 0), ("b", 0, 300)]),  # not finished: more may come
        ([("a", 999_999), ("nobody", 5)], [("b", 0, 0)]),
    ],
)
def test_reports(reports: list[tuple[str, int]], cut: list[tuple[str, int, int]]) -> None:
    ledger = PlaybackLedger(reported=True)
    ledger.receive("r", "a", 0, 300 * MS, 0.0)
    ledger.finish_part("a", 0)
    ledger.receive("r", "b", 0, 300 * MS, 0.1)
    for item_id, samples in reports:
        ledger.report(item_id, 0, samples)
    assert cuts(ledger, 9.0) == cut


def test_fully_heard() -> None:
    ledger = PlaybackLedger(reported=True)
    ledger.receive("r", "a", 0, 300 * MS, 0.0)
    ledger.report("a", 0, 7200)
    ledger.finish_part("a", 0)
    assert ledger.idle
    ledger.receive("r", "a", 0, 10 * MS, 0.0)  # more of it after all
    assert cuts(ledger, 0.0) == [("a", 0, 0)]


def test_what_counted_as_heard_stays_heard() -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "a", 0, 300 * MS, 0.0)
    ledger.receive("r", "b", 0, 300 * MS, 0.0)
    ledger.report("b", 0, 240)
    assert cuts(ledger, 0.2) == [("b", 0, 10)]


def test_parts_may_come_in_turns() -> None:
    ledger = PlaybackLedger(reported=True)
    for item in "aba":
        ledger.receive("r", item, 0, 100 * MS, 0.0)
    ledger.report("a", 0, 999_999)
    assert cuts(ledger, 0.0) == [("a", 0, 200), ("b", 0, 0)]


def test_the_end_of_an_unknown_part() -> None:
    ledger = PlaybackLedger(reported=True)
    ledger.finish_part("nobody", 0)
    assert ledger.idle


def test_an_earlier_part_may_end_later() -> None:
    ledger = PlaybackLedger(reported=True)
    ledger.receive("r", "a", 0, 100 * MS, 0.0)
    ledger.receive("r", "b", 0, 100 * MS, 0.0)
    ledger.report("a", 0, 2400)
    ledger.finish_part("a", 0)
    ledger.receive("r", "b", 0, 100 * MS, 0.0)
    ledger.report("b", 0, 3600)
    assert cuts(ledger, 0.0) == [("b", 0, 150)]


def test_the_first_report_ends_the_estimate() -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "a", 0, 300 * MS, 0.0)
    ledger.report("a", 0, 240)
    ledger.receive("r", "b", 0, 300 * MS, 0.0)
    assert cuts(ledger, 0.2) == [("a", 0, 10), ("b", 0, 0)]


def test_slack_of_reports_that_lag() -> None:
    ledger = PlaybackLedger(reported=True, slack_ms=50)
    for item in "abc":
        ledger.receive("r", item, 0, 120 * MS, 0.0)
    ledger.report("a", 0, 2400)
    assert cuts(ledger, 0.0) == [("a", 0, 120), ("b", 0, 0), ("c", 0, 0)]
    ledger.receive("r", "d", 0, 120 * MS, 0.0)
    assert cuts(ledger, 0.0) == [("d", 0, 50)]


def test_withdrawn_and_discarded_responses() -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "a", 0, MS, 0.0)
    ledger.receive("s", "b", 0, MS, 0.0)
    stopped = ledger.interrupt(0.0)
    assert stopped is not None
    assert stopped.response_ids == {"r", "s"}
    assert ledger.discards("r")
    assert ledger.discards("s")
    ledger.begin_response("s", None)  # another one, on a server that uses ids again
    assert not ledger.discards("s")


def test_audio_without_a_response_is_never_discarded() -> None:
    ledger = PlaybackLedger()
    ledger.receive("", "a", 0, MS, 0.0)
    ledger.interrupt(0.0)
    assert not ledger.discards("")


def test_memory_is_bounded() -> None:
    ledger = PlaybackLedger(reported=True)
    for n in range(MAX_PARTS + 10):
        ledger.begin_response(f"r{n}", None)
        ledger.receive(f"r{n}", f"i{n}", 0, MS, 0.0)
        ledger.discard(f"x{n}")
    stopped = ledger.interrupt(0.0)
    assert stopped is not None
    assert len(stopped.truncations) == len(stopped.response_ids) == MAX_PARTS
    assert stopped.truncations[0] == Truncation(item_id="i10", content_index=0, audio_end_ms=0, response_id="r10")


def test_reset() -> None:
    ledger = PlaybackLedger()
    ledger.receive("r", "a", 0, MS, 0.0)
    ledger.discard("r")
    ledger.reset()
    assert ledger.idle
    assert not ledger.discards("r")


def test_who_plays_is_asked_at_the_interruption() -> None:
    position: PlaybackPosition | None = None
    ledger = PlaybackLedger(True, position=lambda: position)
    ledger.receive("r", "heard", 0, 100 * MS, 1.0)
    ledger.receive("r", "playing", 1, 200 * MS, 1.0)
    ledger.receive("r", "unheard", 0, 300 * MS, 1.0)
    position = PlaybackPosition(item_id="playing", content_index=1, samples=50 * 24)
    ledger.refresh()
    assert cuts(ledger, 90.0) == [("playing", 1, 50), ("unheard", 0, 0)]


@pytest.mark.parametrize("position", [None, PlaybackPosition(item_id="of another connection", samples=9)])
def test_what_nobody_says_was_played_was_not_heard(position: PlaybackPosition | None) -> None:
    ledger = PlaybackLedger(True, position=lambda: position)
    ledger.receive("r", "i", 0, 100 * MS, 1.0)
    ledger.refresh()
    assert cuts(ledger, 90.0) == [("i", 0, 0)]


def test_a_position_at_the_end_of_a_part_leaves_nothing_of_it_to_cut() -> None:
    ledger = PlaybackLedger(True, position=lambda: PlaybackPosition(item_id="i", samples=100 * 24))
    ledger.receive("r", "i", 0, 100 * MS, 1.0)
    ledger.finish_part("i", 0)
    ledger.refresh()
    assert ledger.idle
