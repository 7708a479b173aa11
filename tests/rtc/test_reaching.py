"""Reaching a peer that never starts a connectivity check, whatever its answer looks like."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio
import attrs
import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from realtime_transport.rtc.host import asyncio_host
from realtime_transport.rtc.peer import Peer
from realtime_transport.rtc.sdp import Description, Section
from realtime_transport.rtc.settings import PeerCallbacks, PeerOptions

pytestmark = pytest.mark.anyio

UNREACHABLE = "1 udp 2130706431 192.0.2.1 3478 typ host"
IPV6 = "1 udp 2130706431 2001:db8::1 3478 typ host"
HIDDEN = "1 udp 2130706431 0f1e2d3c-1234-4b5a-9687-78695a4b3c2d.local 50000 typ host"
TCP = "1 tcp 1671430143 127.0.0.1 443 typ host tcptype passive"


@attrs.define
class Answer:
    """The answer of a peer that never starts a check, to be changed."""

    description: Description

    @property
    def audio(self) -> Section:
        return self.description.sections[0]

    @property
    def data(self) -> Section:
        return self.description.sections[1]

    def take_candidates(self) -> list[str]:
        """Leave none in it."""
        found = [line for line in self.audio.lines if line.startswith("a=candidate:")]
        for section in self.description.sections:
            section.lines[:] = [line for line in section.lines if "candidate" not in line]
        return found


def in_section(*indices: int) -> Callable[[Answer], None]:
    def change(answer: Answer) -> None:
        lines = answer.take_candidates()
        for index in indices:
            answer.description.sections[index].lines += lines

    return change


def beside(*others: str, extension: str = "") -> Callable[[Answer], None]:
    """The good candidates of the first section behind *others*."""

    def change(answer: Answer) -> None:
        lines = answer.take_candidates()
        more = [f"a=candidate:{number} {other}" for number, other in enumerate(others, 1)]
        answer.audio.lines += [line + extension for line in [*more, *lines]]

    return change


def second_component_first(answer: Answer) -> None:
    lines = answer.take_candidates()
    answer.audio.lines += [line.replace(" 1 udp ", " 2 udp ") for line in lines] + lines


def spread(answer: Answer) -> None:
    """A useless one in the first section, the good ones in the last."""
    answer.data.lines += answer.take_candidates()
    answer.audio.lines.append(f"a=candidate:1 {UNREACHABLE}")


def said_once(answer: Answer) -> None:
    """What belongs to the transport stands in the first section of the bundle only."""
    names = ("a=ice-", "a=setup", "a=fingerprint", "a=candidate")
    answer.data.lines[:] = [line for line in answer.data.lines if not line.startswith(names)]


def fingerprint_for_all(answer: Answer) -> None:
    lines = [line for line in answer.audio.lines if line.startswith("a=fingerprint:sha-256")]
    for section in answer.description.sections:
        section.lines[:] = [line for line in section.lines if not line.startswith("a=fingerprint")]
    answer.description.session += lines


def without_sizes(answer: Answer) -> None:
    answer.data.lines[:] = [line for line in answer.data.lines if not line.startswith("a=max-message-size")]


def not_said_to_be_lite(answer: Answer) -> None:
    answer.description.session.remove("a=ice-lite")


def complete(answer: Answer) -> None:
    in_section(0)(answer)
    answer.audio.lines.append("a=end-of-candidates")


def capital(answer: Answer) -> None:
    lines = answer.take_candidates()
    answer.audio.lines += [line.replace(" udp ", " UDP ") for line in lines]


Change: TypeAlias = Callable[[Answer], None]

Negotiate: TypeAlias = Callable[[Change], Awaitable[None]]

WAYS: dict[str, Callable[[Answer], None]] = {
    "first section": in_section(0),
    "each section": in_section(0, 1),
    "last section": in_section(1),
    "spread over both": spread,
    "beside TCP": beside(TCP),
    "behind an unreachable one": beside(UNREACHABLE),
    "behind IPv6": beside(IPV6),
    "beside a hidden one": beside(HIDDEN),
    "all of these, with extensions": beside(TCP, UNREACHABLE, IPV6, HIDDEN, extension=" ufrag abcdefgh/u0/12345678"),
    "behind the second component": second_component_first,
    "with an end": complete,
    "in capitals": capital,
    "what is shared is said once": said_once,
    "a fingerprint for all": fingerprint_for_all,
    "no size": without_sizes,
    "not said to be lite": not_said_to_be_lite,
}


@attrs.define(eq=False)
class End:
    """One end of a call, and what has happened there."""

    peer: Peer
    opened: anyio.Event
    got: list[str | bytes]


class Passive(RTCPeerConnection):
    """Waits for the other side's DTLS handshake."""

    async def createAnswer(self) -> RTCSessionDescription:
        answer = await super().createAnswer()
        return RTCSessionDescription(answer.sdp.replace("a=setup:active", "a=setup:passive"), answer.type)


def passive(_: RTCPeerConnection) -> RTCPeerConnection:
    return Passive(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


@asynccontextmanager
async def two_peers(setup: str = "active") -> AsyncGenerator[tuple[End, End, Negotiate]]:
    """A client, a server that never starts a check, and what lets them negotiate."""
    async with asyncio_host() as host:

        async def make(options: PeerOptions) -> End:
            opened, got = anyio.Event(), list[str | bytes]()

            async def build() -> Peer:
                callbacks = PeerCallbacks(opened=lambda: host.notify(opened.set), message=got.append)
                return Peer(options, callbacks)

            return End(await host.run(build), opened, got)

        client = await make(PeerOptions(loopback=True))
        change_server = passive if setup == "passive" else None
        server = await make(PeerOptions(loopback=True, ice_lite=True, change=change_server))

        async def negotiate(change: Callable[[Answer], None]) -> None:
            answer = await host.run(server.peer.answer, await host.run(client.peer.offer))
            description = Description.parse(answer)
            description.session.append("a=ice-lite")
            assert f"a=setup:{setup}" in answer
            change(Answer(description))
            await host.run(client.peer.accept, str(description))

        try:
            yield client, server, negotiate
        finally:
            with anyio.CancelScope(shield=True):
                await host.run(client.peer.close, False)
                await host.run(server.peer.close, False)


@pytest.mark.parametrize(
    ("way", "setup"),
    [*((way, "active") for way in WAYS), ("first section", "passive"), ("what is shared is said once", "passive")],
)
async def test_the_channel_opens(way: str, setup: str) -> None:
    async with two_peers(setup) as (client, server, negotiate):
        await negotiate(WAYS[way])
        with anyio.fail_after(5):
            await client.opened.wait()
            await server.opened.wait()
