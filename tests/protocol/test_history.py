from __future__ import annotations

import itertools
import logging
import random
from typing import Any

import pytest

from realtime_transport.errors import LocalProtocolError
from realtime_transport.protocol.engine.history_diff import MAX_OUTSTANDING, HistoryEditor
from realtime_transport.protocol.engine.realtime_items import (
    RealtimeItem,
    RealtimeMcpCallApprovalRequestItem,
    RealtimeMcpCallItem,
    RealtimeMessageItem,
    RealtimeToolCallItem,
    realtime_item,
)
from realtime_transport.protocol.wire.items import InputTextPart, OutputAudioPart, OutputTextPart


def item(word: str) -> RealtimeItem:
    """``a`` or ``a=text``: a user's message; ``f``: a function call; ``m``, ``q``: MCP; ``v``: speech of the model."""
    name, _, text = word.partition("=")
    match name[0]:
        case "f":
            return RealtimeToolCallItem(item_id=name, name="n", arguments="{}", output=text or None)
        case "m":
            return RealtimeMcpCallItem(item_id=name, name=text)
        case "q":
            return RealtimeMcpCallApprovalRequestItem(item_id=name, name=text)
        case "v":
            part = OutputAudioPart(transcript=text)
            return RealtimeMessageItem(item_id=name, role="assistant", content=(part,), status="completed")
        case _:
            return RealtimeMessageItem(
                item_id=name, role="user", content=(InputTextPart(text=text),), status="completed"
            )


def history(line: str) -> list[RealtimeItem]:
    return [item(word) for word in line.split()]


def editor() -> HistoryEditor:
    numbers = itertools.count(1)
    return HistoryEditor(lambda kind: f"{kind}_{next(numbers)}")


def words(events: list[dict[str, Any]]) -> str:
    """``-a``: deleted; ``+a``: appended; ``+a<b``: created behind b."""
    out: list[str] = []
    for event in events:
        if event["type"] == "conversation.item.delete":
            out.append(f"-{event['item_id']}")
        else:
            anchor = event.get("previous_item_id")
            out.append(f"+{event['item']['id']}" + (f"<{anchor}" if anchor else ""))
    return " ".join(out)


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("", "", ""),
        ("a b", "a b", ""),
        ("", "a b", "+a +b"),
        ("a b c", "", "-a -b -c"),
        ("a b", "b", "-a"),
        ("a b c", "a b=new c", "-b +b<a"),
        ("a b c", "a b c=new", "-c +c"),
        ("a b", "n a b", "+n<root"),
        ("a b", "n o a b", "+n<root +o<n"),
        ("a b c d", "a n c=3 d z", "-b -c +n<a +c<n +z"),
        # Function calls: can be removed, not made. What is left out anchors nothing.
        ("a f b", "a b", "-f"),
        ("a b", "a f n b", "+n<a"),
        ("a f b", "a f=out n b", "-f +n<a"),
        # A reordering is a change; as little as possible is taken out.
        ("a b", "b a", "-a +a"),
        ("a b c", "c a b", "-c +c<root"),
        ("a b c d", "b c d a", "-a +a"),
        ("a b c d", "d c b a", "-c -b -a +c +b +a"),
        ("a f b", "b f a", "-b -a +b<root +a"),
        ("a f b c", "f a b c", "-a +a<f"),
        ("a v b", "b a v", "-b +b<root"),
        ("a m b q", "b m a=1 q", "-b -a +b<root +a<m"),
    ],
)
def test_edits(old: str, new: str, edits: str) -> None:
    assert words(editor().plan(history(old), history(new))) == edits


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("x", "v", "v"),
        ("v=a", "v=b", "v"),
        ("", "m", "mcp_call"),
        ("m=a", "m=b", "mcp_call"),
        ("", "q", "mcp_approval_request"),
        ("q=a", "q=b", "mcp_approval_request"),
        ("m q", "q m", "mcp_"),
        ("f f2", "f2 f", "f"),
        ("f v", "v f", "v"),
    ],
)
def test_what_a_client_cannot_create(old: str, new: str, named: str) -> None:
    edits = editor()
    with pytest.raises(LocalProtocolError, match=named):
        edits.plan(history(old), history(new))
    assert words(edits.plan(history("a"), history("b a"))) == "+b<root"


def test_an_mcp_item_cannot_become_another_item() -> None:
    message = RealtimeMessageItem(item_id="m", role="user")
    with pytest.raises(LocalProtocolError, match="mcp_call"):
        editor().plan(history("m"), [message])


