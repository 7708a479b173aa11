"""What a corpus is, and what is said of one that is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime_transport.bench import load_corpus
from realtime_transport.bench.synthesis import sentences
from realtime_transport.errors import ConfigError
from realtime_transport.replay import BargeInAt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.wav", "a.flac"):
        soundfile.write(tmp_path / name, np.zeros(8000, np.int16), 16_000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "notes.txt").write_text("no sound")
    return tmp_path


def test_a_folder_is_played_in_order_and_what_cannot_be_read_is_named(folder: Path) -> None:
    corpus = load_corpus([folder])
    assert [(one.name, one.seconds) for one in corpus.utterances] == [("a.flac", 0.5), ("b.wav", 0.5)]
    assert [one.path.name for one in corpus.unreadable] == ["broken.wav"]
    with pytest.raises(ConfigError, match=r"broken\.wav"):
        load_corpus([folder], strict=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.csv", 'file,words\nb.wav,"one, two"\na.flac,\n'),
        ("m.jsonl", '{"file":"b.wav","words":"one, two"}\n\n{"file":"a.flac","words":""}\n'),
    ],
)
def test_a_manifest_says_what_is_said(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    corpus = load_corpus([folder / name])
    assert [(one.name, one.words) for one in corpus.utterances] == [("b.wav", "one, two"), ("a.flac", "")]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.csv", "file,wrds\n", r"line 1: no column is called 'wrds'; known are file, words, barge_in"),
        ("m.csv", "file,words\n,hello\n", r"line 2, column file"),
        ("m.csv", "words\nhello\n", r"line 2, column file"),
        ("m.jsonl", '{"file":"b.wav"}\n{"file"\n', r"line 2, column 8: not JSON"),
        ("m.jsonl", "[]\n", r"line 1: an object expected"),
        ("m.jsonl", '{"file":"b.wav","speaker":"x"}\n', r"line 1: no field is called 'speaker'"),
        ("m.jsonl", '{"file":"b.wav","words":5}\n', r"line 1, column words"),
        ("m.csv", "file,barge_in\nb.wav,0.5\na.flac,soon\n", r"line 3, column barge_in: seconds .* not 'soon'"),
        ("m.jsonl", '{"file":"b.wav","barge_in":-1}\n', r"line 1, column barge_in"),
        ("m.csv", "file,words\nb.wav,one,two\n", r"line 2: more columns"),
    ],
)
def test_a_wrong_manifest_is_told_by_line_and_column(folder: Path, name: str, text: str, said: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_corpus([folder / name])


def test_nothing_to_play(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to play"):
        load_corpus([tmp_path])
    with pytest.raises(ConfigError, match="there is no"):
        load_corpus([tmp_path / "none.wav"])


def test_the_sentences_of_a_corpus_are_the_same_each_time() -> None:
    assert sentences(200) == sentences(200)
    assert len(set(sentences(125))) == 125


def test_a_manifest_says_who_talks_over_whom(folder: Path) -> None:
    (folder / "m.csv").write_text("file,barge_in\nb.wav,\na.flac,0.8\nb.wav,50%\n")
    assert [one.barge_in for one in load_corpus([folder / "m.csv"]).utterances] == [
        None,
        BargeInAt(seconds=0.8),
        BargeInAt(share=0.5),
    ]
    (folder / "m.jsonl").write_text('{"file":"b.wav","barge_in":0}\n')
    assert load_corpus([folder / "m.jsonl"]).utterances[0].barge_in == BargeInAt(seconds=0.0)


def test_of_a_recorded_session_the_user_is_played(folder: Path) -> None:
    for name in ("call", "mute"):
        (folder / f"{name}.rtrec").mkdir()
    soundfile.write(folder / "call.rtrec/in.wav", np.zeros(16_000, np.int16), 8_000)
    soundfile.write(folder / "call.rtrec/out.wav", np.zeros(16_000, np.int16), 8_000)
    corpus = load_corpus([folder])
    found = [(one.name, one.seconds) for one in corpus.utterances]
    assert found == [("a.flac", 0.5), ("b.wav", 0.5), ("call.rtrec", 2.0)]
    assert {one.path.name: one.why for one in corpus.unreadable}["mute.rtrec"].endswith("no sound of the user")
    assert load_corpus([folder / "call.rtrec"]).utterances[0].path == folder / "call.rtrec/in.wav"
