"""``realtime-transport show``: a page of a recorded session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from realtime_transport.cli.running import require, say
from realtime_transport.cli.terminal import remark
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from realtime_transport.recording import Recording

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Write the page and say where it is; 0.

    Raises:
        ConfigError: There is no recording there, or the page exists.
    """
    require("pages", "bokeh", "jinja2", "numpy", "soundfile", "soxr")
    from realtime_transport.pages.session_page import write_session_page

    recording = _load(Path(arguments.recording))
    if recording.problem is not None:
        remark(f"the recording is not whole: {recording.problem}")
    page = Path(arguments.out) if arguments.out else recording.path.with_suffix(".html")
    try:
        size = write_session_page(recording, page)
    except FileExistsError:
        raise ConfigError(f"{page} exists: nothing is overwritten; remove it or choose --out", key="out") from None
    say(f"{page} ({size / 1e6:.1f} MB); open it in a browser")
    return 0


def _load(path: Path) -> Recording:
    from realtime_transport.recording import load_cassette, load_recording

    return load_cassette(path) if path.suffix in (".yaml", ".yml") else load_recording(path)
