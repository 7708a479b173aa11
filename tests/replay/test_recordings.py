"""Human speech into an emulator in another process: what arrives, what is heard in it, what comes back."""

from __future__ import annotations

import hashlib
import json
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.audio import AudioFormat, BufferSink, BytesSource, FileSource
from realtime_transport.replay import Recording, Replay, ReplayReport
from tests.processes import serving

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
TABLE: dict[str, list[tuple[float, float]]] = json.loads((ROOT / "tests/data/recordings.json").read_text())["segments"]
SPEED = 16
TAIL_MS = 1000
TOLERANCE_MS = 150
PREFIX_PADDING_MS = 300
SILENCE_MS = 200
"""The emulator's defaults: a segment starts this much before the speech, but not before the end of the last one, and
ends this much after it."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving("--audio-speed", "max") as url:
        yield url


async def replayed(base_url: str, *recordings: Recording, **options: Any) -> tuple[ReplayReport, bytes]:
    sink = BufferSink()
    url = base_url.replace("http", "ws") + "/realtime?model=gpt-realtime"
    # A proxy of the environment is none of our business.
    async with httpx.AsyncClient(trust_env=False) as client:
        transport = OpenAIRealtimeWebSocket(model="gpt-realtime", client=client)
        config = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
        async with transport.connect(api_key="sk-test", url=url, initial_session_config=config):
            replay = Replay(
                transport=transport, recordings=recordings, sink=sink, tail_ms=TAIL_MS, settle=0.1, **options
            )
            return await replay.run(), sink.data


async def file_bytes(path: Path) -> bytes:
    source, data = FileSource(path), b""
    try:
        while True:
            data += await source.receive()
    except anyio.EndOfStream:
        await source.aclose()
    return data


def session_of_emulator(base_url: str) -> dict[str, Any]:
    answer = httpx.get(base_url.removesuffix("/v1") + "/emulator/sessions", trust_env=False).json()
    return answer["sessions"][-1]


def expected_segments(speech: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What the detector should tell of *speech*, in milliseconds."""
    told: list[tuple[float, float]] = []
    for start, end in speech:
        before = told[-1][1] if told else 0
        told.append((max(start * 1000 - PREFIX_PADDING_MS, before), end * 1000 + SILENCE_MS))
    return told


@pytest.mark.parametrize("name", TABLE)
async def test_what_was_read_is_what_arrives_and_is_heard(base_url: str, name: str) -> None:
    path = ROOT / "examples/audio" / name
    source = FileSource(path)
    report, _ = await replayed(base_url, Recording(name=name, source=source), speed=SPEED)
    await source.aclose()
    session = session_of_emulator(base_url)

    # The audio, to the bit, by three hands: what the file holds, what the replay says, what the server took.
    audio = await file_bytes(path)
    sent = audio + AudioFormat.PCM24K.silence(24 * TAIL_MS)
    assert report.recordings[0].sha256 == hashlib.sha256(audio).hexdigest()
    assert report.input_sha256 == session["input_audio_sha256"] == hashlib.sha256(sent).hexdigest()
    assert report.input_bytes == session["input_audio_bytes"] == len(sent)

    # What was heard in it, against a table that was made by eye.
    assert report.problems == ()
    found = [(turn.start_ms, turn.end_ms) for turn in report.turns]
    assert found == [(segment["start_ms"], segment["end_ms"]) for segment in session["segments"]]
    expected = expected_segments(TABLE[name])
    assert len(found) == len(expected), found
    for (start, end), (begins, ends) in zip(found, expected, strict=True):
        assert start == pytest.approx(begins, abs=TOLERANCE_MS), (found, expected)
        assert end == pytest.approx(ends, abs=TOLERANCE_MS), (found, expected)


