"""The frame codec: the short path gives what the library gives, and what a peer can make us hold is bounded."""

from __future__ import annotations

import itertools
import random

import attrs
import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from realtime_transport.errors import MessageTooBig
from realtime_transport.transports.links.frame_codec import FRAMES_PER_STEP, MAX_FRAGMENTS, FrameCodec

LIMIT = 70_000


@attrs.define
class Outcome:
    """What a stream of bytes came to."""

    messages: list[str | bytes] = attrs.field(factory=list["str | bytes"])
    newest_pong: bytes | None = None
    close_sent: int | None = None
    closed: tuple[int, str] | None = None


def by_library(stream: bytes, cuts: list[int], *, eof: bool) -> Outcome:
    """The same stream through ``websockets`` alone."""
    outcome, fragments = Outcome(), list[Frame]()
    protocol = ClientProtocol(parse_uri("ws://unused"), state=State.OPEN, max_size=LIMIT)
    sent = b""
    for piece in pieces(stream, cuts):
        protocol.receive_data(piece)
        for frame in protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT) or outcome.close_sent:
                continue
            fragments.append(frame)
            if frame.fin:
                whole = b"".join(part.data for part in fragments)
                binary = fragments[0].opcode is Opcode.BINARY
                fragments.clear()
                try:
                    outcome.messages.append(whole if binary else whole.decode())
                except UnicodeDecodeError:
                    outcome.close_sent = 1007
        sent += b"".join(protocol.data_to_send())
    if eof:
        protocol.receive_eof()
    return finish(outcome, protocol, sent)


def finish(outcome: Outcome, protocol: ClientProtocol, sent: bytes) -> Outcome:
    for opcode, payload in client_frames(sent):
        if opcode is Opcode.PONG:
            outcome.newest_pong = payload
        elif opcode is Opcode.CLOSE:
            outcome.close_sent = int.from_bytes(payload[:2], "big")
    if protocol.state is not State.OPEN:
        if isinstance(protocol.parser_exc, PayloadTooBig):
            outcome.closed = 1009, "message too big"
        elif protocol.close_rcvd is not None:
            outcome.closed = protocol.close_rcvd.code, protocol.close_rcvd.reason
        elif protocol.close_sent is not None:
            outcome.closed = protocol.close_sent.code, protocol.close_sent.reason
        else:
            outcome.closed = 1006, ""
    return outcome


def by_codec(stream: bytes, cuts: list[int], *, eof: bool, copying: bool = False) -> Outcome:
    outcome, codec, sent = Outcome(), FrameCodec(max_message_bytes=LIMIT), b""
    buffer = memoryview(bytearray(len(stream)))
    for piece in pieces(stream, cuts):
        if copying:
            codec.feed(piece)
            outcome.messages += codec.messages()
        else:
            buffer[: len(piece)] = piece
            outcome.messages += codec.receive(buffer[: len(piece)])
            buffer[: len(piece)] = bytes(len(piece))  # Nothing of it may be looked at any more.
        sent += codec.control_to_send()
        while codec.has_more:
            outcome.messages += codec.messages()
            sent += codec.control_to_send()
    if eof:
        codec.feed_eof()
    for opcode, payload in client_frames(sent):
        if opcode is Opcode.PONG:
            outcome.newest_pong = payload
        elif opcode is Opcode.CLOSE:
            outcome.close_sent = int.from_bytes(payload[:2], "big")
    if not codec.open:
        closed = codec.closed()
        outcome.closed = closed.code, closed.reason
    return outcome


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *cuts, len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges) if a < b]


def client_frames(data: bytes) -> list[tuple[Opcode, bytes]]:
    """The control frames that a client wrote: all are short."""
    frames: list[tuple[Opcode, bytes]] = []
    while data:
        size, mask = data[1] & 127, data[2:6]
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data[6 : 6 + size]))
        frames.append((Opcode(data[0] & 15), payload))
        data = data[6 + size :]
    return frames


