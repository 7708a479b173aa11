"""``talk`` by text: the line that is typed, what is told of a reply, and a conversation without a sound card."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_transport import RealtimeError, events, server_events
from realtime_transport.cli import main
from realtime_transport.cli.talk.line_editor import LineEditor
from realtime_transport.cli.talk.transcript import Transcript, words_heard
from realtime_transport.cli.terminal import fitted, width_of, wrapped
from tests.cli.test_talk import Card, card

__all__ = ["card"]  # A fixture.


@pytest.mark.parametrize(
    ("keys", "lines", "rest"),
    [
        (["Hello\n"], ["Hello"], ""),
        (["Hel", "lo\rWhat"], ["Hello"], "What"),
        (["a\nb\nc"], ["a", "b"], "c"),
        (["Hellp\x7fo\n"], ["Hello"], ""),
        (["\x7f\x7fx"], [], "x"),
        (["one two  \x17"], [], "one "),
        (["one two\x15three"], [], "three"),
        (["a\x1b[A\x1b[1;5Cb\x1bOHc\x1bdd"], [], "abcd"),
        (["a\x1b", "[", "1;5", "Db"], [], "ab"),
        (["tab\there"], [], "tab here"),
        (["a\x01\x02b"], [], "ab"),
    ],
)
def test_what_the_keyboard_sends_becomes_lines(keys: list[str], lines: list[str], rest: str) -> None:
    editor = LineEditor()
    assert [line for piece in keys for line in editor.feed(piece.encode())] == lines
    assert editor.text == rest
    assert not editor.ended


def test_a_character_may_come_in_two_pieces() -> None:
    editor = LineEditor()
    first, second = "é".encode()[:1], "é".encode()[1:]
    assert editor.feed(b"caf" + first) == []
    assert editor.feed(second + b"\n") == ["café"]


def test_ctrl_d_ends_the_input_where_nothing_is_typed() -> None:
    editor = LineEditor()
    editor.feed(b"x\x04")
    assert not editor.ended
    editor.feed(b"\x7f\x04")
    assert editor.ended


@pytest.mark.parametrize(
    ("text", "heard", "length", "words"),
    [
        ("one two three four", 2.0, 4.0, "one two"),
        ("one two three four", 1.8, 4.0, "one two"),
        ("one two three four", 1.6, 4.0, "one two"),
        ("one two three four", 1.5, 4.0, "one two"),
        ("one two three four", 1.2, 4.0, "one"),
        ("one two three four", 0.1, 4.0, ""),
        ("one two three four", 9.0, 4.0, "one two three four"),
        ("one two three four", 0.5, None, "one two"),
        ("one two three four", 0.0, 0.0, ""),
        ("", 1.0, 2.0, ""),
    ],
)
def test_the_words_that_were_heard(text: str, heard: float, length: float | None, words: str) -> None:
    assert words_heard(text, heard, length) == words


def told(*happened: object) -> list[str]:
    transcript = Transcript()
    return [line for event in happened for line in transcript.lines(event)]


def text(delta: str, response: str = "r1", item: str = "i1") -> events.AudioTranscriptDeltaEvent:
    return events.AudioTranscriptDeltaEvent(delta=delta, item_id=item, response_id=response)


def audio(seconds: float, response: str = "r1", item: str = "i1") -> events.AudioEvent:
    return events.AudioEvent(data=bytes(int(seconds * 48_000)), response_id=response, item_id=item)


def cut(ms: int, response: str = "r1", item: str = "i1") -> events.AudioInterruptedEvent:
    return events.AudioInterruptedEvent(response_id=response, item_id=item, audio_end_ms=ms)


def done(response: str = "r1", status: str = "completed") -> events.TurnDoneEvent:
    return events.TurnDoneEvent(response_id=response, status=status)


def test_a_reply_is_told_when_it_is_done() -> None:
    assert told(text("Hello "), audio(1), text("there."), done()) == ["model: Hello there."]
    assert told(done()) == []


def test_what_is_written_is_told_as_what_is_spoken() -> None:
    written = events.OutputTextDeltaEvent(delta="Hello", item_id="i1", response_id="r1")
    assert told(written, done()) == ["model: Hello"]


def test_of_a_reply_that_is_cut_off_is_told_what_was_heard() -> None:
    story = [text("one two three four"), audio(4), cut(2000), text(" five"), audio(1), done(status="cancelled")]
    assert told(*story) == ['       (cut off: 2.0 s of 4.0 s heard: "one two —")']


def test_a_reply_that_was_done_before_it_was_heard() -> None:
    lines = told(text("one two three four"), audio(4), done(), cut(50), text("Yes?", "r2", "i2"), done("r2"))
    assert lines == ["model: one two three four", '       (cut off: 0.1 s of 4.0 s heard: "—")', "model: Yes?"]


def test_where_no_audio_comes_by_event_its_length_is_not_told() -> None:
    assert told(text("one two three four"), cut(500)) == ['       (cut off: 0.5 s heard: "one two —")']


def test_an_interruption_of_something_unknown() -> None:
    assert told(cut(100)) == ["       (interrupted)"]


def test_speech_and_errors_are_told() -> None:
    error = events.ErrorEvent(error=RealtimeError("It does not work."))
    assert told(server_events.InputAudioBufferSpeechStarted(), error) == [
        "       (you speak)",
        "error: It does not work.",
    ]


def test_many_replies_take_no_more_memory_than_a_few() -> None:
    transcript = Transcript()
    for number in range(100):
        for event in (text("word", f"r{number}", f"i{number}"), done(f"r{number}")):
            assert len(list(transcript.lines(event))) <= 1
    assert list(transcript.lines(cut(10, "r0", "i0"))) == ["       (interrupted)"]
    assert "cut off" in next(iter(transcript.lines(cut(10, "r99", "i99"))))


# Standard input


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The lines of standard input, in a file; to be filled in before the command runs."""
    lines: list[str] = []
    path = tmp_path / "input"

    class Input:
        def fileno(self) -> int:
            path.write_text("".join(lines))
            opened.append(os.open(path, os.O_RDONLY))
            return opened[-1]

        def isatty(self) -> bool:
            return False

    opened: list[int] = []
    monkeypatch.setattr(sys, "stdin", Input())
    yield lines
    for number in opened:
        os.close(number)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("more", [[], ["--transport", "webrtc"]], ids=["websocket", "webrtc"])
