"""A recording as input of a benchmark: the same frames each time through `ReplayTransport`, without a network.

As fast as they go, and nothing cut off: frames for a second of CPU, the memory that a session peaks at, and the time to
the first audio. At the pace at which they were recorded: how long after the server's word that the user speaks the
truncation of the reply is written. What must hold: each play gives the same events, and the median barge-in takes less
than 20 ms.
"""

from __future__ import annotations

import tempfile
import time
import tracemalloc
from pathlib import Path
from statistics import median

import anyio

from realtime_transport import FileSource, OpenAIRealtimeBase, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.events import AudioEvent, Event, TurnDoneEvent
from realtime_transport.recording import Frame, Recording, ReplayTransport, load_recording, record

SPEECH = Path(__file__).parents[1] / "examples/audio/demo-echotest.wav"
CONFIG = {"audio": {"input": {"turn_detection": {"type": "server_vad", "prefix_padding_ms": 0}}}}
TURNS = 3
PLAYS = 20
BARGE_IN_MS = 20.0


async def listen(transport: OpenAIRealtimeBase) -> tuple[list[type[Event]], float]:
    """Take the events up to the last turn's end; their types, and when the first audio came."""
    kinds: list[type[Event]] = []
    first_audio = 0.0
    async for event in transport:
        kinds.append(type(event))
        if isinstance(event, AudioEvent) and not first_audio:
            first_audio = time.perf_counter()
        if kinds.count(TurnDoneEvent) == TURNS:
            break
    return kinds, first_audio


async def converse(path: Path) -> Recording:
    """A user who talks over the echo of each sentence; takes as long as it takes."""
    async with RealtimeEmulator() as emulator:
        url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
        transport = OpenAIRealtimeWebSocket(url=url, model="gpt-realtime-2.1", audio_source=FileSource(SPEECH))
        async with record(transport, path), transport.connect(api_key="any", initial_session_config=CONFIG):
            await listen(transport)
    return load_recording(path)


async def as_fast_as_it_goes(recording: Recording) -> None:
    counts: set[int] = set()
    seconds: list[float] = []
    to_audio: list[float] = []
    for _ in range(PLAYS):
        replay = ReplayTransport(recording, pace="asap", match="none", update_timeout=0)
        began, connected = time.process_time(), time.perf_counter()
        async with replay.connect(interrupt_on_speech=False):
            kinds, first_audio = await listen(replay)
        seconds.append(time.process_time() - began)
        to_audio.append(first_audio - connected)
        counts.add(len(kinds))
    tracemalloc.start()
    replay = ReplayTransport(recording, pace="asap", match="none", update_timeout=0)
    async with replay.connect(interrupt_on_speech=False):
        await listen(replay)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (count,) = counts
    frames = sum(frame.direction == "received" for frame in recording.frames)
    print(f"  {frames} frames received, {count} events, {PLAYS} plays, each the same")
    print(f"  {frames / median(seconds):.0f} frames a second of CPU, connecting included")
    print(f"  first audio after {median(to_audio) * 1e3:.2f} ms; {peak / 1024:.0f} kB at the peak of a session")


async def at_the_recorded_pace(recording: Recording, path: Path) -> None:
    replay = ReplayTransport(recording, pace="recorded", match="none", update_timeout=0)
    async with record(replay, path, audio="drop"), replay.connect():
        await listen(replay)
    spoke: float | None = None
    found: list[float] = []
    for frame in load_recording(path).frames:
        if not isinstance(frame, Frame) or frame.message is None:
            continue
        match frame.message.get("type"):
            case "input_audio_buffer.speech_started":
                spoke = frame.t
            case "conversation.item.truncate" if spoke is not None:
                found.append((frame.t - spoke) * 1e3)
                spoke = None
            case _:
                pass
    print(f"  {len(found)} barge-ins: truncated after {', '.join(f'{ms:.2f}' for ms in found)} ms")
    assert found, "nobody was interrupted"
    assert median(found) <= BARGE_IN_MS, f"a barge-in takes {median(found):.1f} ms"


async def measure(folder: Path) -> None:
    recording = await converse(folder / "talk.rtrec")
    await as_fast_as_it_goes(recording)
    await at_the_recorded_pace(recording, folder / "again.rtrec")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        anyio.run(measure, Path(name))
