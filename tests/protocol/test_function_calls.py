"""Function calls are emitted once, wherever the server writes them down; and the option to answer several at once."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_transport.protocol.engine.events import (
    Event,
    FunctionCallEvent,
    FunctionCallRepeatedEvent,
    ItemUpdateEvent,
    TurnDoneEvent,
)
from tests.protocol.engine_driver import EngineDriver

CALL = {"id": "f", "type": "function_call", "call_id": "c", "name": "n", "arguments": '{"a":1}'}
ARGUMENTS = {"item_id": "f", "call_id": "c", "response_id": "r1", "arguments": '{"a":1}', "output_index": 0}


def calls(events: list[Event]) -> list[FunctionCallEvent]:
    return [event for event in events if isinstance(event, FunctionCallEvent)]


def end(talk: EngineDriver, *output: dict[str, Any], status: str | None = "completed") -> list[Event]:
    return talk.server("response.done", response={"id": "r1", "status": status, "output": list(output)})


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": "completed"}])
def test_an_item_that_is_done_is_a_call(status: dict[str, Any]) -> None:
    talk = EngineDriver()
    talk.created()
    [call] = calls(talk.server("response.output_item.done", response_id="r1", item={**CALL, **status}))
    assert (call.id, call.call_id, call.name, call.arguments, call.response_id) == ("f", "c", "n", '{"a":1}', "r1")
    talk.server("response.function_call_arguments.done", **ARGUMENTS)
    assert calls(end(talk, {**CALL, "status": "completed"})) == []


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": "completed"}])
def test_a_call_that_only_the_end_of_the_response_lists(status: dict[str, Any]) -> None:
    talk = EngineDriver()
    talk.created()
    events = end(talk, {**CALL, **status})
    [call] = calls(events)
    assert (call.call_id, call.name, call.response_id) == ("c", "n", "r1")
    [done] = [event for event in events if isinstance(event, TurnDoneEvent)]
    assert call.sequence < done.sequence
    assert [event.item.name for event in events if isinstance(event, ItemUpdateEvent)] == ["n"]
    assert calls(end(talk, {**CALL, **status})) == []


@pytest.mark.parametrize("named_by", ["item", "arguments"])
def test_a_call_of_which_only_the_arguments_are_done(named_by: str) -> None:
    talk = EngineDriver()
    talk.created()
    name = {}
    if named_by == "item":
        talk.server("response.output_item.added", response_id="r1", item={**CALL, "arguments": ""})
    else:
        name = {"name": "n"}
    assert calls(talk.server("response.function_call_arguments.done", **ARGUMENTS, **name)) == []  # It may be cut off.
    [call] = calls(end(talk))
    assert (call.id, call.call_id, call.name, call.arguments, call.response_id) == ("f", "c", "n", '{"a":1}', "r1")


@pytest.mark.parametrize("status", ["incomplete", "in_progress"])
def test_a_call_that_was_cut_short_is_none(status: str) -> None:
    talk = EngineDriver()
    talk.created()
    talk.server("response.function_call_arguments.done", **ARGUMENTS)
    cut = {**CALL, "status": status}
    assert calls(talk.server("response.output_item.done", response_id="r1", item=cut)) == []
    assert calls(end(talk, cut)) == []


@pytest.mark.parametrize("status", ["cancelled", "incomplete", "failed"])
def test_a_response_that_was_cut_short_makes_sure_of_nothing(status: str) -> None:
    talk = EngineDriver()
    talk.created()
    talk.server("response.function_call_arguments.done", **ARGUMENTS)
    assert calls(end(talk, {**CALL, "id": "g", "call_id": "d"}, status=status)) == []
    talk.created()
    assert len(calls(end(talk, {**CALL, "id": "h", "call_id": "e", "status": "completed"}, status=status))) == 1


def test_arguments_of_another_response_wait_for_its_end() -> None:
    talk = EngineDriver()
    talk.server("response.function_call_arguments.done", **{**ARGUMENTS, "response_id": "r2"})
    assert calls(end(talk)) == []
    [call] = calls(talk.server("response.done", response={"id": "r2", "status": "completed", "output": []}))
    assert call.response_id == "r2"


def test_where_one_form_leaves_out_the_id_the_item_tells() -> None:
    talk = EngineDriver()
    item = {**CALL, "status": "completed"}
    assert len(calls(talk.server("response.output_item.done", response_id="r1", item={**item, "call_id": None}))) == 1
    assert calls(end(talk, item)) == []


def test_a_repetition_is_for_those_who_ask_for_it() -> None:
    talk = EngineDriver()
    item = {**CALL, "status": "completed"}
    talk.server("response.output_item.done", response_id="r1", item=item)
    repeated = talk.server("response.output_item.done", response_id="r1", item=item)
    assert not [event for event in repeated if isinstance(event, FunctionCallEvent | FunctionCallRepeatedEvent)]
    talk.engine.set_interest(lambda kind: kind is FunctionCallRepeatedEvent or kind is FunctionCallEvent)
    [event] = talk.server("response.output_item.done", response_id="r1", item={**item, "arguments": '{"a":2}'})
    assert isinstance(event, FunctionCallRepeatedEvent)
    assert (event.call_id, event.arguments) == ("c", '{"a":2}')


def test_an_answered_call_does_not_go_back() -> None:
    talk = EngineDriver()
    item = {**CALL, "status": "completed"}
    [call] = calls(talk.server("response.output_item.done", response_id="r1", item=item))
    talk.engine.send_function_call_output(call, "done", False, talk.now)
    [update] = talk.engine.take_events()
    assert isinstance(update, ItemUpdateEvent)
    repeated = talk.server("response.output_item.done", response_id="r1", item=item)
    assert not [event for event in repeated if isinstance(event, ItemUpdateEvent)]


def test_a_call_knows_its_place() -> None:
    talk = EngineDriver()
    talk.server("conversation.item.added", previous_item_id="u1", item={**CALL, "status": "in_progress"})
    events = talk.server("response.output_item.done", response_id="r1", item={**CALL, "status": "completed"})
    assert [call.previous_item_id for call in calls(events)] == ["u1"]
    [update] = [event for event in events if isinstance(event, ItemUpdateEvent)]
    assert update.item.previous_item_id == "u1"


# Several calls of one response


def two_calls(talk: EngineDriver) -> list[FunctionCallEvent]:
    talk.created()
    found = [
        call
        for name in ("c1", "c2")
        for call in calls(
            talk.server(
                "response.output_item.done",
                response_id="r1",
                item={**CALL, "id": f"f{name}", "call_id": name, "status": "completed"},
            )
        )
    ]
    assert len(found) == 2
    return found


def types(talk: EngineDriver) -> list[str]:
    return [frame["type"].removeprefix("conversation.") for frame in talk.sent()]


def answer(talk: EngineDriver, call: Any, start_response: bool = True) -> list[str]:
    talk.engine.send_function_call_output(call, "x", start_response, talk.now)
    return types(talk)


def test_by_default_every_answer_asks_for_a_response() -> None:
    talk = EngineDriver()
    first, second = two_calls(talk)
    end(talk)
    assert answer(talk, first) == ["item.create", "response.create"]
    assert answer(talk, second) == ["item.create"]  # Waits for the first, and follows it.


def test_the_request_can_wait_for_all_answers() -> None:
    talk = EngineDriver(respond_after_all_calls=True)
    first, second = two_calls(talk)
    end(talk)
    assert answer(talk, second) == ["item.create"]
    assert answer(talk, {"call_id": first.call_id}, start_response=False) == ["item.create", "response.create"]
    talk.created("r2")
    talk.done("r2")
    assert types(talk) == []


def test_answers_within_the_response_wait_for_its_other_calls() -> None:
    talk = EngineDriver(respond_after_all_calls=True)
    first, second = two_calls(talk)
    assert answer(talk, first) == ["item.create"]
    end(talk)
    assert types(talk) == []
    assert answer(talk, second) == ["item.create", "response.create"]


def test_answers_that_are_all_there_when_the_response_ends() -> None:
    talk = EngineDriver(respond_after_all_calls=True)
    first, second = two_calls(talk)
    assert answer(talk, first) == answer(talk, second) == ["item.create"]
    end(talk)
    assert types(talk) == ["response.create"]


def test_answers_that_want_no_response_get_none() -> None:
    talk = EngineDriver(respond_after_all_calls=True)
    first, second = two_calls(talk)
    end(talk)
    assert answer(talk, first, start_response=False) == answer(talk, second, start_response=False) == ["item.create"]
    assert answer(talk, {"call_id": "of before"}) == ["item.create", "response.create"]
