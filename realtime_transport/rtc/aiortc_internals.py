"""What we need of aiortc's inside, all in one place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiortc import RTCPeerConnection, RTCRtpReceiver

__all__ = [
    "abandon",
    "add_loopback",
    "cancel_tasks",
    "count_checks",
    "never_check",
    "packets_received",
    "probe",
    "take_packets",
    "unsent",
]

LOOPBACK = "127.0.0.1"

RX_PACKETS = "_RTCDtlsTransport__rx_packets"

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"

_NOT_OURS = (AttributeError, TypeError, KeyError)
"""What another version of aiortc, or a stand-in of the user's, raises here."""


class _PacketTap:
    """Stands where aiortc's jitter buffer stood: hands packets on, and gives nothing to aiortc's decoder."""

    def __init__(self, take: Callable[[int, bytes, int], None]) -> None:
        self._take = take

    def add(self, packet: Any) -> tuple[bool, None]:
        if packet.payload:
            self._take(packet.timestamp, packet.payload, packet.payload_type)
        return False, None


def take_packets(receiver: RTCRtpReceiver, take: Callable[[int, bytes, int], None]) -> bool:
    """Give *take* timestamp, payload and payload type of every packet, as it comes, instead of decoding it.

    Returns whether that worked.

    aiortc's own jitter buffer drops five frames for each that is lost, and then keeps 280 ms of delay for good.
    """
    if not hasattr(receiver, JITTER_BUFFER):
        return False
    setattr(receiver, JITTER_BUFFER, _PacketTap(take))
    return True


def _ice_connections(pc: RTCPeerConnection) -> Iterator[Any]:
    """The ICE connections of *pc*, as aioice has them."""
    seen: list[Any] = []
    transports = [transceiver.receiver.transport for transceiver in pc.getTransceivers()]
    if pc.sctp is not None:
        transports.append(pc.sctp.transport)
    for transport in transports:
        connection = transport.transport._connection  # pyright: ignore[reportPrivateUsage]
        if connection not in seen:
            seen.append(connection)
            yield connection


def add_loopback(pc: RTCPeerConnection) -> None:
    """Let *pc* be reached at 127.0.0.1 too: aioice leaves it out, and a machine without a network has nothing else."""
    with suppress(*_NOT_OURS):
        for connection in _ice_connections(pc):
            gather = connection.get_component_candidates

            async def gather_more(
                component: int, addresses: list[str], timeout: int = 5, _gather: Callable[..., Any] = gather
            ) -> Any:
                more = addresses if LOOPBACK in addresses else [*addresses, LOOPBACK]
                return await _gather(component=component, addresses=more, timeout=timeout)

            connection.get_component_candidates = gather_more


def never_check(pc: RTCPeerConnection, username: str, password: str) -> None:
    """Make *pc* an ICE-lite agent (RFC 8445, 2.5): it answers checks and never starts one, not even for consent.

    To be called before candidates are gathered. aioice takes any address that a check comes from; here the pair counts
    as checked at once, and is used as soon as the other side nominates it.

    Args:
        pc: The peer connection, which has not been given any candidate of the other side.
        username: The user fragment that the other side has to name.
        password: The password that its checks are signed with.
    """
    from aioice.ice import CandidatePair

    for connection in _ice_connections(pc):

        def succeed(pair: Any) -> None:
            pair.state = CandidatePair.State.SUCCEEDED

        async def ask_for_nothing() -> None:
            pass

        connection._local_username, connection._local_password = username, password
        connection._tie_breaker = 0  # Whoever says that we are controlling is told of the conflict (487).
        connection.check_start_task = succeed
        connection.query_consent = ask_for_nothing


def count_checks(pc: RTCPeerConnection, counted: Callable[[], None]) -> None:
    """Call *counted* at each connectivity or consent check of the other side."""
    with suppress(*_NOT_OURS):
        for connection in _ice_connections(pc):
            receive = connection.request_received

            def receive_and_count(message: Any, addr: Any, protocol: Any, _on: Callable[..., Any] = receive) -> None:
                counted()
                _on(message, addr, protocol)

            connection.request_received = receive_and_count


def packets_received(pc: RTCPeerConnection) -> int:
    """Datagrams of the peer so far, ICE's own not counted."""
    transport: Any = None if pc.sctp is None else pc.sctp.transport
    return getattr(transport, RX_PACKETS, 0)


async def probe(pc: RTCPeerConnection) -> bool:
    """Ask the peer for a sign of life (a STUN consent check, RFC 7675). Whether it answered.

    If cancelled, nothing has changed.
    """
    from aioice.stun import TransactionError

    try:
        for connection in _ice_connections(pc):
            for pair in list(connection._nominated.values()):
                request = connection.build_request(pair, nominate=False)
                key = connection.remote_password.encode()
                await pair.protocol.request(request, pair.remote_addr, integrity_key=key, retransmissions=1)
                return True
    except (TransactionError, OSError, *_NOT_OURS):
        return False
    return False


def unsent(pc: RTCPeerConnection) -> bool:
    """Whether data of ours has not been acknowledged yet."""
    with suppress(*_NOT_OURS):
        sctp: Any = pc.sctp
        return bool(sctp._outbound_queue or sctp._sent_queue or sctp._data_channel_queue)
    return False


async def cancel_tasks(pc: RTCPeerConnection, *, all_of_them: bool) -> None:
    """End the tasks that aiortc has started for *pc*: only the one that connects, or all.

    Closing a peer connection that is still connecting leaves some behind for good, which ask for consent every 5 s. If
    cancelled, they end all the same.
    """
    with suppress(*_NOT_OURS):
        owners: list[Any] = [pc, pc.sctp, *_ice_connections(pc)]
        for transceiver in pc.getTransceivers():
            transport = transceiver.receiver.transport
            owners += [transceiver.sender, transceiver.receiver, transport, transport.transport]
        if not all_of_them:
            owners = [pc]
        theirs = {id(owner) for owner in owners if owner is not None}
        tasks = [task for task in asyncio.all_tasks() if id(_self_of(task)) in theirs]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.2)


def _self_of(task: asyncio.Task[Any]) -> Any:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return None if frame is None else frame.f_locals.get("self")


async def abandon(pc: RTCPeerConnection) -> None:
    """Close the sockets of *pc*, whatever else it is doing. If cancelled, they are closed all the same."""
    with suppress(*_NOT_OURS):
        for connection in list(_ice_connections(pc)):
            # Not by its own close(): that waits, socket by socket, for what was cancelled with the first attempt.
            for protocol in list(connection._protocols):
                protocol.transport.close()
        await asyncio.sleep(0)  # Sockets are closed by the next turn of the loop.
