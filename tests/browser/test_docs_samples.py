"""The samples of docs/browser.md in Chromium: the page that calls by a client secret, and the relay, under uvicorn."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import environment, serving

PAGE = (Path(__file__).parents[2] / "docs/browser.md").read_text()
KEY = "sk-only-this-one"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a reader of the page would have saved."""
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
        (tmp_path / code.split("\n")[0].removeprefix("# ")).write_text(code)
    found = re.search(r"^```html\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    (tmp_path / "page.html").write_text(found[1])
    return tmp_path


@contextmanager
def uvicorn(app: str, folder: Path, port: int) -> Iterator[str]:
    with serving() as base_url:
        command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
        settings = environment(OPENAI_API_KEY=KEY, REALTIME_URL=base_url)
        with subprocess.Popen(command, cwd=folder, env=settings) as server:
            try:
                with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:
                    client.get(f"http://127.0.0.1:{port}")
                yield f"http://127.0.0.1:{port}"
                assert server.poll() is None
            finally:
                server.terminate()


def test_a_page_calls_by_a_client_secret(chromium: Any, folder: Path, free_tcp_port: int) -> None:
    with uvicorn("tokens:app", folder, free_tcp_port) as url:
        page = chromium.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.click("#talk")
        page.wait_for_function("document.getElementById('said').textContent !== ''", timeout=30_000)
        page.wait_for_function("document.getElementById('voice').currentTime > 0", timeout=30_000)
        assert KEY not in page.content()
        assert errors == []
        page.close()


def test_a_page_hears_the_greeting_of_the_relay(chromium: Any, folder: Path, free_tcp_port: int) -> None:
    with uvicorn("relay:app", folder, free_tcp_port) as url:
        page = chromium.new_page()
        page.goto(f"{url}/openapi.json")  # Any page of the same origin as the socket.
        received = page.evaluate(
            """() => new Promise((done, failed) => {
                const socket = new WebSocket(`ws://${location.host}/talk`);
                socket.binaryType = "arraybuffer";
                socket.onmessage = (message) => done(message.data.byteLength);
                socket.onclose = () => failed(new Error("closed"));
            })"""
        )
        assert received > 0
        page.close()
