"""What a replay does next, without a transport."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from realtime_transport.recording import Close, Frame, Open, ReplayMismatch
from realtime_transport.recording.script import ReplayScript

ITEM = {"type": "message", "role": "user", "content": []}


def sent(t: float, **message: Any) -> Frame:
    return Frame(t=t, direction="sent", message=message)


def received(t: float, **message: Any) -> Frame:
    return Frame(t=t, direction="received", message=message)


def text(**message: Any) -> str:
    return orjson.dumps(message).decode()


def taken(script: ReplayScript) -> dict[str, Any]:
    found = script.take()
    assert isinstance(found, str)
    return orjson.loads(found)


def test_what_the_client_is_late_with_the_server_is_late_with_too() -> None:
    script = ReplayScript([Open(t=0.0), received(0.1, type="a"), sent(1.0, type="x"), received(1.5, type="b")])
    assert script.due == 0.1
    assert taken(script) == {"type": "a"}
    assert script.due is None
    script.receive(text(type="x"), 9.0)
    assert script.due == 9.5
    assert taken(script) == {"type": "b"}
    assert script.left() is None


def test_a_client_that_is_early_does_not_hurry_the_server() -> None:
    script = ReplayScript([sent(1.0, type="x"), received(1.5, type="b")])
    script.receive(text(type="x"), 0.2)
    assert script.due == 1.5


@pytest.mark.parametrize(("pace", "due"), [(1.0, 2.0), (4.0, 0.5), (None, 0.0)])
def test_the_pace(pace: float | None, due: float) -> None:
    assert ReplayScript([received(2.0, type="a")], pace=pace).due == due


def test_the_client_s_identifiers_are_translated_in_what_comes_back() -> None:
    script = ReplayScript(
        [
            sent(0.1, type="conversation.item.create", event_id="e_then", item={**ITEM, "id": "mine_then"}),
            received(0.2, type="conversation.item.added", item={**ITEM, "id": "mine_then"}, previous_item_id="theirs"),
            received(0.3, type="error", error={"event_id": "e_then"}),
            sent(0.4, type="conversation.item.delete", item_id="theirs"),
            sent(0.5, type="conversation.item.delete", item_id="mine_then"),
        ],
        pace=None,
    )
    script.receive(text(type="conversation.item.create", event_id="e_now", item={**ITEM, "id": "mine_now"}), 0.0)
    added = taken(script)
    assert (added["item"]["id"], added["previous_item_id"]) == ("mine_now", "theirs")
    assert taken(script)["error"]["event_id"] == "e_now"
    with pytest.raises(ReplayMismatch):
        script.receive(text(type="conversation.item.delete", item_id="mine_now"), 0.0)
    script.receive(text(type="conversation.item.delete", item_id="theirs"), 0.0)
    with pytest.raises(ReplayMismatch):
        script.receive(text(type="conversation.item.delete", item_id="mine_then"), 0.0)
    script.receive(text(type="conversation.item.delete", item_id="mine_now"), 0.0)
    assert script.left() is None


@pytest.mark.parametrize(
    "message",
    [
        {"type": "y", "n": 1},
        {"type": "x", "n": 2},
        {"type": "x"},
        {"type": "x", "n": 1, "more": None},
        {"type": "x", "n": True},
        {"type": "x", "n": [1]},
    ],
)
def test_strict_is_strict(message: dict[str, Any]) -> None:
    with pytest.raises(ReplayMismatch, match="line 0"):
        ReplayScript([sent(0.0, type="x", n=1)]).receive(text(**message), 0.0)
    loose = ReplayScript([sent(0.0, type="x", n=1)], match="types")
    if message["type"] == "x":
        loose.receive(text(**message), 0.0)
    else:
        with pytest.raises(ReplayMismatch):
            loose.receive(text(**message), 0.0)
    ReplayScript([sent(0.0, type="x", n=1)], match="none").receive(text(**message), 0.0)


def test_one_message_too_many() -> None:
    with pytest.raises(ReplayMismatch, match="no further sent frame"):
        ReplayScript([]).receive(text(type="x"), 0.0)


def test_a_long_text_is_cut_in_the_diff() -> None:
    with pytest.raises(ReplayMismatch) as caught:
        ReplayScript([sent(0.0, type="x", audio="A" * 5000)]).receive(text(type="x", audio="B" * 5000), 0.0)
    assert len(str(caught.value)) < 1000
    assert "(5000 characters)" in str(caught.value)


def test_the_end_comes_in_its_place() -> None:
    script = ReplayScript([received(0.0, type="a"), Close(t=1.0, code=1000, by="server")], pace=None)
    assert not script.closes_next
    assert taken(script) == {"type": "a"}
    assert script.closes_next
    assert isinstance(script.take(), Close)
    assert script.due is None


def test_an_end_by_the_client_is_waited_for() -> None:
    script = ReplayScript([Close(t=1.0, code=1000, by="client")])
    assert script.due is None
    assert script.left() is None
