"""A transport on a socket of its own: what the link without tasks has to do as the others do."""

from __future__ import annotations

import json
import random
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import AudioInterruptedEvent
from realtime_transport.transports.links.direct_open import can_open_directly, tls_context
from tests.servers import AcceptedConnection, serving

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

CREATED = json.dumps({"type": "session.created", "event_id": "e", "session": {}})
UPDATED = json.dumps({"type": "session.updated", "event_id": "u", "session": {}})


async def test_who_waits_for_an_interruption_hears_when_the_truncation_is_written() -> None:
    received: list[dict[str, Any]] = []

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        delta = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "AAAA" * 400}
        await peer.send(
            CREATED,
            json.dumps({"type": "response.created", "response": {"id": "r"}}),
            json.dumps({"type": "response.output_audio.delta", "event_id": "d", **delta}),
        )
        while not received or received[-1]["type"] != "input_audio_buffer.clear":
            received.append(json.loads((await peer.frame()).data))
        await peer.send(json.dumps({"type": "input_audio_buffer.speech_started", "item_id": "u", "audio_start_ms": 0}))
        while received[-1]["type"] != "conversation.item.truncate":
            received.append(json.loads((await peer.frame()).data))
        await peer.until_closed()

    async with serving(handler) as url:
        transport = OpenAIRealtimeWebSocket(url=url)
        async with transport.connect(api_key="sk"), transport.subscribe(AudioInterruptedEvent) as interruptions:
            assert transport.statistics().link is not None
            sent = transport.statistics().messages_sent
            await transport.send_event({"type": "input_audio_buffer.clear"})
            await interruptions.receive()
            now = transport.statistics()
            assert now.outbox.messages == 0
            assert now.messages_sent >= sent + 2  # The clear and the truncation.
    assert received[-1]["type"] == "conversation.item.truncate"


async def test_a_server_that_does_not_read_fills_the_outbox_and_nothing_else() -> None:
    read, audio, got = anyio.Event(), bytes(48_000), 0

    async def handler(peer: AcceptedConnection) -> None:
        nonlocal got
        await peer.accept(await peer.request())
        await peer.send(CREATED)
        await read.wait()
        while True:
            message = json.loads((await peer.frame()).data)
            got += message["type"] == "input_audio_buffer.append"
            if message["type"] == "input_audio_buffer.clear":
                break
        await peer.until_closed()

    async with serving(handler) as url:
        transport = OpenAIRealtimeWebSocket(url=url, max_outbox_bytes=500_000)
        async with transport.connect(api_key="sk"):
            sent = 0
            with pytest.raises(anyio.WouldBlock):
                while sent < 2000:  # 128 MB: no socket buffers that much.
                    transport.send_audio_nowait(audio)
                    sent += 1
            assert transport.statistics().outbox.bytes <= 500_000
            transport.interrupt()
            read.set()
            await transport.send_event({"type": "input_audio_buffer.clear"})
    assert got == sent


@pytest.mark.parametrize("seed", range(3))
async def test_the_short_path_of_audio_sends_what_the_other_one_sends(seed: int) -> None:
    """Bytes take the short path where nothing is in the way, views never do. Nothing here may overtake audio."""
    rng, got = random.Random(seed), list[str]()
    steps: list[bytes | str] = [
        rng.choice(["input_audio_buffer.clear", b"", b"x", rng.randbytes(960), rng.randbytes(90_000)])
        for _ in range(120)
    ]

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await peer.send(CREATED, UPDATED)
        while not got or "last" not in got[-1]:
            got.append(bytes((await peer.frame()).data).decode())
        await peer.until_closed()

    async def run(url: str, kind: Callable[[bytes], bytes | memoryview[int]]) -> tuple[list[str], int, int]:
        got.clear()
        transport = OpenAIRealtimeWebSocket(url=url)
        async with transport.connect(api_key="sk"):
            for number, step in enumerate(steps):
                if isinstance(step, str):
                    await transport.send_event({"type": step})
                else:
                    await transport.send_audio(kind(step), commit=number % 7 == 0)
                if number % 10 == 0:
                    await anyio.wait_all_tasks_blocked()
            await transport.send_event({"type": "last"})
            assert transport.statistics().link is not None
        sent = transport.statistics()
        return got[1:], sent.messages_sent, sent.characters_sent  # The first names ids.

    async with serving(handler) as url:
        assert await run(url, bytes) == await run(url, memoryview)


async def test_audio_waits_for_a_server_that_does_not_read_and_a_cancelled_call_queues_nothing() -> None:
    read, got = anyio.Event(), 0

    async def handler(peer: AcceptedConnection) -> None:
        nonlocal got
        await peer.accept(await peer.request())
        await peer.send(CREATED, UPDATED)
        await read.wait()
        while True:
            message = json.loads(bytes((await peer.frame()).data))
            got += message["type"] == "input_audio_buffer.append"
            if message["type"] == "input_audio_buffer.clear":
                break
        await peer.until_closed()

    async with serving(handler) as url:
        transport = OpenAIRealtimeWebSocket(url=url, max_outbox_bytes=500_000)
        sent, ended = 0, False

        async def speak() -> None:
            nonlocal sent, ended
            while sent < 2000:
                await transport.send_audio(bytes(48_000))
                sent += 1
            ended = True

        async with transport.connect(api_key="sk"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(speak)
                while not transport.statistics().outbox.waiting_senders:
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            assert not ended
            assert transport.statistics().outbox.waiting_senders == 0
            assert transport.statistics().outbox.bytes <= 500_000
            read.set()
            await transport.send_event({"type": "input_audio_buffer.clear"})
    assert got == sent


async def test_leaving_does_not_wait_for_a_server_that_does_not_read() -> None:
    done = anyio.Event()

    async def handler(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await peer.send(CREATED)
        await done.wait()

    async with serving(handler) as url:
        transport = OpenAIRealtimeWebSocket(url=url, close_timeout=0.1)
        async with transport.connect(api_key="sk"):
            with pytest.raises(anyio.WouldBlock):
                while True:
                    transport.send_audio_nowait(bytes(48_000))
        assert transport.status == "disconnected"
        done.set()


async def test_tls_without_a_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    texts: list[str] = []

    async def handle(stream: Any) -> None:
        async with stream:
            peer = AcceptedConnection(stream)
            await peer.accept(await peer.request())
            await peer.send(CREATED)
            while not texts or "input_audio_buffer.clear" not in texts[-1]:
                texts.append((await peer.frame()).data.decode())
            await peer.until_closed()

    tls_context.cache_clear()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    try:
        async with TLSListener(listener, context, standard_compatible=False) as secure:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(secure.serve, handle)
                transport = OpenAIRealtimeWebSocket(url=f"wss://localhost:{port}/v1/realtime")
                async with transport.connect(api_key="sk"):
                    link = transport.statistics().link
                    assert link is not None
                    assert link.path == "direct"
                    await transport.send_audio(bytes(100_000))
                    await transport.send_event({"type": "input_audio_buffer.clear"})
                tasks.cancel_scope.cancel()
    finally:
        tls_context.cache_clear()
    assert json.loads(texts[-1])["type"] == "input_audio_buffer.clear"


def test_a_proxy_of_the_environment_is_asked_through_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_open_directly("https://example.org/v1/realtime")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert not can_open_directly("https://example.org/v1/realtime")
    assert can_open_directly("http://127.0.0.1:8080/v1/realtime")
    assert not can_open_directly("https://user:secret@127.0.0.1/")
