"""The ways of a WebSocket beside the plain socket: TLS, a proxy, a client of the caller, an application in-process.

``python -m benchmarks.ways [--against DIRECTORY] [--rounds N]`` prints the CPU of the client for each way, asyncio and
trio, and its ratio to the plain socket; with *--against*, a checkout of this repository, that to the same way there.
Processes take turns, as in the benchmark of record.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import orjson

from benchmarks.record.frame_server import DELTAS, SESSION, Session
from benchmarks.record.ours import Ours
from benchmarks.record.worker import connect, flood, send
from benchmarks.report import Table, quartiles

WAYS = ("plain", "TLS", "client", "proxy", "ASGI")
DELTAS_SENT, FRAMES_SENT, CONNECTS = 2000, 2000, 30


class Way(Ours):
    """`OpenAIRealtimeWebSocket` over one of `WAYS`."""

    def __init__(self, backend: str, way: str, addresses: dict[str, str]) -> None:
        super().__init__(backend)
        self.way, self.addresses = way, addresses

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Any]:
        from realtime_transport import OpenAIRealtimeWebSocket

        if self.way in ("TLS", "proxy"):
            url = url.replace(f"ws://{self.addresses['plain']}", f"wss://{self.addresses['TLS']}")
        async with self.client() as client:
            transport = OpenAIRealtimeWebSocket(url=url, client=client)
            async with transport.connect(api_key="sk-benchmark"):
                yield transport

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        import httpx

        match self.way:
            case "client":
                async with httpx.AsyncClient() as client:
                    yield client
            case "proxy":
                async with httpx.AsyncClient(proxy=f"http://{self.addresses['proxy']}", verify=trusting()) as client:
                    yield client
            case "ASGI":
                from httpx_ws.transport import ASGIWebSocketTransport

                async with httpx.AsyncClient(transport=ASGIWebSocketTransport(application)) as client:
                    yield client
            case _:
                yield None


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


async def application(scope: Any, receive: Any, send: Any) -> None:
    """What the frame server does, as an application: the path says what."""
    await receive()
    await send({"type": "websocket.accept"})
    await tell(send, {"type": "session.created", "event_id": "e0", "session": SESSION})
    what, *rest = scope["path"].removesuffix("/realtime").strip("/").split("/")
    bytes_left = int(rest[0]) * 48 if what == "count" else 0
    while (message := await receive())["type"] == "websocket.receive":
        event = orjson.loads(message["text"])
        if event["type"] == "session.update":
            await tell(send, {"type": "session.updated", "event_id": "e1", "session": SESSION})
        elif event["type"] != "input_audio_buffer.append":
            continue
        elif what == "deltas":
            for number in range(int(rest[0])):
                await send({"type": "websocket.send", "text": TEXTS[number % len(TEXTS)]})
            done = {"type": "response.output_audio.done", "response_id": "resp_1", "item_id": "item_resp_1"}
            await tell(send, {**done, "event_id": "last", "output_index": 0, "content_index": 0})
        elif what == "count":
            bytes_left -= len(event["audio"]) * 3 // 4
            if bytes_left <= 0:
                await tell(send, {"type": "input_audio_buffer.cleared", "event_id": "last"})


async def tell(send: Any, event: dict[str, Any]) -> None:
    await send({"type": "websocket.send", "text": orjson.dumps(event).decode()})


TEXTS = [frame[4:].decode() for frame in DELTAS[20]]


# Server: the frame server with and without TLS, and a proxy


async def serve(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Session, "127.0.0.1", 0, backlog=1024)
    encrypted = await loop.create_server(Session, "127.0.0.1", 0, ssl=context, backlog=1024)
    proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
    ports = {"plain": plain, "TLS": encrypted, "proxy": proxy}
    print(
        json.dumps({name: f"127.0.0.1:{each.sockets[0].getsockname()[1]}" for name, each in ports.items()}), flush=True
    )
    await loop.run_in_executor(None, sys.stdin.read)  # Until our parent is gone.


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP proxy that knows CONNECT."""
    head = await reader.readuntil(b"\r\n\r\n")
    host, _, port = head.split(b" ", 2)[1].decode().rpartition(":")
    other_reader, other_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.gather(copy(reader, other_writer), copy(other_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@contextmanager
def server() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Run the servers in a process; gives their addresses, and the environment in which clients trust them."""
    import trustme

    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        trusted, own = Path(folder, "ca.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(str(trusted))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
        command = [sys.executable, "-m", "benchmarks.ways", "--serve", str(own)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), {**os.environ, "SSL_CERT_FILE": str(trusted)}
        finally:
            process.communicate()


# Client


async def measure(client: Way, address: str) -> dict[str, float]:
    """CPU in µs for one connect, one frame sent, and one delta of 20 ms received."""
    await connect(client, address, 3)
    figures = {"connect": (await connect(client, address, CONNECTS))["value"]}
    figures["send"] = (await send(client, address, FRAMES_SENT))["value"] / FRAMES_SENT
    figures["flood"] = (await flood(client, address, DELTAS_SENT, 20))["value"] / DELTAS_SENT
    return {name: spent * 1e6 for name, spent in figures.items()}


def run_client(backend: str, way: str, addresses: dict[str, str]) -> None:
    figures = anyio.run(measure, Way(backend, way, addresses), addresses["plain"], backend=backend)
    print(json.dumps(figures))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.ways")
    parser.add_argument("--against", type=Path, help="a checkout of another commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--package", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        asyncio.run(serve(options.serve))
        return 0
    if options.client:
        if options.package:
            sys.path.insert(0, options.package)  # The package from there; the benchmarks are those from here.
        backend, way, addresses = options.client
        run_client(backend, way, json.loads(addresses))
        return 0
    compare(options.against, options.rounds)
    return 0


def compare(against: Path | None, rounds: int) -> None:
    results: dict[tuple[str, str, str, bool], list[float]] = {}
    began = time.monotonic()
    with server() as (addresses, environment):
        for _ in range(rounds):
            for backend in ("asyncio", "trio"):
                for way in WAYS:
                    for other in (None, against) if against else (None,):
                        command = [sys.executable, "-m", "benchmarks.ways", "--client"]
                        command += [backend, way, json.dumps(addresses)]
                        command += ["--package", str(other.resolve())] if other else []
                        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                        for job, figure in json.loads(done.stdout.splitlines()[-1]).items():
                            results.setdefault((backend, way, job, other is not None), []).append(figure)
    table = Table("CPU of the client by way, µs", ("", "figure", "to plain", "to the other commit", "q1-q3"))
    for (backend, way, job, is_other), figures in results.items():
        if is_other:
            continue
        plain = statistics.median(a / b for a, b in zip(figures, results[backend, "plain", job, False], strict=True))
        there = results.get((backend, way, job, True))
        q1, ratio, q3 = (
            quartiles(a / b for a, b in zip(figures, there, strict=True)) if there and rounds > 1 else (0, 0, 0)
        )
        table.row(
            f"{backend}, {way}: {job}",
            f"{statistics.median(figures):.4g}",
            f"{plain:.2f}",
            f"{ratio:.2f}" if ratio else "",
            f"{q1:.2f}-{q3:.2f}" if ratio else "",
        )
    table.show()
    print(f"  {rounds} rounds, {time.monotonic() - began:.0f} s, load {os.getloadavg()}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