def frame(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, width: int | None = None) -> bytes:
    """A frame as a server sends it; *width* forces the bytes of the length, which need not be minimal."""
    size = len(payload)
    width = width if width is not None else 0 if size < 126 else 2 if size < 65536 else 8
    length = bytes([size]) if width == 0 else bytes([126 if width == 2 else 127]) + size.to_bytes(width, "big")
    return bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + length + payload


TEXTS = ["", "x", '{"type":"a"}', "ü€😀", "x" * 125, "y" * 126, "z" * 1300, "w" * 66_000]


def random_stream(rng: random.Random) -> bytes:
    """Mostly what servers send; sometimes what they must not."""
    parts: list[bytes] = []
    for _ in range(rng.randint(1, 12)):
        text = rng.choice(TEXTS).encode()
        match rng.randint(0, 30):
            case 0:
                parts.append(frame(rng.randint(0, 15), rng.randbytes(rng.randint(0, 130)), rsv=rng.randint(0, 1)))
            case 1:
                parts.append(frame(1, text + b"\xff"))
            case 2:
                parts.append(frame(8, rng.choice([b"", b"\x03", b"\x03\xe8bye", b"\x0b\xb8no", b"\x03\xed"])))
            case 3:
                parts.append(rng.randbytes(rng.randint(1, 20)))
            case 4:
                parts.append(frame(1, text, width=rng.choice([2, 8])) if len(text) < 65536 else frame(1, text))
            case 5:
                parts.append(frame(1, b"x" * (LIMIT + rng.randint(-1, 2))))
            case 6:
                whole = frame(1, text)
                parts.append(whole[:1] + bytes([whole[1] | 0x80]) + whole[2:])  # masked
            case 7 | 8 | 9 | 10:
                opcode, middle = rng.choice([1, 2]), len(text) // 2
                parts.append(frame(opcode, text[:middle], fin=False))
                parts += [frame(9, rng.randbytes(4))] * rng.randint(0, 2)
                parts.append(frame(0, b"", fin=False))
                parts.append(frame(0, text[middle:]))
            case 11 | 12 | 13:
                parts.append(frame(9, rng.randbytes(rng.randint(0, 125))))
            case 14:
                parts.append(frame(10, rng.randbytes(rng.randint(0, 125))))
            case 15:
                parts.append(frame(2, text))
            case _:
                parts.append(frame(1, text))
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(40))
def test_any_stream_cut_anywhere_gives_what_the_library_gives(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        stream = random_stream(rng)
        many = rng.choice([0, 1, 3, 10, 60])
        cuts = sorted(rng.randrange(len(stream) + 1) for _ in range(many))
        eof = rng.random() < 0.5
        ours, theirs = by_codec(stream, cuts, eof=eof), by_library(stream, cuts, eof=eof)
        assert by_codec(stream, cuts, eof=eof, copying=True) == ours, (seed, stream[:200], cuts)
        if theirs.close_sent is not None:
            # What else came in the same read is of no interest to a connection that ends.
            ours.newest_pong = theirs.newest_pong = None
        if 1007 in (ours.close_sent, theirs.close_sent):
            # The library leaves UTF-8 to its caller, and reads on meanwhile.
            assert (ours.messages, ours.close_sent) == (theirs.messages, 1007)
        else:
            assert ours == theirs, (seed, stream[:200], cuts)


def test_a_stream_cut_after_every_byte() -> None:
    stream = b"".join(frame(1, text.encode()) for text in TEXTS[:7]) + frame(9, b"ping") + frame(8, b"\x03\xe8bye")
    cuts = list(range(1, len(stream)))
    assert by_codec(stream, cuts, eof=False) == by_library(stream, cuts, eof=False)
    assert by_codec(stream, cuts, eof=False).messages == TEXTS[:7]


def test_of_many_pings_the_newest_is_answered_and_all_are_counted() -> None:
    codec = FrameCodec(max_message_bytes=None)
    for number in range(5000):
        codec.feed(frame(9, number.to_bytes(4, "big")))
    assert codec.messages() == []
    while codec.has_more:
        assert codec.messages() == []
    assert client_frames(codec.control_to_send()) == [(Opcode.PONG, (4999).to_bytes(4, "big"))]
    assert codec.control_to_send() == b""
    assert codec.pings_received == 5000


def test_a_read_that_brought_much_is_taken_in_steps() -> None:
    codec = FrameCodec(max_message_bytes=None)
    codec.feed(frame(1, b"x") * (FRAMES_PER_STEP * 2 + 1))
    steps = [len(codec.messages())]
    while codec.has_more:
        steps.append(len(codec.messages()))
    assert steps == [FRAMES_PER_STEP, FRAMES_PER_STEP, 1]


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_fragments_are_bounded_in_number(payload: bytes) -> None:
    codec = FrameCodec(max_message_bytes=None)
    codec.feed(frame(1, b"x", fin=False))
    for _ in range(MAX_FRAGMENTS):
        assert codec.open
        codec.feed(frame(0, payload, fin=False))
        assert codec.messages() == []
    assert not codec.open
    closed = codec.closed()
    assert closed.code == 1009
    assert isinstance(closed.__cause__, MessageTooBig)
    assert client_frames(codec.control_to_send())[0][0] is Opcode.CLOSE
    codec.feed(frame(0, payload, fin=False) * 1000)
    assert codec.messages() == []
    assert codec.control_to_send() == b""


def test_fragments_are_bounded_in_bytes() -> None:
    codec = FrameCodec(max_message_bytes=1000)
    codec.feed(frame(1, b"x" * 600, fin=False) + frame(0, b"x" * 600, fin=False))
    assert codec.messages() == []
    assert isinstance(codec.closed().__cause__, MessageTooBig)


def test_pings_behind_our_close_are_not_answered() -> None:
    codec = FrameCodec(max_message_bytes=None)
    codec.close(1000, "")
    codec.control_to_send()
    codec.feed(frame(9, b"ping") * 1000 + frame(1, b"too late") + frame(8, b"\x03\xe8")[:2])
    assert codec.messages() == []
    assert codec.control_to_send() == b""
    assert not codec.finished
    codec.feed(b"\x03\xe8")
    assert codec.messages() == []
    assert codec.finished


ANSWERS = [
    frame(8, b"\x03\xe8"),
    frame(8, b"\x03\xe8bye"),
    frame(8, b"\x03\xe9"),
    frame(8, b""),
    frame(8, b"\x03\xe8", rsv=1),
    frame(8, b"\x03"),
    frame(1, b"late") + frame(9, b"ping") + frame(8, b"\x03\xe8"),
    frame(8, b"\x03\xe8") + frame(1, b"later"),
    frame(8, b"\x03\xe8" + b"\xff"),
    b"\x88\x82mask\x00\x00",
    b"",
]


@pytest.mark.parametrize("eof", [False, True])
@pytest.mark.parametrize("answer", ANSWERS)
def test_any_answer_to_our_close_ends_as_in_the_library_however_it_is_cut(answer: bytes, eof: bool) -> None:
    protocol = ClientProtocol(parse_uri("ws://unused"), state=State.OPEN, max_size=LIMIT)
    protocol.send_close(1000, "done")
    sent = client_frames(b"".join(protocol.data_to_send()))
    protocol.receive_data(answer)
    if eof:
        protocol.receive_eof()
    said = protocol.close_rcvd
    for cut in range(max(1, len(answer))):
        codec = FrameCodec(max_message_bytes=LIMIT)
        codec.close(1000, "done")
        assert client_frames(codec.control_to_send()) == sent
        for piece in pieces(answer, [cut]):
            assert codec.receive(piece) == []
        if eof:
            codec.feed_eof()
        assert not codec.open
        assert codec.control_to_send() == b""
        assert codec.finished == (said is not None or protocol.state is State.CLOSED)
        closed = codec.closed()
        assert (closed.code, closed.reason) == ((1006, "") if said is None else (said.code, said.reason))


def test_messages_of_a_closed_connection_are_not_encoded() -> None:
    codec = FrameCodec(max_message_bytes=None)
    assert codec.encode(["x"])
    codec.close(1000, "")
    codec.control_to_send()
    assert codec.encode(["x"]) == b""
