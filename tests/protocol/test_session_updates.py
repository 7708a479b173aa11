"""What becomes of a ``session.update`` that the server refuses."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from realtime_transport.protocol.engine.events import ErrorEvent
from tests.protocol.engine_driver import EngineDriver

CREATED = {"type": "realtime", "id": "s"}


def opened(**config: Any) -> EngineDriver:
    talk = EngineDriver(session_config=config)
    assert talk.engine.configured is None
    talk.server("session.created", session=CREATED)
    assert talk.engine.configured is None
    talk.sent()
    return talk


def taken(talk: EngineDriver) -> None:
    talk.server("session.updated", session=CREATED)


def refused(talk: EngineDriver, param: str | None = "session.voice", event_id: str | None = None) -> ErrorEvent:
    error = {"type": "invalid_request_error", "code": "x", "message": "no", "param": param, "event_id": event_id}
    [event] = [event for event in talk.server("error", error=error) if isinstance(event, ErrorEvent)]
    return event


def update(talk: EngineDriver, **config: Any) -> dict[str, Any]:
    talk.engine.update_session_config(config, False)
    [frame] = talk.sent()
    return frame["session"]


def test_the_first_update_is_taken() -> None:
    talk = opened(instructions="a")
    taken(talk)
    assert (talk.engine.configured, talk.engine.refusal) == (True, None)
    assert refused(talk).refused_type == "session.update"  # The one of the tracing.
    assert talk.engine.configured is True


@pytest.mark.parametrize("param", ["session.audio.input.format.rate", "session", None])
def test_the_first_update_is_refused(param: str | None, caplog: pytest.LogCaptureFixture) -> None:
    talk = opened(instructions="secret plans")
    with caplog.at_level(logging.WARNING, "realtime_transport"):
        assert refused(talk, param).refused_type == "session.update"
    assert talk.engine.configured is False
    assert talk.engine.refusal is not None
    assert talk.engine.refusal.message == "no"
    assert "refused a session.update" in caplog.text
    assert "secret" not in caplog.text
    taken(talk)  # the one of the tracing
    assert talk.engine.configured is False
    assert "instructions" not in update(talk, voice="marin")


def test_what_was_refused_is_not_in_later_updates() -> None:
    talk = opened(instructions="a")
    taken(talk)
    taken(talk)
    assert update(talk, voice="nobody")["audio"]["output"]["voice"] == "nobody"
    refused(talk)
    session = update(talk, output_modalities=["text"])
    assert "voice" not in session["audio"]["output"]
    assert session["instructions"] == "a"


def test_updates_are_answered_in_their_order() -> None:
    talk = opened()
    taken(talk)
    taken(talk)
    update(talk, instructions="a")
    update(talk, voice="nobody")
    update(talk, output_modalities=["text"])
    taken(talk)
    refused(talk)
    taken(talk)
    session = update(talk)
    assert session["instructions"] == "a"
    assert session["output_modalities"] == ["text"]
    assert "voice" not in session["audio"]["output"]


def test_an_error_of_another_event_refuses_no_update() -> None:
    talk = opened(instructions="a")
    assert refused(talk, "item.id").refused_type == "session.update"  # Nothing else is in flight.
    talk = opened(instructions="a")
    talk.engine.send_message("hello", None, False, talk.now)
    talk.sent()
    assert refused(talk, "item.id").refused_type == "conversation.item.create"
    assert refused(talk, None, "something").refused_type is None
    assert talk.engine.configured is None


def test_an_error_before_the_session_may_mean_the_connection() -> None:
    talk = EngineDriver(session_config={"instructions": "a"})
    assert refused(talk, "model").refused_type is None
    assert talk.engine.configured is None
    assert refused(talk).refused_type == "session.update"


def test_a_server_that_never_answers_updates() -> None:
    talk = opened()
    for number in range(200):
        update(talk, instructions=str(number))
    assert update(talk, voice="marin")["instructions"] == "199"
