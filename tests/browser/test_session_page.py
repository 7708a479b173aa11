"""The page of a session: looked at, zoomed, walked through, and heard."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from realtime_transport import FileSource, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.events import TurnDoneEvent
from realtime_transport.pages.session_page import write_session_page
from realtime_transport.recording import record

READY = "window.Bokeh && Bokeh.documents.length && model('voices')"
SPEECH = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a conversation with the emulator."""
    folder = tmp_path_factory.mktemp("session")

    async def talk() -> None:
        config = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
        async with RealtimeEmulator() as emulator:
            url = f"{emulator.websocket_url}?model=gpt-realtime"
            transport = OpenAIRealtimeWebSocket(model="gpt-realtime", url=url, audio_source=FileSource(SPEECH))
            async with record(transport, folder / "talk.rtrec"):
                async with transport.connect(api_key="any", initial_session_config=config):
                    done = 0
                    async for event in transport:
                        done += isinstance(event, TurnDoneEvent)
                        if done == 3:
                            break

    with ThreadPoolExecutor() as threads:  # playwright has an event loop in this one.
        threads.submit(anyio.run, talk).result()
    write_session_page(folder / "talk.rtrec", folder / "talk.html")
    return folder / "talk.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_opens_alone_and_fits(chromium: Any, page_file: Path, pictures: Path, scheme: str, width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_file.as_uri())
    page.wait_for_function(READY)
    assert requests == [page_file.as_uri()]
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=str(pictures / f"session-{scheme}-{width}.png"), full_page=True)
    page.close()


def test_marks_zoom_and_sound(chromium: Any, page_file: Path) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 1400})
    page.goto(page_file.as_uri())
    page.wait_for_function(READY)
    count = page.evaluate("model('mark-source').data.t.length")
    assert count == page.evaluate("events.length") > 100

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "session.created" in page.inner_text("#event-title")
    assert '"type": "session.created"' in page.inner_text("#event")
    page.evaluate("model('mark-source').selected.indices = [events.findIndex(e => e.type === 'response.created')]")
    assert "response.created" in page.inner_text("#event-title")

    whole = page.evaluate("[range().start, range().end]")
    page.keyboard.press("+")
    near = page.evaluate("[range().start, range().end]")
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 2)
    page.keyboard.press("0")
    assert page.evaluate("[range().start, range().end]") == whole

    page.keyboard.press(" ")
    page.wait_for_function("sound.currentTime > 0.3 && model('playhead').location > 0.2")
    page.keyboard.press(" ")
    assert page.evaluate("sound.paused")
    seconds = page.evaluate("sound.duration")
    assert seconds == pytest.approx(whole[1], abs=0.2)
    page.click("tr[data-at] >> nth=1")
    assert page.evaluate("sound.currentTime") == pytest.approx(
        float(page.get_attribute("tr[data-at] >> nth=1", "data-at")), abs=0.1
    )
    page.close()
