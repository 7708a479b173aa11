"""A peer that answers understands G.711 where the other side prefers it to Opus."""

from __future__ import annotations

import math
from typing import Any

import anyio
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.rtc.aiortc_internals import add_loopback
from realtime_transport.rtc.host import Inbox, asyncio_host
from realtime_transport.rtc.peer import Peer
from realtime_transport.rtc.sdp import with_codecs
from realtime_transport.rtc.settings import PeerCallbacks, PeerOptions
from tests.measure import dbfs, floats, frequency, sine

pytestmark = pytest.mark.anyio

LEVEL = 0.25


class Tone(AudioStreamTrack):
    """440 Hz at the pace of real time."""

    def __init__(self) -> None:
        super().__init__()
        self._pcm = np.frombuffer(sine(1, 440, LEVEL), "<i2")[::3].tobytes()
        self._at = 0

    async def recv(self) -> AudioFrame:
        frame: Any = await super().recv()
        assert (frame.sample_rate, frame.samples) == (8000, 160)
        frame.planes[0].update(self._pcm[self._at : self._at + 320])
        self._at = (self._at + 320) % len(self._pcm)
        return frame


@pytest.mark.parametrize("codec", ["pcmu/8000", "pcma/8000"])
async def test_the_sound_is_the_same(codec: str) -> None:
    async with asyncio_host() as host:
        inbox = Inbox(host, 1_000_000)

        async def make_server() -> Peer:
            return Peer(PeerOptions(loopback=True, ice_lite=True), PeerCallbacks(sound=lambda pcm: put(pcm)))

        def put(pcm: bytes) -> None:
            inbox.put(pcm)

        async def make_client() -> RTCPeerConnection:
            pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            pc.addTrack(Tone())
            pc.createDataChannel("oai-events")
            add_loopback(pc)
            await pc.setLocalDescription(await pc.createOffer())
            return pc

        server, client = await host.run(make_server), await host.run(make_client)
        answer = with_codecs(await host.run(server.answer, client.localDescription.sdp), codec)
        await host.run(client.setRemoteDescription, RTCSessionDescription(answer, "answer"))
        heard = b""
        with anyio.fail_after(10):
            while len(heard) < 2 * AudioFormat.PCM24K.rate:
                heard += b"".join(await inbox.receive())
        await host.run(client.close)
        await host.run(server.close, False)
    steady = floats(heard)[6000:]
    assert frequency(steady) == pytest.approx(440, abs=2)
    assert dbfs(steady) == pytest.approx(20 * math.log10(LEVEL / math.sqrt(2)), abs=0.5)