def test_frames() -> None:
    new = [
        RealtimeMessageItem(item_id="a", role="user", content=(InputTextPart(text="1"),), status="completed"),
        RealtimeMessageItem(item_id="b", role="assistant", content=(OutputTextPart(text="2"),), status="incomplete"),
        RealtimeMessageItem(item_id="c", role="system", content=(), status="completed"),
        RealtimeMessageItem(item_id="d", role="user", content=()),
    ]
    events = editor().plan(history("z"), new)
    assert [event["event_id"] for event in events] == [
        "history_delete_1",
        "history_create_2",
        "history_create_3",
        "history_create_4",
        "history_create_5",
    ]
    assert events[0] == {"type": "conversation.item.delete", "item_id": "z", "event_id": "history_delete_1"}
    assert [event["item"] for event in events[1:]] == [
        {"type": "message", "role": "user", "content": [InputTextPart(text="1")], "id": "a", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [OutputTextPart(text="2")], "id": "b",
         "status": "incomplete"},
        {"type": "message", "role": "system", "content": [], "id": "c"},
        {"type": "message", "role": "user", "content": [], "id": "d"},
    ]  # fmt: skip


def test_values_are_compared_and_not_their_spelling() -> None:
    old = realtime_item({"itemId": "a", "type": "message", "role": "user", "previousItemId": None,
                         "content": [{"type": "input_text", "text": "1"}]})  # fmt: skip
    new = realtime_item({"content": [{"text": "1", "type": "input_text"}], "role": "user", "type": "message",
                         "item_id": "a", "previous_item_id": "elsewhere"})  # fmt: skip
    assert editor().plan([old], [new]) == []


def test_items_without_content() -> None:
    [create] = editor().plan([], [realtime_item({"itemId": "a", "type": "message", "role": "user"})])
    assert create["item"]["content"] == []


def test_an_item_on_its_way_out_anchors_nothing() -> None:
    edits = editor()
    edits.plan(history("a b c"), history("a c"))  # -b, not answered
    assert words(edits.plan(history("a b c"), history("a b n c"))) == "+n<a"
    edits.handle_deleted("b")
    assert words(edits.plan(history("a b c"), history("a b n c"))) == "+n<b"


def test_a_creation_on_its_way_anchors() -> None:
    edits = editor()
    edits.plan(history("a b"), history("a b=1"))  # -b +b
    assert words(edits.plan(history("a b=1 c"), history("a b=1 n c"))) == "+n<b"
    edits.handle_added("b")
    assert words(edits.plan(history("a b=1 c"), history("a b=1 n c"))) == "+n<a"  # only the deletion is still open


def test_a_refused_edit_is_settled() -> None:
    edits = editor()
    edits.plan(history("a b c"), history("a c"))
    edits.handle_error("history_delete_1")
    edits.handle_error("someone else's")
    assert words(edits.plan(history("a b c"), history("a b n c"))) == "+n<b"


def test_reset() -> None:
    edits = editor()
    edits.plan(history("a b c"), history("a c"))
    edits.reset()
    assert words(edits.plan(history("a b c"), history("a b n c"))) == "+n<b"


def test_outstanding_edits_are_bounded() -> None:
    edits = editor()
    for n in range(MAX_OUTSTANDING + 1):
        edits.plan(history(f"a{n}"), [])
    assert words(edits.plan(history("a0 c"), history("a0 n c"))) == "+n<a0"  # forgotten
    assert words(edits.plan(history("a5 c"), history("a5 n c"))) == "+n<root"


def test_left_out_function_calls_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="realtime_transport"):
        editor().plan([], history("f"))
    assert "function call f" in caplog.text


@pytest.mark.parametrize("seed", range(20))
def test_edits_lead_to_the_new_history(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"{chance.choice('abfv')}{n}" for n in range(9)]
    old = [f"{name}={chance.randint(0, 1)}" for name in names]
    fixed = [word for word in old if word[0] in "fv"]
    free = [word.partition("=")[0] + f"={chance.randint(0, 1)}" for word in old if word[0] in "ab"]
    free += [f"n{n}" for n in range(3)]
    chance.shuffle(free)
    new = [*fixed]
    for word in free:
        if chance.random() < 0.8:
            new.insert(chance.randint(0, len(new)), word)
    at_server = [word.partition("=")[0] for word in old]
    for word in words(editor().plan(history(" ".join(old)), history(" ".join(new)))).split():
        name, _, anchor = word[1:].partition("<")
        if word[0] == "-":
            at_server.remove(name)
        elif anchor:
            at_server.insert(0 if anchor == "root" else at_server.index(anchor) + 1, name)
        else:
            at_server.append(name)
    assert at_server == [word.partition("=")[0] for word in new]
