"""Which ``response.create`` goes out when: several messages of one read, late refusals, responses that run beside."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_transport.protocol.engine.events import AudioEvent, AudioInterruptedEvent, ErrorEvent, UsageUpdateEvent
from realtime_transport.protocol.engine.responses.sequencer import BUSY_CODE
from realtime_transport.protocol.vendors.profiles import profile_named
from realtime_transport.protocol.wire.codec import encode
from realtime_transport.protocol.wire.responses import Response
from realtime_transport.protocol.wire.server_events import ResponseDone
from tests.protocol.engine_driver import CANCEL, EngineDriver, truncate


def creates(talk: EngineDriver) -> list[Any]:
    return [frame for frame in talk.sent() if frame["type"] == "response.create"]


def ask(talk: EngineDriver, mark: str, **options: Any) -> None:
    talk.engine.request_response({"metadata": {"mark": mark}, **options}, talk.now)


def marks(talk: EngineDriver) -> list[str]:
    return [frame["response"]["metadata"]["mark"] for frame in creates(talk)]


def message(kind: str, response_id: str) -> dict[str, Any]:
    return {"type": kind, "event_id": "e", "response": {"id": response_id}}


# One read is one step


def test_a_create_that_waits_goes_out_after_all_messages_of_a_read() -> None:
    talk = EngineDriver()
    talk.created("r0")
    ask(talk, "A")
    talk.read(message("response.done", "r0"), message("response.created", "r1"), message("response.done", "r1"))
    assert marks(talk) == ["A"]
    talk.created("r2")
    ask(talk, "B")
    talk.read(message("response.done", "r2"), message("response.created", "r3"))
    assert marks(talk) == []
    talk.done("r3")
    assert marks(talk) == ["B"]


def test_no_request_is_lost_to_responses_of_the_server_in_one_read() -> None:
    talk = EngineDriver()
    talk.created("r0")
    ask(talk, "A")
    ask(talk, "B")
    reading = [
        message("response.done", "r0"),
        message("response.created", "r1"),
        message("response.done", "r1"),
        message("response.created", "r2"),
    ]
    talk.read(*reading)
    assert marks(talk) == []
    talk.done("r2")
    assert marks(talk) == ["A"]
    talk.created("r3")
    talk.done("r3")
    assert marks(talk) == ["B"]


# Late refusals


def test_a_late_refusal_that_names_an_earlier_create_sends_it_again() -> None:
    talk = EngineDriver()
    ask(talk, "A")
    [first] = creates(talk)
    talk.created("of the detector")
    talk.done("of the detector")
    ask(talk, "B")
    [second] = creates(talk)
    talk.error(BUSY_CODE, first["event_id"])
    assert creates(talk) == []  # B is in flight
    talk.created("r1")
    talk.done("r1")
    [again] = creates(talk)
    assert again["response"]["metadata"] == {"mark": "A"}
    assert again["event_id"] not in (first["event_id"], second["event_id"])


def test_a_late_refusal_of_another_kind_is_final() -> None:
    talk = EngineDriver()
    ask(talk, "A")
    [first] = creates(talk)
    talk.created("of the detector")
    talk.done("of the detector")
    [error] = [event for event in talk.error("invalid_value", first["event_id"]) if isinstance(event, ErrorEvent)]
    assert (error.event_id, error.refused_type) == (first["event_id"], None)
    talk.created("r1")
    talk.done("r1")
    assert creates(talk) == []


def test_what_was_given_up_is_not_sent_again() -> None:
    talk = EngineDriver(create_timeout=5.0)
    ask(talk, "A")
    [first] = creates(talk)
    talk.advance_ms(5_000)
    talk.error(BUSY_CODE, first["event_id"])
    assert creates(talk) == []


# Errors that name nothing


@pytest.mark.parametrize("code", [None, "something_new"])
def test_an_error_without_a_name_can_only_mean_the_one_create_in_flight(code: str | None) -> None:
    talk = EngineDriver()
    ask(talk, "A")
    ask(talk, "B")
    assert marks(talk) == ["A"]
    [error] = [event for event in talk.error(code) if isinstance(event, ErrorEvent)]
    assert error.refused_type == "response.create"
    assert marks(talk) == ["B"]


def test_an_error_without_a_name_that_may_mean_another_event_releases_nothing() -> None:
    talk = EngineDriver()
    talk.engine.send_message("hello", None, True, talk.now)
    ask(talk, "B")
    talk.sent()
    talk.error(None)
    assert creates(talk) == []
    talk.error("session_expired")
    assert creates(talk) == []
    talk.error("invalid_value", "not ours")
    assert creates(talk) == []
    # The item has been taken: now there is one left that an error can mean.
    talk.server("conversation.item.added", item={"id": "u", "type": "message", "role": "user", "content": []})
    talk.error(None)
    assert marks(talk) == ["B"]


# Responses beside the conversation


BESIDE: dict[str, Any] = {"conversation_id": None}


def test_the_conversations_response_is_cancelled_though_another_has_ended() -> None:
    talk = EngineDriver()
    talk.created("main", conversation_id="conv")
    talk.created("beside", **BESIDE)
    talk.server("response.done", response={"id": "beside", "status": "completed", **BESIDE})
    talk.interrupt()
    assert talk.sent() == [{**CANCEL, "response_id": "main"}]


def test_every_open_response_is_cancelled_and_discarded() -> None:
    talk = EngineDriver()
    talk.created("beside", **BESIDE)
    talk.created("main")
    talk.audio(100, "m", "main")
    [event] = talk.interrupt()
    assert isinstance(event, AudioInterruptedEvent)
    assert event.withdraws == {"main", "beside"}
    assert talk.sent() == [
        {**CANCEL, "response_id": "beside"},
        {**CANCEL, "response_id": "main"},
        truncate("m", 0),
    ]
    assert talk.audio(100, "b", "beside") == talk.audio(100, "m", "main") == []
    talk.done("main")
    talk.created("next")
    assert [type(event) for event in talk.audio(100, "n", "next")] == [AudioEvent]


def test_responses_beside_neither_wait_nor_make_wait() -> None:
    talk = EngineDriver()
    talk.created("main", conversation_id="conv")
    ask(talk, "beside", conversation="none")
    assert marks(talk) == ["beside"]
    ask(talk, "A")
    assert marks(talk) == []
    talk.created("beside", **BESIDE)
    talk.done("main")
    assert marks(talk) == ["A"]
    talk.server("response.done", response={"id": "beside", "status": "completed", **BESIDE})
    ask(talk, "B")
    assert marks(talk) == []  # A is in flight
    talk.created("r1", conversation_id="conv")
    talk.done("r1")
    assert marks(talk) == ["B"]


def test_a_response_beside_is_asked_for_by_an_event_too_and_has_an_id() -> None:
    talk = EngineDriver()
    ask(talk, "A")
    talk.sent()
    talk.engine.send_event({"type": "response.create", "response": {"conversation": "none"}}, talk.now)
    [create] = creates(talk)
    assert create["event_id"]
    talk.engine.send_event(
        {"type": "response.create", "event_id": "mine", "response": {"conversation": "none"}}, talk.now
    )
    assert [frame["event_id"] for frame in creates(talk)] == ["mine"]


def test_a_server_that_never_names_a_conversation() -> None:
    talk = EngineDriver()
    ask(talk, "A")
    ask(talk, "B")
    assert marks(talk) == ["A"]
    talk.created("r1", **BESIDE)
    assert talk.engine.get_timer() is None  # It was what we asked for.
    talk.server("response.done", response={"id": "r1", "status": "completed", **BESIDE})
    assert marks(talk) == ["B"]


def test_a_response_whose_end_never_came_does_not_hold_up_the_next() -> None:
    talk = EngineDriver()
    talk.created("r1")
    talk.created("r2")
    ask(talk, "A")
    talk.done("r2")
    assert marks(talk) == ["A"]
    talk.interrupt()
    assert talk.sent() == []


def test_tokens_may_be_counted_beside_the_response() -> None:
    talk = EngineDriver(profile=profile_named("xai"))
    response: dict[str, Any] = {"id": "1424e44c", "output": [], "status": "completed", "usage": {}}
    talk.server("response.created", response=response)
    counted = {"input_tokens": 5, "output_tokens": 42, "output_token_details": {"audio_tokens": 39}, "total_tokens": 47}
    done = talk.server("response.done", response=response, response_id="1424e44c", usage=counted)
    [update] = [event for event in done if isinstance(event, UsageUpdateEvent)]
    usage = update.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (5, 42, 47)
    assert usage.output_tokens_details == {"audio_tokens": 39}


def test_details_of_a_status_may_be_text() -> None:
    talk = EngineDriver(profile=profile_named("xai"))
    response: dict[str, Any] = {
        "id": "1424e44c",
        "object": "realtime.response",
        "output": [],
        "status": "in_progress",
        "status_details": "unimplemented",
        "usage": {},
    }
    created = talk.server("response.created", response=response, previous_item_id=None)
    done = talk.server("response.done", response={**response, "status": "completed"}, response_id="1424e44c")
    assert [event for event in (*created, *done) if isinstance(event, ErrorEvent)] == []
    [event] = [event for event in done if isinstance(event, ResponseDone)]
    assert isinstance(event.response, Response)
    assert event.response.status_details == "unimplemented"
    assert encode(event)["response"]["status_details"] == "unimplemented"