def test_lines_are_sent_and_the_end_of_the_input_ends_it(
    piped: list[str], more: list[str], backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    piped += ["Hello\n", "\n", "How are you?"]
    assert main(["talk", "--text", "--backend", backend, *more]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[2:] == [
        "you:   Hello",
        "model: You said: Hello",
        "you:   How are you?",
        "model: You said: How are you?",
    ]
    assert err == ""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_a_line_beside_the_microphone_is_answered_aloud(
    card: Card, piped: list[str], transport: str, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card.said = b""
    piped.append("Hello\n")
    assert main(["talk", "--transport", transport, "--backend", backend]) == 0
    assert "model: You said: Hello" in capsys.readouterr().out
    assert card.played > 20  # Blocks of 10 ms that were not silent: it did not end before it was heard.


def test_an_agent_answers_text(
    piped: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "an_agent.py").write_text(
        "from realtime_transport import RealtimeAgent, function_tool\n"
        "@function_tool\n"
        "def weather(city: str) -> str:\n"
        "    '''The weather.'''\n"
        "    return 'rain in ' + city\n"
        "agent = RealtimeAgent(name='Forecaster', tools=[weather])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    piped.append('/call weather {"city": "Lund"}\n')
    assert main(["talk", "--text", "--agent", "an_agent:agent", "--backend", "trio"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "       (weather returned 12 characters)" in lines
    assert "rain in Lund" in lines[-1]


def test_without_a_standard_input_there_is_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["talk", "--text"]) == 2
    assert "--text: there is no standard input" in capsys.readouterr().err


# Devices


def test_devices_are_chosen_at_a_terminal_only(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["talk", "--choose-devices"]) == 2
    assert "name them with --input and --output" in capsys.readouterr().err


def test_without_devices_it_says_how_to_talk_all_the_same(card: Card, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(**_: object) -> object:
        raise OSError("Error querying device -1")

    sys.modules["sounddevice"].RawInputStream = refuse  # type: ignore[attr-defined]
    assert main(["talk"]) == 2
    assert "to talk without sound: --text" in capsys.readouterr().err


# Lines that fit


def test_the_width_of_text() -> None:
    assert width_of("abc") == 3
    assert width_of("日本") == 4
    assert width_of("e\u0301") == 1


@pytest.mark.parametrize(
    ("shown", "columns", "kept"),
    [("abc", 3, "abc"), ("abcdef", 4, "…def"), ("ab日本", 4, "…本"), ("abc", 1, "…"), ("abc", 0, "")],
)
def test_the_end_of_what_is_typed_is_shown(shown: str, columns: int, kept: str) -> None:
    assert fitted(shown, columns) == kept


def test_a_line_is_as_it_is_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line = "word " * 60
    assert wrapped(line, sys.stdout) == line
