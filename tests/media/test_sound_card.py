"""A conversation through the default devices: a virtual sound card of PulseAudio carries it."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
import soundfile
import soxr

from realtime_transport import OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.server_events import InputAudioBufferSpeechStopped, ResponseDone
from tests.measure import dbfs, floats

pytestmark = pytest.mark.anyio

SPEECH = Path(__file__).parents[2] / "examples/audio/demo-echotest.wav"


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A sound server of our own, with two null sinks: what is played into ``mic`` is what the microphone hears."""
    for program in ("pulseaudio", "pactl", "pacat", "parec"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install pulseaudio pulseaudio-utils libasound2-plugins")
    if ctypes.util.find_library("portaudio") is None:
        pytest.skip("PortAudio is not installed: apt-get install libportaudio2")
    folder = tmp_path_factory.mktemp("pulse")
    socket = folder / "native"
    os.environ["PULSE_SERVER"] = f"unix:{socket}"
    os.environ["PULSE_RUNTIME_PATH"] = os.environ["HOME"] = str(folder)
    (folder / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    command = [
        *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"),
        *("-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"),
        *("-L", "module-null-sink sink_name=mic rate=24000"),
        *("-L", "module-null-sink sink_name=loud rate=24000"),
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                if subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.1)
            subprocess.run(["pactl", "set-default-source", "mic.monitor"], check=True)
            subprocess.run(["pactl", "set-default-sink", "loud"], check=True)
            yield folder
        finally:
            server.terminate()


@pytest.mark.parametrize("kind", ["webrtc", "websocket"])
async def test_a_conversation_through_the_default_devices(card: Path, kind: str) -> None:
    voice, rate = soundfile.read(SPEECH, dtype="int16")
    spoken = soxr.resample(voice, rate, 24_000)[: int(24_000 * 2.4)].tobytes() + bytes(24_000)
    said, heard = card / "said.wav", card / "heard.raw"
    with wave.open(str(said), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(spoken)
    from realtime_transport.audio.devices import Microphone, Speaker

    async with RealtimeEmulator() as emulator:
        microphone, speaker = Microphone(), Speaker()
        if kind == "webrtc":
            url = f"{emulator.base_url}/realtime/calls"
            transport = OpenAIRealtimeWebRTC(base_url=url, api_key="x")  # The default devices.
        else:
            url = f"{emulator.websocket_url}?model=gpt-realtime-2.1"
            # Opened at the first use otherwise, which takes a second or two: the beginning would not be recorded.
            await microphone.open()
            await speaker.open()
            transport = OpenAIRealtimeWebSocket(url=url, api_key="x", audio_source=microphone, audio_sink=speaker)
        config = {"turn_detection": {"type": "server_vad"}}
        with heard.open("wb") as out:
            recorder = subprocess.Popen(
                ["parec", "--device=loud.monitor", "--rate=24000", "--channels=1", "--format=s16le"], stdout=out
            )
            try:
                async with transport.connect(initial_session_config=config):
                    player = subprocess.Popen(["paplay", "--device=mic", said])
                    with anyio.fail_after(30):
                        seen = False
                        async for event in transport:
                            seen = seen or isinstance(event, InputAudioBufferSpeechStopped)
                            if seen and isinstance(event, ResponseDone):
                                break
                    await anyio.sleep(3)  # The loudspeaker plays in real time.
                    player.wait()
            finally:
                recorder.terminate()
                recorder.wait()
                await microphone.aclose()
                await speaker.aclose()
    samples = floats(heard.read_bytes()[: heard.stat().st_size // 2 * 2])
    loudest = max(dbfs(samples[at : at + 12_000]) for at in range(0, len(samples) - 12_000, 12_000))
    print(f"\n{kind}: the loudspeaker played {len(samples) / 24_000:.1f} s, half a second at {loudest:.1f} dBFS")
    assert loudest > -35
