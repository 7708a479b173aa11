"""The console of the emulator: watched, talked to with a fake microphone, and told to go wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from realtime_transport.cli.serve.export import zipped_recording
from realtime_transport.emulator import RealtimeEmulator

SPEECH = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"


@pytest.fixture
def emulator() -> Iterator[RealtimeEmulator]:
    """An emulator in a thread: playwright has an event loop in this one."""
    served = RealtimeEmulator(api_key="sk-only-this-one", keep_transcripts=True, export=zipped_recording)
    ready, leave = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served:
            ready.set()
            await anyio.to_thread.run_sync(leave.wait)

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    assert ready.wait(20)
    yield served
    leave.set()
    thread.join(20)
    assert not thread.is_alive()


def open_console(chromium: Any, emulator: RealtimeEmulator, **options: Any) -> tuple[Any, list[str]]:
    page = chromium.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(emulator.root_url)
    page.wait_for_function("document.getElementById('state').textContent.includes('open')")
    return page, errors


def see(page: Any, kind: str) -> None:
    page.wait_for_selector(f'#events li[data-type="{kind}"]', timeout=30_000)


@pytest.mark.parametrize("wire", ["webrtc", "websocket"])
def test_a_conversation_by_microphone(chromium: Any, emulator: RealtimeEmulator, pictures: Path, wire: str) -> None:
    page, errors = open_console(chromium, emulator)
    page.select_option("#wire", wire)
    page.click("#talk")
    page.wait_for_function("document.getElementById('call').textContent.startsWith('In a session')", timeout=30_000)
    see(page, "session.created")
    page.fill("#text", "Hello from the console")
    page.click("#send")
    see(page, "response.done")
    assert "You said: Hello from the console" in page.inner_text("#events")
    page.wait_for_function("document.getElementById('level').value > 0.01", timeout=30_000)  # The fake device beeps.
    while emulator.sessions[0].input_audio_bytes < 48_000:
        page.wait_for_timeout(50)

    page.click("#directives button:has-text('/say 5')")
    page.wait_for_function("document.querySelectorAll('#events li[data-type=\"response.created\"]').length === 2")
    page.click('#events li[data-type="response.created"] >> nth=1')
    assert '"type": "response.created"' in page.inner_text("#event")
    page.screenshot(path=str(pictures / f"console-{wire}.png"))
    with page.expect_download() as waiting:
        page.click("#download")
    assert waiting.value.suggested_filename == f"{emulator.sessions[0].id}.rtrec.zip"
    assert "ek_" not in page.content()
    assert "sk-only-this-one" not in page.content()

    page.click("#talk")
    page.wait_for_function("document.getElementById('call').textContent === 'Not in a session'")
    while emulator.sessions[0].is_open:
        page.wait_for_timeout(50)
    assert errors == []
    assert emulator.sessions[0].errors == []
    page.close()


def test_a_directive_and_a_fault_reach_a_session(chromium: Any, emulator: RealtimeEmulator) -> None:
    page, errors = open_console(chromium, emulator)
    page.select_option("#wire", "websocket")
    page.click("#talk")
    see(page, "session.created")
    page.click("#faults button:has-text('Jitter 300 ms')")
    page.click("#faults button:has-text('Stall 3 s')")
    page.fill("#text", "after the stall")
    page.click("#send")
    see(page, "response.done")
    page.click("#directives button:has-text('/drop')")
    page.wait_for_function("document.getElementById('call').textContent === 'Not in a session'", timeout=30_000)
    assert emulator.sessions[0].close_code == 1006
    assert errors == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_stands_alone_and_fits(
    chromium: Any, emulator: RealtimeEmulator, pictures: Path, scheme: str, width: int
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(emulator.root_url)
    page.wait_for_function("document.getElementById('state').textContent.includes('open')")
    assert all(url.startswith((emulator.root_url, "data:")) for url in requests)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "talk"
    page.screenshot(path=str(pictures / f"console-{scheme}-{width}.png"))
    page.close()
