"""The page of a session as a file; tests/browser looks at it in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from realtime_transport.errors import ConfigError
from realtime_transport.pages.session_page import session_page, write_session_page
from tests.pages.sessions import session


def test_the_page_needs_no_network_and_is_small(tmp_path: Path) -> None:
    size = write_session_page(session(seconds=60.0), tmp_path / "page.html")
    assert size < 3_000_000
    page = (tmp_path / "page.html").read_text()
    without_library = re.sub(r"<script type=\"text/javascript\">.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]+"', without_library)
    with pytest.raises(FileExistsError):
        write_session_page(session(), tmp_path / "page.html")


def test_what_was_said_cannot_become_part_of_the_page() -> None:
    page = session_page(session())
    assert "<b>Hello" not in page
    assert "&lt;/script&gt;&lt;b&gt;Hello" in page
    assert "\\u003c/script>\\u003cb>Hello" in page


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        session_page(tmp_path / "none.rtrec")
