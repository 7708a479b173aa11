"""The command line at 80 and 200 columns, without colour, on a dumb terminal, without one, and with Ctrl-C."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import COMMAND, environment

from .scenes import CARD, SCENES, check_capture, prepare

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

from tests.terminals import Terminal, terminal

COLOUR = re.compile(r"\x1b\[[\d;]*(?:3\d|4\d|9\d)(?:;[\d;]*)?m")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def here(used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with links to what the scenes speak of."""
    for path in used.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)


def play(name: str, columns: int, **variables: str) -> Terminal:
    """Play a scene to its end."""
    scene = SCENES[name]
    with terminal(*scene.arguments.split(), columns=columns, **scene.variables, **variables) as seen:
        for text, keys in scene.acts:
            seen.until(text)
            seen.press(keys)
        assert seen.end() == scene.code, seen.display.text
        assert seen.is_restored
        assert seen.display.unknown == []
    return seen


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("name", SCENES)
def test_a_scene_on_a_terminal(name: str, columns: int) -> None:
    seen = play(name, columns)
    check_capture(f"{name}-{columns}", seen.display.text)
    assert (COLOUR.search(seen.raw) is not None) == (name == "replay")


@pytest.mark.parametrize("name", ["replay", "bench", "talk"])
def test_without_colour_it_looks_the_same(name: str) -> None:
    seen = play(name, 80, NO_COLOR="1")
    check_capture(f"{name}-80", seen.display.text)
    assert COLOUR.search(seen.raw) is None


@pytest.mark.parametrize("name", ["replay", "bench", "talk-text", "talk"])
def test_on_a_dumb_terminal_nothing_is_drawn(name: str) -> None:
    seen = play(name, 80, TERM="dumb")
    assert "\x1b" not in seen.raw
    check_capture(f"{name}-dumb", seen.display.text)


@pytest.mark.parametrize("name", ["replay", "show", "bench", "compare", "talk-text", "talk"])
def test_without_a_terminal_there_are_plain_lines(name: str) -> None:
    scene = SCENES[name]
    keys = "".join(keys for _, keys in scene.acts).replace("\r", "\n").replace("\x04", "")
    done = subprocess.run(
        [*COMMAND, *scene.arguments.split()],
        input=keys.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(**scene.variables),
        check=False,
    )
    text = done.stdout.decode()
    assert done.returncode == 0, text
    assert [character for character in text if character < " " and character != "\n"] == []
    check_capture(f"{name}-pipe", text)


@pytest.mark.parametrize("arguments", ["doctor --no-network", "talk --list-devices", "--help", "talk --help"])
def test_nothing_is_wider_than_the_terminal(arguments: str) -> None:
    with terminal(*arguments.split(), columns=80, **CARD) as seen:
        assert seen.end() == 0
    # A line that is as wide as the terminal may have been broken by it.
    assert max(map(len, seen.display.text.splitlines())) < 80


@pytest.mark.parametrize("columns", [80, 200])
def test_ctrl_c_ends_a_replay_and_says_where_the_files_are(columns: int) -> None:
    options = ("--no-play", "--out", "replayed", "--record", "r.rtrec")
    with terminal("replay", "long.wav", *options, columns=columns) as seen:
        seen.until("speech started")
        seen.press("\x03")
        assert seen.end() == 130
        assert seen.is_restored
    panel, _, rest = seen.display.text.rpartition("╯")
    assert panel.count("╭") == panel.count("╰") == 1
    assert " ".join(rest.split()) == (
        "what there was by then is in replayed realtime-transport: recorded: r.rtrec; look at it with: "
        "realtime-transport show r.rtrec realtime-transport: interrupted"
    )
    assert {path.name for path in Path("replayed").iterdir()} >= {"reply.wav", "timeline.jsonl", "report.json"}


@pytest.mark.parametrize("columns", [80, 200])
def test_ctrl_c_ends_a_benchmark_and_says_where_the_files_are(columns: int) -> None:
    options = ("--sessions", "1,2", "--utterances", "1", "--warm-up", "0", "--out", "bench")
    with terminal("bench", "corpus", *options, columns=columns) as seen:
        seen.until(lambda text: re.search(r"asyncio: [12] of 3 sessions", text) is not None)
        seen.press("\x03")
        assert seen.end() == 130
        assert seen.is_restored
    lines = seen.display.text.splitlines()
    assert "results: bench/results.jsonl" in lines
    assert "page: bench/report.html" in lines
    assert "realtime-transport: interrupted" in lines
    assert not [line for line in lines if "sessions, " in line and "open" in line]  # The progress is gone.
    assert Path("bench/report.html").exists()


def test_ctrl_c_ends_a_conversation_and_says_where_the_recording_is() -> None:
    with terminal("talk", "--transport", "websocket", "--record", "t.rtrec", **CARD) as seen:
        seen.until("you [..........]")
        seen.press("half a line")
        seen.until("> half a line")
        seen.press("\x03")
        assert seen.end() == 130
        assert seen.is_restored
    assert "half a line" not in seen.display.text
    assert seen.display.text.splitlines()[-1] == "realtime-transport: interrupted"
    assert "recorded: t.rtrec" in seen.display.text
    assert Path("t.rtrec").exists()


def test_ctrl_c_while_a_device_is_chosen() -> None:
    with terminal("talk", "--choose-devices", **CARD) as seen:
        seen.until("microphone, 1 to 2 [1]:")
        seen.press("9\r")
        seen.until(lambda text: text.count("[1]:") == 2)
        seen.press("\x03")
        assert seen.end() == 130
        assert seen.is_restored
    assert seen.display.text.splitlines()[-1].endswith("realtime-transport: interrupted")


def test_a_reader_that_leaves_is_no_traceback() -> None:
    with subprocess.Popen(
        [*COMMAND, "talk", "--text"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"Hello\n")
        process.stdin.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1
