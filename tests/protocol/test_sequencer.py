from __future__ import annotations

import itertools
from typing import Any

import pytest

from realtime_transport.errors import LocalProtocolError
from realtime_transport.protocol.engine.responses.sequencer import BUSY_CODE, MAX_WAITING, Phase, ResponseSequencer

AUTO = {"type": "response.create"}


class Drill:
    """Runs a line of words against a sequencer. Each step gives the creates that go out, by event id or mark."""

    def __init__(self, timeout: float | None = 30.0) -> None:
        numbers = itertools.count(1)
        self.sequencer = ResponseSequencer(lambda kind: f"id{next(numbers)}", timeout)
        self.now = 0.0
        self.out: list[str] = []

    def run(self, line: str) -> list[str]:
        for word in line.split():
            self.step(*word.split(":"))
            create = self.sequencer.take(self.now)
            if create is not None:
                self.out.append(create["response"]["mark"] if "response" in create else "auto")
        out, self.out = self.out, []
        return out

    def step(self, word: str, *args: str) -> None:
        s = self.sequencer
        match word:
            case "auto":
                s.request(AUTO, manual=False)
            case "created":
                s.handle_created(self.now)
            case "done":
                s.handle_done(self.now)
            case "cancel":
                self.out.append("cancel" if s.begin_cancel(self.now) else "no")
            case "busy":
                s.handle_error(BUSY_CODE, args[0] if args else None, self.now)
            case "fail":
                s.handle_error("x", args[0] if args else None, self.now)
            case "fail_create":
                s.handle_error("invalid_response_create", None, self.now)
            case "wait":
                self.now += float(args[0])
                given_up = s.handle_timer(self.now)
                self.out += [f"gave_up:{given_up}"] if given_up else []
            case mark:
                s.request({**AUTO, "response": {"mark": mark}}, manual=True)


@pytest.mark.parametrize(
    ("line", "out"),
    [
        # The first goes out at once, one is in flight at a time.
        ("auto", ["auto"]),
        ("A B", ["A"]),
        ("A B created", ["A"]),
        ("A B created done", ["A", "B"]),
        ("created A B C done created done created done", ["A", "B", "C"]),
        # Automatic requests that wait coalesce; what was asked after a create went out is not covered by it.
        ("created auto auto auto done created done", ["auto"]),
        ("auto auto created done", ["auto", "auto"]),
        ("created auto auto A auto done created done created done", ["auto", "A", "auto"]),
        # An error that names a create frees the slot; one that names another changes nothing.
        ("A B fail:id1", ["A", "B"]),
        ("A B fail:other", ["A"]),
        ("A B fail", ["A"]),
        ("A B fail_create", ["A", "B"]),
        # Of coalesced requests only the first has failed.
        ("created auto auto auto done fail:id1 fail:id2 fail:id3", ["auto", "auto", "auto"]),
        # A refusal because a response is active: again, and before all others, when that has ended.
        ("A B busy:id1", ["A"]),
        ("A B busy:id1 created done", ["A", "A"]),
        ("A B busy:id1 done created done", ["A", "A", "B"]),
        ("A busy", ["A"]),
        ("A busy done", ["A", "A"]),
        ("auto busy auto done", ["auto", "auto"]),
        ("auto auto busy done created done", ["auto", "auto"]),
        # The response that began was another's: the refusal comes after its response.created.
        ("A created busy:id1 done", ["A", "A"]),
        ("A created busy done", ["A", "A"]),
        ("A created fail:id1 B done", ["A", "B"]),
        # Cancelling.
        ("cancel", ["no"]),
        ("A cancel", ["A", "no"]),
        ("created cancel cancel A done", ["cancel", "no", "A"]),
        ("created cancel created cancel", ["cancel", "cancel"]),
        ("A busy cancel done", ["A", "cancel", "A"]),
        # A done that nobody expected.
        ("done A done B", ["A", "B"]),
        # Nothing waits for ever.
        ("A B wait:29", ["A"]),
        ("A B wait:30", ["A", "gave_up:id1", "B"]),
        ("created auto auto done wait:30", ["auto", "gave_up:id1", "auto"]),
        ("A B busy:id1 wait:30", ["A", "A"]),
        ("created cancel A wait:30", ["cancel", "A"]),
        ("created A wait:99999", []),
        ("A created wait:99999", ["A"]),
        ("A busy created wait:99999", ["A"]),
    ],
)
def test_lines(line: str, out: list[str]) -> None:
    assert Drill().run(line) == out


def test_without_a_timeout_it_waits() -> None:
    drill = Drill(timeout=None)
    assert drill.run("A B wait:99999") == ["A"]
    assert drill.sequencer.deadline is None


def test_an_early_timer_does_nothing() -> None:
    drill = Drill()
    drill.run("A")
    assert drill.sequencer.deadline == 30.0
    assert drill.sequencer.handle_timer(29.9) is None
    assert drill.sequencer.phase is Phase.CREATING


def test_event_ids() -> None:
    sequencer = ResponseSequencer(lambda kind: f"{kind}!")
    sequencer.request({**AUTO, "event_id": "mine"}, manual=True)
    assert sequencer.take(0.0) == {"type": "response.create", "event_id": "mine"}
    sequencer.handle_error("x", "mine", 0.0)
    sequencer.request({**AUTO, "event_id": 7}, manual=True)
    assert sequencer.take(0.0) == {"type": "response.create", "event_id": "response_create!"}


def test_reset_drops_what_waits() -> None:
    drill = Drill()
    drill.run("created A auto")
    drill.sequencer.reset()
    assert drill.sequencer.phase is Phase.IDLE
    assert drill.run("done B") == ["B"]


def test_active() -> None:
    drill = Drill()
    assert not drill.sequencer.active
    drill.run("created cancel")
    assert drill.sequencer.active


def test_waiting_is_bounded() -> None:
    sequencer = ResponseSequencer(lambda kind: kind)
    sequencer.handle_created(0.0)
    event: dict[str, Any] = {**AUTO, "response": {}}
    for _ in range(MAX_WAITING):
        sequencer.request(event, manual=True)
    with pytest.raises(LocalProtocolError):
        sequencer.request(event, manual=True)
