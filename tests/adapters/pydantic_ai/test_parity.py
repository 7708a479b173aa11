"""The same messages of a server make the same frames and the same client events as in pydantic-ai's own connection.

Their tests of the mapping and of the contract of frames are not published with the package; this is their behaviour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_ai.messages import BinaryAudio, BinaryContent, BinaryImage
from pydantic_ai.realtime.codec import (
    CancelResponse,
    ClearAudio,
    CommitAudio,
    CreateResponse,
    TextContext,
    ToolResult,
    TruncateOutput,
)

from realtime_transport.adapters.pydantic_ai.inputs import Inputs
from realtime_transport.protocol.wire.items import MessageItem

from .parity import Lose, Message, Say, Step, added, created, ours, refused, theirs

pytestmark = pytest.mark.anyio

IDS = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
USAGE = {
    "total_tokens": 30,
    "input_tokens": 10,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 4,
        "audio_tokens": 5,
        "image_tokens": 1,
        "cached_tokens": 2,
        "cached_tokens_details": {"text_tokens": 1, "audio_tokens": 1, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
}
SPOKEN = {"id": "i1", "type": "message", "role": "assistant", "status": "completed", "content": []}


def event(kind: str, **fields: Any) -> Message:
    return {"type": kind, "event_id": "e", **fields}


def done(response_id: str = "r1", status: str = "completed", *output: Message, **more: Any) -> Message:
    response = {"id": response_id, "object": "realtime.response", "status": status, "status_details": None}
    return event("response.done", response={**response, "output": list(output or (SPOKEN,)), "usage": USAGE, **more})


def by_server(response_id: str) -> Message:
    response = {"id": response_id, "object": "realtime.response", "status": "in_progress", "metadata": None}
    return event("response.created", response=response)


def call(call_id: str) -> Message:
    item = {"id": f"i_{call_id}", "type": "function_call", "status": "completed", "name": "f"}
    return {**item, "call_id": call_id, "arguments": '{"a":1}'}


def calls(*call_ids: str) -> list[Message]:
    """What says that a call is complete, twice."""
    ids = {"response_id": "r1", "output_index": 0}
    return [
        message
        for call_id in call_ids
        for message in (
            event("response.function_call_arguments.done", **ids, item_id=f"i_{call_id}", **_arguments(call_id)),
            event("response.output_item.done", **ids, item=call(call_id)),
        )
    ]


def _arguments(call_id: str) -> dict[str, str]:
    return {"call_id": call_id, "name": "f", "arguments": '{"a":1}'}


def transcribed(kind: str, item_id: str = "u1", **fields: Any) -> Message:
    return event(f"conversation.item.input_audio_transcription.{kind}", item_id=item_id, content_index=0, **fields)


def speech(item_id: str = "u1") -> Message:
    return event("input_audio_buffer.speech_started", audio_start_ms=0, item_id=item_id)


def committed(item_id: str = "u1") -> Message:
    return event("input_audio_buffer.committed", previous_item_id=None, item_id=item_id)


SOUND = Say(BinaryAudio(bytes(200), media_type="audio/pcm"))
HEARD = {"id": "u1", "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]}
STOPPED: list[Step] = [
    event("input_audio_buffer.speech_stopped", audio_end_ms=900, item_id="u1"),
    committed(),
    event("conversation.item.added", previous_item_id=None, item=HEARD),
]
SAYS: list[Step] = [
    event("response.output_audio_transcript.delta", delta="Hi", **IDS),
    event("response.output_audio.delta", delta="AAAA", **IDS),
    event("response.output_audio_transcript.done", transcript="Hi there", **IDS),
]
ASKED: list[Step] = [Say("a"), added(), created("r1")]
CUT = {"type": "cancelled", "reason": "turn_detected"}
STOPPED_BY_US = {"type": "cancelled", "reason": "client_cancelled"}
IMAGE = BinaryContent(b"x", media_type="image/png")

SCENARIOS: dict[str, Sequence[Step]] = {
    "a text turn": [*ASKED, *SAYS, done()],
    "text instead of speech": [
        *ASKED,
        event("response.output_text.delta", delta="Hi", **IDS),
        event("response.output_text.done", text="Hi", **IDS),
        done(),
    ],
    "context, and a response asked for": [
        Say(TextContext("note")),
        added(),
        Say(CreateResponse()),
        created("r1"),
        *SAYS,
        done(),
    ],
    "a spoken turn": [
        SOUND,
        speech(),
        *STOPPED,
        by_server("r1"),
        transcribed("delta", delta="Hel"),
        transcribed("completed", transcript="Hello", usage={"type": "duration", "seconds": 0.4}),
        *SAYS,
        done(),
    ],
    "a transcript that fails": [
        speech(),
        *STOPPED,
        transcribed("failed", error={"type": "x", "code": "y", "message": "z"}),
    ],
    "a transcript by tokens": [
        speech(),
        *STOPPED,
        transcribed(
            "completed",
            transcript="Hello",
            usage={
                "type": "tokens",
                "total_tokens": 9,
                "input_tokens": 5,
                "output_tokens": 4,
                "input_token_details": {"audio_tokens": 5, "text_tokens": 0},
            },
        ),
    ],
    "an item that is added while the user speaks": [
        speech(),
        event("conversation.item.added", previous_item_id=None, item=HEARD),
        by_server("r1"),
        *STOPPED,
        *SAYS,
        done(),
    ],
    "a transcript so far": [speech(), *STOPPED, transcribed("completed", transcript="He", status="in_progress")],
    "a burst of speech": [speech(), speech("u2"), speech("u2"), committed("u2"), committed("u2")],
    "cleared audio": [speech(), event("input_audio_buffer.cleared"), committed()],
    "silence that makes the model speak": [
        event("input_audio_buffer.timeout_triggered", audio_start_ms=0, audio_end_ms=9, item_id="u9"),
        committed("u9"),
        by_server("r1"),
        *SAYS,
        done(),
        transcribed("delta", "u9", delta=""),
        transcribed("completed", "u9", transcript="", usage=None),
    ],
    "a call": [
        *ASKED,
        calls("c1"),
        done("r1", "completed", call("c1")),
        Say(ToolResult("c1", output="ok")),
        added(id="o"),
        created("r2"),
        done("r2"),
    ],
    "a call that is answered before the response ends": [
        *ASKED,
        calls("c1"),
        Say(ToolResult("c1", output="ok")),
        added(id="o"),
        done("r1", "completed", call("c1")),
        created("r2"),
        done("r2"),
    ],
    "two calls": [
        *ASKED,
        calls("c1", "c2"),
        done("r1", "completed", call("c1"), call("c2")),
        Say(ToolResult("c1", output="1")),
        Say(ToolResult("c2", output="2")),
        created("r2"),
        done("r2"),
    ],
    "speech and a call": [*ASKED, *SAYS, calls("c1"), done("r1", "completed", SPOKEN, call("c1"))],
    "a call that the user talks over": [
        *ASKED,
        calls("c1"),
        Say(ToolResult("c1", output="ok")),
        speech(),
        done("r1", "cancelled", status_details=CUT),
    ],
    "a result with an image": [
        *ASKED,
        calls("c1"),
        done("r1", "completed", call("c1")),
        Say(ToolResult("c1", output="ok", content=["see", IMAGE])),
        created("r2"),
        done("r2"),
    ],
    "the result of a call that nobody saw": [Say(ToolResult("c9", output="ok")), created("r1"), done()],
    "inputs while the model speaks": [*ASKED, Say("b"), Say("c"), *SAYS, done(), created("r2"), done("r2")],
    "inputs that the user talks over": [
        *ASKED,
        Say("b"),
        added(),
        speech(),
        done("r1", "cancelled", status_details=CUT),
        *STOPPED,
        by_server("r2"),
        done("r2"),
    ],
    "cancelled": [
        *ASKED,
        *SAYS[:2],
        Say(CancelResponse()),
        Say(CancelResponse()),
        *SAYS[1:],
        done("r1", "cancelled", status_details=STOPPED_BY_US),
        Say("b"),
    ],
    "cancelled, and asked again": [
        *ASKED,
        Say(CancelResponse()),
        Say("b"),
        done("r1", "cancelled", status_details=STOPPED_BY_US),
        created("r2"),
        done("r2"),
    ],
    "cancelled before it begins": [
        Say("a"),
        added(),
        Say(CancelResponse()),
        Say(CancelResponse()),
        created("r1"),
        *SAYS,
        done("r1", "cancelled", status_details=STOPPED_BY_US),
        Say("b"),
    ],
    "nothing to cancel": [Say(CancelResponse()), Say(TruncateOutput(100))],
    "truncated": [
        *ASKED,
        event("response.output_audio.delta", delta="AAAA" * 4000, **IDS),
        Say(TruncateOutput(100)),
        Say(TruncateOutput(99_999)),
        done(),
        Say(TruncateOutput(7)),
        Say(TruncateOutput(7, item_id="i1")),
        Say(TruncateOutput(7, item_id="z")),
    ],
    "failed": [
        *ASKED,
        done(
            "r1",
            "failed",
            status_details={"type": "failed", "error": {"type": "server_error", "code": "boom", "message": "it broke"}},
        ),
    ],
    "failed for no reason": [*ASKED, done("r1", "failed", status_details={"type": "failed"}, usage=None)],
    "too long": [
        *ASKED,
        *SAYS,
        done("r1", "incomplete", status_details={"type": "incomplete", "reason": "max_output_tokens"}),
    ],
    "filtered": [*ASKED, done("r1", "incomplete", status_details={"type": "incomplete", "reason": "content_filter"})],
    "refused content": [Say(TextContext("a")), refused("conversation.item.create", "invalid_value")],
    "a refused request": [
        Say("a"),
        added(),
        refused("response.create", "rate_limit"),
        Say("b"),
        added(),
        created("r1"),
        done(),
    ],
    "an error": [event("error", error={"type": "t", "code": "c", "message": "m", "param": None, "event_id": None})],
    "what comes too late": [*ASKED, *SAYS, done(), *SAYS, done()],
    "a response that is not announced": [SAYS[0], done()],
    "an end without a beginning": [done("r7")],
    "a phase": [
        *ASKED,
        event("response.output_item.added", response_id="r1", output_index=0, item={**SPOKEN, "phase": "commentary"}),
        *SAYS,
        done(),
    ],
    "a response that the server begins meanwhile": [
        *ASKED,
        done(),
        Say("b"),
        by_server("r0"),
        added(),
        refused("response.create", "conversation_already_has_active_response"),
        done("r0"),
        created("r2"),
        done("r2"),
    ],
    "a response that overtakes": [*ASKED, by_server("r2"), done("r1"), done("r2")],
    "a server that gives no metadata back": [Say("a"), added(), by_server("r1"), *SAYS, done()],
    "a server with ids of its own": [
        Say("a"),
        added(id="x1"),
        Say(TextContext("b")),
        added(id="x2"),
        created("r1"),
        done(),
    ],
    "a loss": [*ASKED, *SAYS[:2], speech(), Say("b"), Lose()],
    "a loss before anything": [Say("a"), Lose()],
    "audio that cannot be read": [*ASKED, event("response.output_audio.delta", delta="!!!", **IDS), done()],
    "an image": [Say(BinaryImage(b"x", media_type="image/png")), added()],
}

BY_HAND: dict[str, Sequence[Step]] = {
    "push to talk": [SOUND, Say(CommitAudio()), committed(), Say(CreateResponse()), created("r1"), *SAYS, done()],
    "nothing to commit": [Say(CommitAudio()), refused("input_audio_buffer.commit", "input_audio_buffer_commit_empty")],
    "a commit after a text": [Say(TextContext("a")), SOUND, Say(CommitAudio()), committed(), added()],
    "cleared before the commit": [SOUND, Say(ClearAudio()), event("input_audio_buffer.cleared")],
    "a loss after a commit": [SOUND, Say(CommitAudio()), Lose()],
}


@pytest.mark.parametrize("name", [*SCENARIOS, *BY_HAND])
async def test_the_same_messages_make_the_same_frames(name: str) -> None:
    by_hand = name in BY_HAND
    steps = BY_HAND[name] if by_hand else SCENARIOS[name]
    expected, their_events = await theirs(steps, manual_turns=by_hand)
    made, our_events = await ours(steps, **({"turn_detection": False} if by_hand else {}))
    assert made == expected
    # The transport asks for a truncated item anew, and repeats a request that came too early by itself.
    assert [e["type"] for e in our_events if e["type"] != "conversation.item.retrieve"] == [
        e["type"] for e in their_events
    ]


def test_history_is_no_input_on_a_server_with_ids_of_its_own() -> None:
    inputs = Inputs("in_")
    inputs.foreign_sent(2)
    inputs.message_sent(0)
    inputs.message_sent(1)
    told = [MessageItem(id=f"x{number}", role="user", content=[]) for number in range(5)]
    assert [inputs.item_added(item) for item in told] == [None, None, 0, 1, None]
    inputs.message_sent(2)
    assert inputs.item_added(MessageItem(id="in_2", role="user", content=[])) == 2
    inputs.message_sent(3)
    assert inputs.item_added(MessageItem(id="x9", role="user", content=[])) is None  # It keeps our ids, after all.
    assert inputs.on_the_way == [3]
