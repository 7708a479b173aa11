"""Recordings on disk: what is written comes back, whatever happened meanwhile."""

from __future__ import annotations

import threading
import wave
from pathlib import Path
from typing import Any

import orjson
import pybase64
import pytest

from realtime_transport.errors import ConfigError
from realtime_transport.protocol.wire.codec import dumps
from realtime_transport.recording import (
    Close,
    Frame,
    Header,
    Lost,
    Media,
    Note,
    Open,
    Recording,
    Tool,
    load_recording,
)
from realtime_transport.recording.scrub import Policy, Scrub, Scrubber
from realtime_transport.recording.writer import MAX_WAITING_BYTES, RecordingWriter


def text(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()


def append(data: bytes) -> str:
    return text({"type": "input_audio_buffer.append", "audio": pybase64.b64encode(data).decode()})


def delta(data: bytes) -> str:
    return text({"type": "response.output_audio.delta", "item_id": "a", "delta": pybase64.b64encode(data).decode()})


def write(
    path: Path,
    *entries: Any,
    audio: Policy = "keep",
    words: Policy = "keep",
    scrub: Scrub | None = None,
    secrets: tuple[str, ...] = (),
    max_bytes: int | None = None,
) -> RecordingWriter:
    scrubber = Scrubber(words=words, scrub=scrub)
    for secret in secrets:
        scrubber.hide(secret)
    header = Header(started="2026-11-26T18:00:00Z", redacted=("keys",), words=words, audio=audio)
    writer = RecordingWriter(path, header, scrubber, audio, max_bytes=max_bytes)
    for entry in entries:
        writer.put(entry)
    writer.close()
    return writer


def sent(message: str, t: float = 0.0) -> Frame:
    return Frame(t=t, direction="sent", text=message)


def received(message: str, t: float = 0.0) -> Frame:
    return Frame(t=t, direction="received", text=message)


END = Close(t=9.0, code=1000, by="client")


def wire_texts(recording: Recording) -> list[str]:
    return [frame.text or dumps(frame.message or {}) for frame in recording.frames]


@pytest.mark.parametrize("name", ["a.rtrec", "a.jsonl"])
def test_every_kind_of_line_comes_back(tmp_path: Path, name: str) -> None:
    messages = [
        text({"type": "session.update", "session": {"instructions": "Be brief.", "speed": 1.5}}),
        append(b"\1\2" * 1200),
        append(b"\1\2\3"),
        append(b"abc" * 333),  # An odd number of bytes.
        delta(b"\5\6" * 2400),
        text({"type": "x.y", "deep": [{"audio": pybase64.b64encode(b"item" * 100).decode(), "n": None}]}),
        '{"type": "spaced",  "n": 1.0}',
        '{"type":"half","delta":"\\ud83d"}',
        "no json at all",
        '{"type":"input_audio_buffer.append","audio":"not base64, and longer than the shortest that is moved!!!"}',
    ]
    entries = [
        Open(t=0.0, url="wss://host/v1/realtime?model=m"),
        *(sent(message, n / 10) for n, message in enumerate(messages)),
        Note(t=2.0, text="a note"),
        Tool(t=2.1, name="get_weather", call_id="c1", outcome="ok"),
        END,
    ]
    assert write(tmp_path / name, *entries).error is None
    recording = load_recording(tmp_path / name)
    assert recording.problem is None
    assert wire_texts(recording) == messages
    assert [type(entry) for entry in recording.entries] == [type(entry) for entry in entries]
    assert [entry.t for entry in recording.entries] == [entry.t for entry in entries]
    assert recording.header == Header(started="2026-11-26T18:00:00Z", redacted=("keys",))


def test_sound_goes_into_files_that_play(tmp_path: Path) -> None:
    pcmu = text(
        {
            "type": "session.updated",
            "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": None}}},
        }
    )
    write(
        tmp_path / "a.rtrec",
        sent(append(b"\1\0" * 2400)),
        received(delta(b"\2\0" * 4800)),
        received(pcmu),
        sent(append(b"\xff" * 800)),
        Media(t=1.0, direction="received", data=b"\3\0" * 480, rate=48_000),
        END,
    )
    with wave.open(str(tmp_path / "a.rtrec/in.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (24_000, 2400)
    with wave.open(str(tmp_path / "a.rtrec/out.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (24_000, 4800)
    law = (tmp_path / "a.rtrec/in-1.wav").read_bytes()
    assert law[20:22] == b"\7\0"  # µ-law
    assert law[44:] == b"\xff" * 800
    with wave.open(str(tmp_path / "a.rtrec/out-2.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (48_000, 480)
    assert not (tmp_path / "a.rtrec/recording.jsonl").read_text().count("AQAB")


@pytest.mark.parametrize("policy", ["digest", "drop"])
def test_sound_and_words_that_are_not_kept(tmp_path: Path, policy: Policy) -> None:
    said = text({"type": "response.output_audio_transcript.delta", "delta": "my name is Ada"})
    item = text({"type": "conversation.item.create", "item": {"content": [{"type": "input_text", "text": "Ada"}]}})
    write(
        tmp_path / "a.rtrec", sent(append(b"\1\2" * 100)), received(said), sent(item), END, audio=policy, words=policy
    )
    lines = (tmp_path / "a.rtrec/recording.jsonl").read_text()
    assert "Ada" not in lines
    assert pybase64.b64encode(b"\1\2" * 100).decode() not in lines
    assert ("sha256" in lines) == (policy == "digest")
    assert not list((tmp_path / "a.rtrec").glob("*.wav"))
    first, second, third = load_recording(tmp_path / "a.rtrec").frames
    assert first.message == {"type": "input_audio_buffer.append", "audio": pybase64.b64encode(bytes(200)).decode()}
    assert second.message is not None
    assert third.message is not None
    assert len(second.message["delta"]) == len("my name is Ada")
    assert len(third.message["item"]["content"][0]["text"]) == len("Ada")


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    bodies = [f"{n:02}abcdefghijklmnop" for n in range(50)]
    makers = [
        lambda body: text({"type": "x", "note": f"my key is sk-{body} ok"}),
        lambda body: text({"type": "x", "session": {"tools": [{"type": "mcp", "authorization": body}]}}),
        lambda body: text({"type": "x", "headers": {"X-Anything": body}}),
        lambda body: text({"type": "x", "value": {"client_secret": {"value": body, "expires_at": 1}}}),
        lambda body: text({"type": "x", "url": f"https://h/?q=ek_{body}"}),
        lambda body: text({"type": "x", "api_key": body}),
        lambda body: text({"type": "x", "arguments": '{"h":"Bearer ' + body + '"}'}),
        lambda body: f"not json, Authorization: Bearer {body}",
        lambda body: text({"type": "x", f"sk-{body}": 1}),
        lambda body: text({"type": "x", "list": ["a", [f"eyJhbGciOi.{body}.{body}"]]}),
    ]
    frames = [sent(makers[n % len(makers)](body)) for n, body in enumerate(bodies[:40])]
    exact = bodies[40:50]
    frames += [received(text({"type": "error", "error": {"message": f"wrong: {body}"}})) for body in exact]
    opened = Open(t=0, url=f"wss://user:{bodies[0]}@host/v1/realtime?model=m&key={bodies[1]}")
    closed = Close(t=9.0, code=4000, reason=f"bad key {exact[0]}")
    write(tmp_path / "a.rtrec", opened, *frames, Note(t=1, text=f"sk-{bodies[2]}"), closed, secrets=tuple(exact))
    written = b"".join(path.read_bytes() for path in (tmp_path / "a.rtrec").iterdir()).decode()
    assert [body for body in bodies if body in written] == []
    assert "wss://host/v1/realtime?model=m&key=REDACTED" in written


def test_the_callers_scrub_changes_or_leaves_out(tmp_path: Path) -> None:
    def scrub(message: dict[str, Any]) -> dict[str, Any] | None:
        return None if message["type"] == "secret" else {**message, "seen": True}

    write(tmp_path / "a.jsonl", sent('{"type":"secret"}'), sent('{"type":"open"}'), END, scrub=scrub)
    (frame,) = load_recording(tmp_path / "a.jsonl").frames
    assert frame.message == {"type": "open", "seen": True}


def test_a_scrub_that_raises_ends_the_recording_and_writes_nothing_of_it(tmp_path: Path) -> None:
    def scrub(message: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("no")

    writer = write(tmp_path / "a.jsonl", sent('{"type":"one"}'), END, scrub=scrub)
    assert isinstance(writer.error, RuntimeError)
    assert load_recording(tmp_path / "a.jsonl").entries == ()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "a.rtrec", END)
    before = (tmp_path / "a.rtrec/recording.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        write(tmp_path / "a.rtrec", END)
    assert (tmp_path / "a.rtrec/recording.jsonl").read_bytes() == before
    with pytest.raises(ConfigError, match="NAME.rtrec"):
        write(tmp_path / "a.wav", END)


def test_a_limit_ends_the_recording(tmp_path: Path) -> None:
    writer = write(tmp_path / "a.jsonl", *(sent('{"type":"one"}') for _ in range(100)), END, max_bytes=1000)
    assert isinstance(writer.error, OSError)
    recording = load_recording(tmp_path / "a.jsonl")
    assert 5 < len(recording.frames) < 100
    assert recording.problem is not None
    assert "ended first" in recording.problem


def test_a_disk_that_is_slower_than_the_wire_costs_frames_and_no_time(tmp_path: Path) -> None:
    """The disk is held up by a scrub that waits; nobody who writes is."""
    is_busy, goes_on = threading.Event(), threading.Event()

    def scrub(message: dict[str, Any]) -> dict[str, Any]:
        is_busy.set()
        goes_on.wait()
        return message

    large = sent(text({"type": "large", "text": "x" * (MAX_WAITING_BYTES // 4)}))
    writer = RecordingWriter(tmp_path / "a.jsonl", Header(started=""), Scrubber(scrub=scrub), "keep")
    writer.put(sent('{"type":"first"}'))
    is_busy.wait()
    for _ in range(6):
        writer.put(large)
    goes_on.set()
    writer.close()
    assert writer.error is None
    recording = load_recording(tmp_path / "a.jsonl")
    assert [entry.frames for entry in recording.entries if isinstance(entry, Lost)] == [writer.lost_frames]
    assert writer.lost_frames + len(recording.frames) == 7
    assert writer.lost_frames > 0


def test_a_recording_that_was_cut_off_anywhere_is_readable(tmp_path: Path) -> None:
    messages = [text({"type": "one", "n": n}) for n in range(5)]
    write(tmp_path / "whole.jsonl", *map(sent, messages), END)
    data = (tmp_path / "whole.jsonl").read_bytes()
    start = data.index(b"\n") + 1
    for length in range(start, len(data)):
        (tmp_path / "cut.jsonl").write_bytes(data[:length])
        recording = load_recording(tmp_path / "cut.jsonl")
        found = wire_texts(recording)
        assert found == messages[: len(found)]
        assert len(found) >= data[:length].count(b"\n") - 1 - (length > data.rindex(b"\n", 0, len(data) - 1))
        if length < len(data) - 1:
            assert recording.problem is not None


def test_a_cut_sidecar_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a.rtrec", sent('{"type":"one"}'), sent(append(b"\1\0" * 2400)), END)
    sound = tmp_path / "a.rtrec/in.wav"
    sound.write_bytes(sound.read_bytes()[:-1])
    recording = load_recording(tmp_path / "a.rtrec")
    assert len(recording.frames) == 1
    assert recording.problem is not None
    assert "in.wav" in recording.problem


def test_an_edited_recording_cannot_read_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(100))
    path = tmp_path / "a.rtrec"
    write(path, END)
    line = '{"n":1,"t":0,"dir":"sent","frame":{"type":"x","audio":{"$audio":"../secret","at":0,"bytes":10}}}\n'
    lines = (path / "recording.jsonl").read_text().splitlines(keepends=True)
    (path / "recording.jsonl").write_text(lines[0] + line)
    recording = load_recording(path)
    assert recording.entries == ()
    assert "not a file of the recording" in str(recording.problem)


def test_a_newer_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", sent('{"type":"one"}'), END)
    data = (tmp_path / "a.jsonl").read_text().replace('"version":1', '"version":2')
    (tmp_path / "a.jsonl").write_text(data + '{"n":3,"t":10.0,"conn":0,"kind":"hologram"}\n')
    recording = load_recording(tmp_path / "a.jsonl")
    assert "version 2" in str(recording.problem)
    assert wire_texts(recording) == ['{"type":"one"}']
    assert isinstance(recording.entries[-1], Note)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"RIFF....", b'{"format":"realtime-recording"}\n', b"[]\n"])
def test_what_is_no_recording_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(ConfigError, match="a.jsonl"):
        load_recording(tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recording(tmp_path / "nothing.rtrec")
