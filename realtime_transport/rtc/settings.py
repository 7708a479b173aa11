"""How a peer is set up, and its callbacks. All of this can be loaded without aiortc."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.argument_names import named_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["IceServer", "OpusSettings", "PeerCallbacks", "PeerOptions"]


@named_fields
@attrs.frozen(kw_only=True)
class IceServer:
    """A STUN or TURN server.

    Attributes:
        urls: Such as ``"stun:stun.example.org:3478"`` or ``"turn:turn.example.org"``.
        username: For TURN.
        credential: For TURN.
    """

    urls: str | Sequence[str]
    username: str | None = None
    credential: str | None = attrs.field(default=None, repr=False)


@named_fields
@attrs.frozen(kw_only=True)
class OpusSettings:
    """How speech is encoded.

    Attributes:
        bitrate: Bits per second; 32,000 is transparent for a voice at 24 kHz.
        expected_loss: Percent of packets that the encoder reckons with; above 0, each packet also holds a coarse copy
            of the one before it (in-band FEC).
        dtx: Let the encoder spend almost nothing on silence. Off: some servers take the pause for a dead line.
    """

    bitrate: int = 32_000
    expected_loss: int = 5
    dtx: bool = False


@attrs.frozen(kw_only=True)
class PeerOptions:
    """How a peer is set up.

    Attributes:
        ice_servers: None by default: aiortc's own default is a public server, which stalls for 5 s if unreachable.
        loopback: Be reachable at 127.0.0.1 too.
        silence_timeout: Seconds without a sign of life after which the peer counts as gone.
        opus: How our voice is encoded.
        ice_lite: Answer as the service does: never start a connectivity check, and say so. Only for who answers.
        change: Called with the new peer connection, in the event loop of asyncio; may give another in its place.
    """

    ice_servers: Sequence[IceServer] = ()
    loopback: bool = False
    silence_timeout: float | None = 5.0
    opus: OpusSettings = attrs.field(factory=OpusSettings)
    ice_lite: bool = False
    change: Callable[[Any], Any] | None = None


def _nothing(*_: Any) -> None:
    pass


@attrs.define(eq=False)
class PeerCallbacks:
    """What a peer tells, from the asyncio host. None of these may wait or raise.

    Attributes:
        opened: The data channel is open.
        message: An event came.
        sound: 20 ms of the other voice came.
        state: The peer is ``"connected"`` or, while it gives no sign of life, ``"disconnected"``.
        closed: It is over, and why; empty if we closed.
    """

    opened: Callable[[], None] = _nothing
    message: Callable[[str | bytes], None] = _nothing
    sound: Callable[[bytes], None] = _nothing
    state: Callable[[str], None] = _nothing
    closed: Callable[[str], None] = _nothing
