"""The page of a benchmark: looked at, zoomed, walked through by keyboard, and followed to a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime_transport.bench import load_results
from tests.bench.test_command import FILE, cli

READY = "window.Bokeh && Bokeh.documents.length && model('latencies') && model('latencies').x_range.end > 1"
LEVELS = (1, 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run that is compared with one before it, and whose sessions were recorded."""
    folder = tmp_path_factory.mktemp("bench")
    plan = (FILE, "--speed", "8", "--sessions", ",".join(map(str, LEVELS)), "--utterances", "1", "--warm-up", "0")
    for name, more in (("yesterday", ()), ("today", ("--record", "--baseline", folder / "yesterday"))):
        code, _, complaint = cli(*plan, "--out", folder / name, *more)
        assert code == 0, complaint
    return folder / "today"


def opened(chromium: Any, run: Path, **options: Any) -> tuple[Any, list[str], list[str]]:
    """The page, once it is drawn; what it asked for, and its errors."""
    page = chromium.new_page(**options)
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((run / "report.html").as_uri())
    page.wait_for_function(READY)
    return page, requests, errors


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_opens_alone_and_fits(chromium: Any, run: Path, pictures: Path, scheme: str, width: int) -> None:
    page, requests, errors = opened(chromium, run, viewport={"width": width, "height": 1600}, color_scheme=scheme)
    assert requests == [(run / "report.html").as_uri()]
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in before[4:-1].split(",")) > 384) == (scheme == "light")
    page.screenshot(path=str(pictures / f"bench-{scheme}-{width}.png"))
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.close()


def test_every_turn_and_level_is_drawn(chromium: Any, run: Path) -> None:
    page, _, errors = opened(chromium, run)
    turns = [turn for turn in load_results(run).turns if turn.latency is not None]
    drawn = page.evaluate("model('latencies').renderers.map(one => one.data_source.data.x.length)")
    assert drawn == [sum(turn.sessions == level for turn in turns) for level in LEVELS]
    for name, lines in (("by_level", 2), ("cost", 1), ("lateness", 1)):
        levels = page.evaluate(
            f"model('{name}').renderers.filter(one => one.glyph.type === 'Scatter')"
            ".map(one => Array.from(one.data_source.data.level))"
        )
        assert levels == [list(LEVELS)] * lines
    assert page.locator("#differences tr").count() > 5
    assert page.locator("table.figures").count() == len(LEVELS)
    assert errors == []
    page.close()


def test_it_zooms_by_key_button_and_drag(chromium: Any, run: Path) -> None:
    page, _, errors = opened(chromium, run, viewport={"width": 1280, "height": 900})

    def shown() -> list[float]:
        return page.evaluate("[model('latencies').x_range.start, model('latencies').x_range.end]")

    whole = shown()
    page.keyboard.press("+")
    near = shown()
    assert near[1] - near[0] == pytest.approx((whole[1] - whole[0]) / 2)
    page.keyboard.press("0")
    assert shown() == pytest.approx(whole)
    page.focus("#zoom-in")
    page.keyboard.press("Enter")
    assert shown() == pytest.approx(near)
    page.click("#whole")

    plots = page.locator("#plots").bounding_box()
    page.mouse.move(plots["x"] + 400, plots["y"] + 150)
    page.mouse.down()
    page.mouse.move(plots["x"] + 700, plots["y"] + 150, steps=5)
    page.mouse.up()
    page.wait_for_function(f"model('latencies').x_range.end < {whole[1]}")
    assert shown()[0] > whole[0]
    assert errors == []
    page.close()


def test_a_slow_turn_leads_to_its_session(chromium: Any, run: Path) -> None:
    page, _, errors = opened(chromium, run)
    link = page.locator("#slowest a").first
    name = link.inner_text()
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("window.Bokeh && Bokeh.documents.length && model('voices')")
    assert name in page.inner_text("h1")
    assert page.evaluate("model('mark-source').data.t.length") > 10
    assert errors == []
    page.close()
