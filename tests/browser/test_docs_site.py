"""The documentation as a site in Chromium: it asks no other host, fits narrow windows, and finds what it is asked."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.stem for page in DOCS.glob("*.md"))
SHOWN = ["index", "tutorial", "errors", "interruptions"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site, built and served; its URL."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", DOCS, folder], check=True, cwd=folder)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_other_host_and_nothing_that_is_not_there(chromium: Any, site: str, name: str) -> None:
    page = chromium.new_page()
    requests: list[str] = []
    answers: list[tuple[int, str]] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("response", lambda answer: answers.append((answer.status, answer.url)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}/{name}.html")
    page.wait_for_load_state("networkidle")
    assert len(requests) > 3
    assert [url for url in requests if not url.startswith((site, "data:"))] == []
    assert [answer for answer in answers if answer[0] >= 400] == []
    assert errors == []
    page.close()


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_pages_fit(chromium: Any, site: str, pictures: Path, name: str, scheme: str, width: int) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(f"{site}/{name}.html")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in background[4:-1].split(",")) / 3
    assert (lightness > 128) == (scheme == "light")
    page.screenshot(path=str(pictures / f"docs-{name}-{scheme}-{width}.png"))
    page.close()


def test_a_search_finds_a_page(chromium: Any, site: str) -> None:
    page = chromium.new_page()
    page.goto(f"{site}/search.html?q=false+alarms")
    page.wait_for_selector('#search-results li a[href^="interruptions.html"]', timeout=30_000)
    page.close()
