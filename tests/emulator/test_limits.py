"""What a client can make the emulator hold is bounded, and what goes over the bound is counted."""

from __future__ import annotations

import contextlib
import itertools
import tracemalloc
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from websockets.frames import Frame, Opcode

from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.emulator.conversation.history import MAX_CONTENT_BYTES, MAX_ITEMS, Entry, History
from realtime_transport.emulator.ids import IdSource
from realtime_transport.emulator.server.access import MAX_SECRETS, Access
from realtime_transport.emulator.server.playout import MAX_WAITING_BYTES, Playout
from realtime_transport.emulator.sound import MAX_BUFFERED_BYTES
from realtime_transport.protocol.wire.items import UserMessageItem
from tests.emulator.client import connect
from tests.emulator.conversation_driver import ConversationDriver, append, user_text

if TYPE_CHECKING:
    from tests.emulator.client import Client

MEGABYTE = 1024 * 1024


@contextlib.contextmanager
def at_most(megabytes: float) -> Any:
    """The most memory that Python takes meanwhile."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


def frames(opcode: Opcode, data: bytes, count: int, *, fin: bool) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True) * count


async def stuff(client: Client, chunks: Any) -> None:
    """Send *chunks* without reading anything, until nothing more can be sent for a moment."""
    for chunk in chunks:
        with anyio.move_on_after(1.0) as waited:
            try:
                await client.stream.send(chunk)
            except (anyio.BrokenResourceError, anyio.EndOfStream):
                return
        if waited.cancelled_caught:
            return


@pytest.mark.anyio
async def test_a_flood_of_pings_that_nobody_reads_the_answers_of() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        flood = frames(Opcode.PING, b"p" * 125, 500, fin=True)
        with at_most(24):
            await stuff(client, itertools.repeat(flood, 400))  # 26 MB: far more than the sockets hold.
        record = emulator.sessions[0]
        assert record.pings_received > 10_000
        assert record.pings_unanswered > 0


@pytest.mark.anyio
@pytest.mark.parametrize("payload", [b"", b"x"])
async def test_a_message_of_endless_fragments(payload: bytes) -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        first = frames(Opcode.TEXT, payload, 1, fin=False)
        more = frames(Opcode.CONT, payload, 1000, fin=False)
        with at_most(16):
            await stuff(client, itertools.chain([first], itertools.repeat(more, 40)))
            end = await client.until_closed()
        assert end.code in (1009, 1006)  # What is still on its way may reset TCP.
        while emulator.sessions[0].is_open:
            await anyio.lowlevel.checkpoint()
        assert emulator.sessions[0].close_code == 1009
        assert "frames" in emulator.sessions[0].close_reason


@pytest.mark.anyio
async def test_requests_for_large_answers_that_nobody_reads() -> None:
    async with RealtimeEmulator() as emulator, connect(emulator) as client:
        await client.receive()
        await client.send({"type": "session.update", "session": NO_TURNS})
        await client.send(append(bytes(8 * MEGABYTE)), {"type": "input_audio_buffer.commit"})
        added = await client.until("conversation.item.added")
        client.protocol.send_text(
            b'{"type":"conversation.item.retrieve","item_id":"%s"}' % added[-1]["item"]["id"].encode()
        )
        request = b"".join(client.protocol.data_to_send())
        with at_most(256):  # The limit, and the copies of the answer that is being made; all answers are 550 MB.
            await stuff(client, [request * 50])
            while emulator.sessions[0].received["conversation.item.retrieve"] < 6:
                await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
        assert emulator.sessions[0].received["conversation.item.retrieve"] < 20
        for _ in range(20):  # Reading goes on where it stood.
            assert (
                len((await client.until("conversation.item.retrieved"))[-1]["item"]["content"][0]["audio"]) > MEGABYTE
            )


NO_TURNS = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


@pytest.mark.anyio
async def test_a_body_without_end_is_not_read_for_ever() -> None:
    async with RealtimeEmulator() as emulator:
        async with await anyio.connect_tcp("127.0.0.1", emulator.port) as stream:
            head = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
            await stream.send(head)
            sent = 0
            with at_most(16), anyio.fail_after(20), contextlib.suppress(anyio.BrokenResourceError):
                while sent < 100 * MEGABYTE:
                    await stream.send(b"10000\r\n" + bytes(65536) + b"\r\n")
                    sent += 65536
            assert sent < 40 * MEGABYTE


def test_a_conversation_forgets_its_oldest_items() -> None:
    dropped: list[Entry] = []
    history = History(dropped.append)
    for number in range(MAX_ITEMS + 5):
        history.append(Entry(UserMessageItem(id=f"item_{number}", content=[])))
    assert len(history) == MAX_ITEMS
    assert [entry.id for entry in dropped] == [f"item_{number}" for number in range(5)]
    history.insert(Entry(UserMessageItem(id="large", content=[]), size=MAX_CONTENT_BYTES), None)
    assert (len(history), len(dropped)) == (1 + MAX_ITEMS - 1, 6)
    history.append(Entry(UserMessageItem(id="more", content=[]), size=1))
    assert history.find("large") is None
    assert history.find("more") is not None


def test_forgotten_items_are_counted_and_not_answered() -> None:
    talk = ConversationDriver.begin()
    half = "x" * (MAX_CONTENT_BYTES // 2)
    talk.say(user_text(half), user_text(half), user_text("short"))
    assert talk.core.record.items_dropped == 1
    talk.say({"type": "response.create"})
    assert talk.events[-1]["type"] == "rate_limits.updated"


def test_the_input_buffer_is_bounded() -> None:
    talk = ConversationDriver.begin(audio={"input": {"turn_detection": None}})
    event = append(bytes(12 * MEGABYTE))
    for _ in range(MAX_BUFFERED_BYTES // (12 * MEGABYTE)):
        talk.say(event)
    assert not talk.events
    talk.say(event)
    assert talk.one("error")["error"]["code"] == "input_audio_buffer_full"
    talk.say({"type": "input_audio_buffer.clear"}, event)
    assert talk.events[-1]["type"] == "input_audio_buffer.cleared"


def test_responses_beside_the_conversation_are_bounded() -> None:
    talk = ConversationDriver.begin(audio_speed=1.0)
    talk.say(user_text("/say 60"))
    for _ in range(101):
        talk.say({"type": "response.create", "response": {"conversation": "none", "input": []}})
    assert len(talk.of("response.created")) == 100
    assert talk.one("error")["error"]["code"] == "rate_limit_exceeded"


def test_lists_of_a_record_are_bounded() -> None:
    talk = ConversationDriver.begin()
    for _ in range(10_050):
        talk.core.receive("{", 0.0)
    assert len(talk.core.record.errors) == 10_000
    assert talk.core.record.sent["error"] == 10_050


def test_secrets_are_bounded() -> None:
    access = Access(None, IdSource.seeded(0))
    first = access.mint({}, 10)
    for _ in range(MAX_SECRETS):
        last = access.mint({}, 10)
    assert access.secret(first.value) is None
    assert access.secret(last.value) is not None


def test_speech_that_nobody_hears_is_bounded() -> None:
    from realtime_transport.audio.formats import AudioFormat

    playout = Playout(lambda _event: None)
    for _ in range(2 + MAX_WAITING_BYTES // MEGABYTE):
        playout.add("resp_1", bytes(MEGABYTE), AudioFormat.PCM24K)
    assert playout.dropped_bytes == MEGABYTE
