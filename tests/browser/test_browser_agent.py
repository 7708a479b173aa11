"""The agent in a browser: its page with a fake microphone, its relay, and the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import ARGUMENTS, chromium_path
from tests.processes import environment, serving

SPEECH = Path(__file__).parents[2] / "examples/audio/vm-options.wav"
SERVER = Path(__file__).parents[2] / "examples/browser_agent/server.py"


LONG_REPLY = {"rules": [{"when": {"spoken": True}, "reply": {"text": "Once upon a time.", "seconds": 30}}]}


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path, free_tcp_port: int) -> Iterator[str]:
    options: list[str] = []
    if hasattr(request, "param"):
        (tmp_path / "script.json").write_text(json.dumps(request.param))
        options = ["--script", str(tmp_path / "script.json")]
    with serving(*options) as base_url:
        realtime = base_url.replace("http", "ws") + "/realtime?model=gpt-realtime-2.1"
        settings = environment(OPENAI_API_KEY="sk-only-this-one", REALTIME_URL=realtime, PORT=str(free_tcp_port))
        with subprocess.Popen([sys.executable, str(SERVER)], env=settings) as server:
            try:
                # It starts; each retry waits twice as long.
                with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:
                    client.get(f"http://127.0.0.1:{free_tcp_port}").raise_for_status()
                yield f"http://127.0.0.1:{free_tcp_port}"
                assert server.poll() is None
            finally:
                server.terminate()


@pytest.fixture
def speaking(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """A Chromium whose microphone says a sentence, is silent for three seconds, and begins again."""
    path = tmp_path / "sentence.wav"
    with wave.open(str(SPEECH)) as file, wave.open(str(path), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(8000 * 2) + bytes(16000 * 3))
    arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={path}"]
    browser = chromium.browser_type.launch(executable_path=chromium_path(), args=arguments)
    yield browser
    browser.close()


def test_a_conversation_by_microphone(speaking: Any, url: str) -> None:
    page = speaking.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.click("#talk")
    page.wait_for_function("document.getElementById('state').textContent === 'Connected'", timeout=30_000)
    page.wait_for_function("counts.sent > 48000", timeout=30_000)
    page.wait_for_function("counts.played > 0", timeout=60_000)
    page.wait_for_selector("#said li", timeout=60_000)
    assert "sk-only-this-one" not in page.content()
    page.click("#talk")
    page.wait_for_function("document.getElementById('state').textContent === 'Not connected'")
    page.click("#talk")  # And once more.
    page.wait_for_function("document.getElementById('state').textContent === 'Connected'", timeout=30_000)
    assert errors == []
    page.close()


@pytest.mark.parametrize("url", [LONG_REPLY], indirect=True)
def test_who_speaks_again_interrupts(speaking: Any, url: str) -> None:
    page = speaking.new_page()
    page.goto(url)
    page.click("#talk")
    page.wait_for_function("window.playing?.size > 0", timeout=60_000)
    # The sentence begins again after three seconds, and the reply is thirty seconds long.
    page.wait_for_function("counts.interrupted > 0 && playing.size === 0", timeout=60_000)
    page.click("#talk")
    page.close()


@pytest.mark.parametrize(
    ("origin", "status"), [("https://elsewhere.example", 403), ("null", 403), ("", 403), (None, 101)]
)
def test_only_its_own_page_may_talk(url: str, origin: str | None, status: int) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Origin": url if origin is None else origin,
    }
    with httpx.Client(trust_env=False) as client, client.stream("GET", f"{url}/talk", headers=upgrade) as answer:
        assert answer.status_code == status
