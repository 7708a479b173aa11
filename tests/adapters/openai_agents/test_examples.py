"""The examples with agents of ``openai-agents`` run against the emulator, and one of them on an emulated telephone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import anyio
import pytest

from realtime_transport.emulator import RealtimeEmulator
from tests.processes import environment, serving
from tests.session.test_programs import PHONE_SCRIPT, Telephone

EXAMPLES = Path(__file__).parents[3] / "examples"


def run(name: str, *arguments: str) -> str:
    return run_file(EXAMPLES / "openai_agents" / f"{name}.py", *arguments)


def run_code(code: str, folder: Path) -> str:
    (folder / "program.py").write_text(code)
    return run_file(folder / "program.py", OPENAI_API_KEY="sk-local")


def run_file(path: Path, *arguments: str, **more: str) -> str:
    command = [sys.executable, str(path), *arguments]
    quiet = environment(OPENAI_AGENTS_DISABLE_TRACING="1", **more)
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=quiet, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("wire", ["websocket", "webrtc"])
def test_the_quickstart(wire: str) -> None:
    with serving() as url:
        said = run("quickstart", url, wire)
    assert "You said: Hello" in said
    assert float(said.splitlines()[-1].partition(" s of speech")[0]) > 0.3


def test_the_quickstart_of_the_documentation(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs/adapters.md").read_text()
    [code] = re.findall(r"^```python\n# quickstart.py\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    with serving() as url:
        program = code.replace("OpenAIRealtimeWebSocket()", f"OpenAIRealtimeWebSocket(url={url!r})")
        said = run_code(program, tmp_path)
    assert said == "Assistant has answered\n"


def test_a_voice_with_a_tool(tmp_path: Path) -> None:
    script, question, reply = tmp_path / "script.json", tmp_path / "question.wav", tmp_path / "reply.wav"
    calls = [{"name": "get_weather", "arguments": {"city": "Oslo"}}]
    script.write_text(json.dumps({"rules": [{"when": {"spoken": True}, "times": 1, "reply": {"calls": calls}}]}))
    with wave.open(str(EXAMPLES / "audio/vm-options.wav")) as file, wave.open(str(question), "wb") as cut:
        cut.setparams(file.getparams())
        cut.writeframes(file.readframes(8000 * 2) + bytes(16000 * 3))
    with serving("--script", str(script)) as url:
        said = run("voice", url, str(question), str(reply))
    assert said.splitlines() == ["get_weather returned 'Snow in Oslo, -4 degrees.'"]
    with wave.open(str(reply)) as heard:
        assert any(heard.readframes(heard.getnframes()))


@pytest.mark.anyio
async def test_a_phone_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES / "openai_agents")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    import phone_agent  # type: ignore[import-not-found]

    telephone = Telephone()
    with anyio.fail_after(30):
        async with RealtimeEmulator(script=PHONE_SCRIPT, keep_transcripts=True) as emulator:
            await phone_agent.answer(telephone, f"{emulator.websocket_url}?model=gpt-realtime-2.1")
            (record,) = emulator.sessions
    assert telephone.heard >= 4000
    sent = [event for who, event in record.transcript if who == "client"]
    assert any("order 1001 is on its way." in json.dumps(event) for event in sent)
    formats = next(event["session"]["audio"] for event in sent if event["type"] == "session.update")
    assert {formats[side]["format"]["type"] for side in ("input", "output")} == {"audio/pcmu"}
