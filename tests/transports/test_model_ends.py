"""Warnings of models that end."""

from __future__ import annotations

import logging
from datetime import date

import pytest

from realtime_transport.protocol.config.defaults import (
    DEFAULT_MODEL,
    DEFAULT_TRANSCRIPTION_MODEL,
    ENDS_OF_LIFE,
    end_of_life,
)
from realtime_transport.transports.base.model_ends import ModelEnds


@pytest.mark.parametrize(
    ("today", "warns"), [(date(2026, 10, 22), False), (date(2026, 10, 23), True), (date(2027, 3, 1), True)]
)
def test_an_end_that_is_less_than_90_days_away(today: date, warns: bool) -> None:
    told = end_of_life("gpt-realtime", today)
    assert told == ("the model gpt-realtime ends on 2027-01-20; its successor is gpt-realtime-2.1" if warns else None)
    for model in (DEFAULT_MODEL, "somebody's own", None, {"x": 1}):
        assert end_of_life(model, today) is None


def test_the_successors_have_no_end() -> None:
    assert not {successor for _, successor in ENDS_OF_LIFE.values()} & ENDS_OF_LIFE.keys()


def test_each_model_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    ends, today = ModelEnds(), date(2027, 2, 1)
    transcription = {"transcription": {"model": DEFAULT_TRANSCRIPTION_MODEL}}
    with caplog.at_level(logging.WARNING, "realtime_transport"):
        for _ in range(2):
            ends.check({"model": "gpt-realtime", "audio": {"input": transcription}}, today)
            ends.check({"type": "realtime"}, today)
            ends.check({"audio": {"input": {"transcription": None}}}, today)
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "the model gpt-realtime ends on 2027-01-20",
        "the model gpt-4o-mini-transcribe ends on 2027-02-26",
    ]
