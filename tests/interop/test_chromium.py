"""Headless Chromium with the browser build of ``@openai/agents-realtime`` as a client of the emulator."""

from __future__ import annotations

import json
import math
import queue
import shutil
import subprocess
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.to_thread
import pybase64
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.emulator.replies import Reply, Speech
from realtime_transport.emulator.sound import AudioClip
from realtime_transport.server_events import ConversationItemDone, ConversationItemRetrieved
from tests.measure import dbfs, floats, frequency, longest_gap_ms, sine

pytestmark = pytest.mark.anyio

LEVEL = 0.25
EXPECTED_DBFS = 20 * math.log10(LEVEL / math.sqrt(2))
SECONDS = 31
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


class Page:
    """Serves the page, and keeps what it posts."""

    def __init__(self, bundle: Path) -> None:
        self.posts: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.may_close = may_close = threading.Event()
        posts = self.posts
        files = {"/": Path(__file__).with_name("page.html"), "/bundle.js": bundle}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/hold":
                    may_close.wait(60)
                file = files.get(self.path.partition("?")[0])
                self.send_response(404 if file is None else 200)
                self.send_header("content-type", "text/html" if self.path.startswith("/?") else "text/javascript")
                self.end_headers()
                self.wfile.write(b"" if file is None else file.read_bytes())

            def do_POST(self) -> None:
                posts.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    async def post(self, path: str, timeout: float = 60) -> bytes:
        """The next thing that is posted, which is to be for *path*."""
        got, body = await anyio.to_thread.run_sync(lambda: self.posts.get(timeout=timeout))
        assert got == path, body.decode()
        return body


@pytest.fixture
def page(node_modules: Path) -> Iterator[Page]:
    bundle = node_modules / "node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.umd.js"
    page = Page(bundle)
    thread = threading.Thread(target=page.server.serve_forever)
    thread.start()
    yield page
    page.server.shutdown()
    thread.join()
    page.server.server_close()


@contextmanager
def chromium(url: str, folder: Path, microphone: Path) -> Iterator[None]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    command = [program, *FLAGS, f"--user-data-dir={folder}", f"--use-file-for-fake-audio-capture={microphone}", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def write_wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


async def test_a_tone_each_way(page: Page, tmp_path: Path) -> None:
    """Frequency, level and gaps of half a minute, from the browser and to it."""
    microphone = write_wav(tmp_path / "tone.wav", sine(10, 1000, LEVEL))
    clip = AudioClip(sine(SECONDS + 10, 440, LEVEL), AudioFormat.PCM24K)

    def responder(_: Any) -> Reply:
        return Reply(outputs=[Speech(text="A tone", audio=clip)])

    async with RealtimeEmulator(responder=responder) as emulator:
        query = {"url": f"{emulator.base_url}/realtime/calls", "key": "ek_x", "seconds": SECONDS, "interrupt": 1}
        with chromium(f"{page.url}?{urlencode(query)}", tmp_path / "profile", microphone):
            call_id = (await page.post("/connected")).decode()
            assert call_id.startswith("rtc_")
            events = json.loads(await page.post("/events", timeout=SECONDS + 60))
            samples = floats(await page.post("/samples"))[24_000 // 2 :]
            with anyio.fail_after(30):
                heard = floats(await everything_heard(emulator, call_id))
            page.may_close.set()
            await page.post("/done")
    print(
        f"\nthe browser hears {frequency(samples):.2f} Hz at {dbfs(samples):.2f} dBFS, longest gap "
        f"{longest_gap_ms(samples)} ms in {len(samples) / 24_000:.1f} s"
    )
    steady = heard[24_000 * 2 :]
    print(
        f"the emulator hears {frequency(steady):.2f} Hz at {dbfs(steady):.2f} dBFS, longest gap "
        f"{longest_gap_ms(steady)} ms in {len(steady) / 24_000:.1f} s"
    )
    assert not [event for event in events["seen"] if event.startswith("error")]
    assert events["seen"][:2] == ["session.created", "session.updated"]
    for got, hertz in ((samples, 440), (steady, 1000)):
        assert len(got) >= 24_000 * 29
        assert frequency(got) == pytest.approx(hertz, abs=1)
        assert dbfs(got) == pytest.approx(EXPECTED_DBFS, abs=1)
        assert longest_gap_ms(got) <= 60


async def everything_heard(emulator: RealtimeEmulator, call_id: str) -> bytes:
    """The input audio of the call so far, by its sideband."""
    beside = OpenAIRealtimeWebSocket(url=emulator.websocket_url, api_key="x")
    async with beside.connect(call_id=call_id):
        await beside.send_event({"type": "input_audio_buffer.commit"})
        item_id: Any = None
        async for event in beside:
            if isinstance(event, ConversationItemDone) and item_id is None:
                item_id = event.raw["item"]["id"]
                await beside.send_event({"type": "conversation.item.retrieve", "item_id": item_id})
            if isinstance(event, ConversationItemRetrieved):
                return pybase64.b64decode(event.raw["item"]["content"][0]["audio"])
    raise AssertionError("nothing was retrieved")


async def test_a_spoken_turn(page: Page, tmp_path: Path) -> None:
    """The emulator hears speech and answers it with the user's own voice."""
    source = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"
    import soundfile
    import soxr

    voice, rate = soundfile.read(source, dtype="int16")
    spoken = soxr.resample(voice, rate, 24_000)[: int(24_000 * 2.4)].tobytes()
    microphone = write_wav(tmp_path / "speech.wav", spoken + bytes(48_000 * 4))
    async with RealtimeEmulator() as emulator:
        query = {"url": f"{emulator.base_url}/realtime/calls", "key": "ek_x", "seconds": 2, "vad": 1}
        with chromium(f"{page.url}?{urlencode(query)}", tmp_path / "profile", microphone):
            await page.post("/connected")
            events = json.loads(await page.post("/events"))
            samples = floats(await page.post("/samples"))
            page.may_close.set()
            await page.post("/done")
    seen = events["seen"]
    order = ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "output_audio_buffer.started"]
    assert [seen.index(kind) for kind in order] == sorted(seen.index(kind) for kind in order)
    assert events["history"] >= 1
    assert dbfs(samples) > -45
