"""What happened when: read from a recording whose times are known."""

from __future__ import annotations

import numpy as np
import pytest

from realtime_transport.pages.session_timeline import read_timeline
from realtime_transport.pages.sound_file import RATE, mix
from tests.pages.sessions import media_session, session


def test_turns_replies_and_tools_stand_where_they_were() -> None:
    timeline = read_timeline(session())
    (segment,) = timeline.segments
    assert (segment.start, segment.end, segment.transcript) == (pytest.approx(0.2), pytest.approx(1.0), "Hi there")
    (reply,) = timeline.replies
    assert (reply.created, reply.first_audio, reply.done) == (1.12, 1.2, 2.1)
    assert (reply.status, reply.cut_off_after) == ("cancelled", 0.8)
    assert reply.asked_at == pytest.approx(0.7)  # Where the speech ended, before the silence that the detector wants.
    assert reply.latency == pytest.approx(0.5)
    (tool,) = timeline.tools
    assert (tool.name, tool.asked, tool.answered) == ("get_weather", 2.3, 2.8)
    assert timeline.seconds == 4.0


def test_the_voices_are_where_they_were_heard_and_what_was_cut_off_is_known() -> None:
    timeline = read_timeline(session())
    (user,) = timeline.user
    assert (user.start, user.seconds, user.heard) == (pytest.approx(0.2), pytest.approx(1.0), pytest.approx(1.0))
    (model,) = timeline.model
    assert (model.start, model.seconds, model.heard) == (1.2, 2.0, 0.8)


def test_what_was_not_heard_is_silent_in_the_sound() -> None:
    timeline = read_timeline(session())
    track = mix(timeline.user, timeline.model, timeline.seconds)

    def loud(column: int, start: float, end: float) -> float:
        return float(np.abs(track[round(start * RATE) : round(end * RATE), column]).max())

    assert loud(0, 0.21, 1.19) > 0.3
    assert loud(0, 1.21, 4.0) == 0
    assert loud(1, 0.0, 1.19) == 0
    assert loud(1, 1.21, 1.99) > 0.3
    assert loud(1, 2.01, 4.0) == 0


def test_sound_beside_the_messages_counts_too() -> None:
    timeline = read_timeline(media_session())
    assert [(piece.start, round(piece.seconds, 3)) for piece in timeline.user] == [(0.0, 1.0)]
    assert [(piece.start, round(piece.seconds, 3)) for piece in timeline.model] == [(1.0, 1.0)]


def test_every_message_is_a_mark_without_its_sound() -> None:
    recording = session()
    timeline = read_timeline(recording)
    assert len(timeline.marks) == len(recording.entries)
    appends = [mark for mark in timeline.marks if mark.type == "input_audio_buffer.append"]
    assert len(appends) == 50
    assert "characters" in appends[0].detail["audio"]
