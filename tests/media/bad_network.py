"""A network that loses packets and delays them, made of a UDP relay between two peers."""

from __future__ import annotations

import asyncio
import random
from typing import Any


class Relay:
    """Forwards datagrams between the two ends that talk to it, and does harm to media.

    Only SRTP is harmed (first byte 128 to 191, RFC 7983): events and keys are SCTP's and DTLS's business.

    Args:
        loss: Share of media packets that vanish.
        jitter: Up to so many seconds of delay.
    """

    def __init__(self, loss: float, jitter: float, seed: int = 1) -> None:
        self.loss, self.jitter = loss, jitter
        self.random = random.Random(seed)
        self.lost = self.passed = 0

    def harm(self, protocol: Any) -> None:
        """Put *protocol* (of aioice) behind this network: what it receives comes late or never."""
        receive = protocol.datagram_received

        def late(data: bytes, address: Any) -> None:
            if not (data and 127 < data[0] < 192):
                receive(data, address)
                return
            if self.random.random() < self.loss:
                self.lost += 1
                return
            self.passed += 1
            delay = self.random.random() * self.jitter
            asyncio.get_running_loop().call_later(delay, receive, data, address)

        protocol.datagram_received = late


def harm(pc: Any, relay: Relay) -> None:
    """Let everything that *pc* receives go through *relay*."""
    for transceiver in pc.getTransceivers():
        for protocol in transceiver.receiver.transport.transport._connection._protocols:
            relay.harm(protocol)
        break