async def test_recordings_share_a_session_in_order(base_url: str) -> None:
    names = ["vm-options.wav", "conf-usermenu.wav"]
    sources = [FileSource(ROOT / "examples/audio" / name) for name in names]
    recordings = [Recording(name=name, source=source) for name, source in zip(names, sources, strict=True)]
    report, _ = await replayed(base_url, *recordings, speed=None)
    whole = b""
    for name, source, recording in zip(names, sources, report.recordings, strict=True):
        await source.aclose()
        assert recording.name == name
        assert recording.starts_at_ms == len(whole) // 48
        whole += await file_bytes(ROOT / "examples/audio" / name) + AudioFormat.PCM24K.silence(24 * TAIL_MS)
    assert report.input_sha256 == session_of_emulator(base_url)["input_audio_sha256"]
    assert report.input_sha256 == hashlib.sha256(whole).hexdigest()
    assert [turn.recording for turn in report.turns] == sorted((turn.recording for turn in report.turns), reverse=True)
    assert {turn.recording for turn in report.turns} == set(names)
    assert report.problems == ()


async def test_the_reply_is_what_was_said(base_url: str) -> None:
    # Sentence by sentence: none is talked over, however slow the machine is.
    audio = await file_bytes(ROOT / "examples/audio/vm-options.wav")
    cuts = [0, 5950, 8200, len(audio) // 48]
    parts = [audio[start * 48 : end * 48] for start, end in pairwise(cuts)]
    recordings = [
        Recording(name=str(number), source=BytesSource(part, AudioFormat.PCM24K)) for number, part in enumerate(parts)
    ]
    report, reply = await replayed(base_url, *recordings, speed=SPEED)
    whole = b"".join(part + AudioFormat.PCM24K.silence(24 * TAIL_MS) for part in parts)
    spoken = b"".join(whole[turn.start_ms * 48 : turn.end_ms * 48] for turn in report.turns)  # type: ignore[operator]
    assert correlation(spoken, reply) >= 0.9
    assert report.interruptions == 0
    assert [turn.recording for turn in report.turns] == ["0", "1", "2"]
    assert len(report.replies) == len(report.latencies) == len(report.turns)
    assert all(0 < latency < 5 for latency in report.latencies)


async def test_silence_is_no_turn(base_url: str) -> None:
    source = BytesSource(bytes(48 * 3000), AudioFormat.PCM24K)
    report, reply = await replayed(base_url, Recording(name="nothing", source=source), speed=SPEED)
    assert report.turns == report.replies == report.problems == ()
    assert report.without_speech == ("nothing",)
    assert reply == b""
    assert report.finished
    assert report.time_to_first_audio is None


async def test_a_commit_by_hand_is_one_turn(base_url: str) -> None:
    with wave.open(str(ROOT / "examples/audio/vm-options.wav")) as file:
        audio = file.readframes(8000 * 2)
    sources = [BytesSource(audio, AudioFormat.PCM8K) for _ in range(2)]
    sink = BufferSink()
    url = base_url.replace("http", "ws") + "/realtime?model=gpt-realtime"
    async with httpx.AsyncClient(trust_env=False) as client:
        transport = OpenAIRealtimeWebSocket(model="gpt-realtime", client=client)
        config = {"audio": {"input": {"turn_detection": None}}}
        async with transport.connect(api_key="sk-test", url=url, initial_session_config=config):
            recordings = [Recording(name=str(number), source=source) for number, source in enumerate(sources)]
            report = await Replay(
                transport=transport, recordings=recordings, sink=sink, speed=None, commit=True, settle=0
            ).run()
    session = session_of_emulator(base_url)
    assert report.problems == ()
    assert [(turn.recording, turn.start_ms) for turn in report.turns] == [("0", None), ("1", None)]
    assert [reply.answers for reply in report.replies] == [turn.item_id for turn in report.turns]
    assert report.input_sha256 == session["input_audio_sha256"]
    assert report.recordings[0].sha256 == report.recordings[1].sha256
    assert session["received"]["input_audio_buffer.commit"] == session["received"]["response.create"] == 2
    assert len(sink.data) == report.output_bytes == report.input_bytes


def correlation(one: bytes, other: bytes) -> float:
    """The highest normalised cross-correlation of two pieces of 16-bit audio, over all shifts."""
    a, b = (np.frombuffer(data, "<i2").astype(float) for data in (one, other))
    size = 1 << (len(a) + len(b)).bit_length()
    products = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    return float(products.max() / np.sqrt((a @ a) * (b @ b)))
