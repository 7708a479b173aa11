from __future__ import annotations

import subprocess
import sys

import pytest

import realtime_transport.audio as audio


def test_every_public_name_can_be_had() -> None:
    for name in audio.__all__:
        assert getattr(audio, name).__name__ == name
        assert name in dir(audio)
    with pytest.raises(AttributeError, match="Microphone"):
        _ = audio.Microphone  # type: ignore[attr-defined]


def test_importing_it_all_loads_no_extra() -> None:
    extras = "{'numpy', 'soxr', 'soundfile'}"
    code = f"import sys; from realtime_transport.audio import *; sys.exit(bool({extras} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
