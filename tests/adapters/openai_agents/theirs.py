"""The framework's own tests over our code: ``python -m tests.adapters.openai_agents.theirs``.

The tests come from the sdist of the installed version, are unpacked into a temporary folder, and run there with
`their_plugin`. It prints a table of their files, and fails if anything but what `DIFFERENT` names fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.metadata import version
from pathlib import Path

FRAMEWORK = "openai-agents"
PLUGIN = Path(__file__).with_name("their_plugin.py")

NOT_APPLICABLE = {
    "test_openai_realtime.py": "replaces websockets.connect and reads private state; as behaviour in test_model.py",
    "test_openai_realtime_sip_model.py": "replaces websockets.connect; as behaviour in test_settings.py",
    "test_tracing.py": "replaces websockets.connect; as behaviour in test_settings.py",
    "test_websocket_message_size.py": "bounds of websockets.connect; those of a transport are its own",
    "test_playback_tracker.py": "reads private state; as behaviour in test_model.py",
    "test_ga_session_update_normalization.py": "calls a private method; as behaviour in test_model.py",
    "test_session_payload_and_formats.py": "private functions that read a session; as behaviour in test_model.py",
    "test_testing.py": "about the framework's scripted model alone",
    "test_app_server_debug.py": "about an example of the framework",
    "test_app_server_security.py": "about an example of the framework",
    "test_twilio_example.py": "about an example of the framework",
    "test_twilio_sip_server.py": "about an example of the framework",
}

DIFFERENT = {
    "test_convert_user_input_to_conversation_item_dict_empty_content": "a message without content is refused",
    "test_convert_tool_output_no_call_id": "refused, too: with UserError",
    # These fail over the framework's own model as well, with the versions of the packages below it.
    "test_synchronous_realtime_handoff_clears_redacted_error_traceback": "not ours",
    "test_async_realtime_handoff_detaches_session_from_redacted_error_traceback": "not ours",
    "test_synchronous_realtime_handoff_preserves_diagnostic_traceback_locals": "not ours",
}


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments], check=True)


def unpack(folder: Path) -> Path:
    """Fetch the sdist into *folder* and unpack it."""
    pip("download", "--no-binary", ":all:", "--no-deps", "-d", str(folder), f"{FRAMEWORK}=={version(FRAMEWORK)}")
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def run(tree: Path, plugins: Path, report: Path) -> None:
    files = sorted(path for path in (tree / "tests/realtime").glob("test_*.py") if path.name not in NOT_APPLICABLE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:anyio", "-p", "no:cacheprovider", "-p", PLUGIN.stem]
    shutil.copy(PLUGIN, plugins)  # Their folder of tests has the name of ours.
    environment = {**os.environ, "PYTHONPATH": str(plugins)}
    command += ["--tb=short", f"--junitxml={report}", *map(str, files)]
    subprocess.run(command, cwd=tree, env=environment, check=False)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = unpack(folder)
        if not (tree / "tests/realtime").is_dir():
            print(f"the sdist of {FRAMEWORK} {version(FRAMEWORK)} has no tests")
            return 1
        # Beside the environment: in it, pytest-asyncio would change how the other tests run.
        pip("install", "--no-deps", "--target", str(folder / "plugins"), "pytest-asyncio")
        run(tree, folder / "plugins", folder / "report.xml")
        cases = list(ET.parse(folder / "report.xml").iter("testcase"))
        present = {path.name for path in (tree / "tests/realtime").glob("test_*.py")}
    failed = {
        case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None
    }
    passed, other = Counter[str](), Counter[str]()
    for case in cases:
        file = next(part for part in case.get("classname", "").split(".") if part.startswith("test_")) + ".py"
        (other if case.get("name") in failed else passed)[file] += 1
    print(f"\n| {FRAMEWORK} {version(FRAMEWORK)} | passed | failed |\n|---|---|---|")
    for file in sorted({*passed, *other}):
        print(f"| `{file}` | {passed[file]} | {other[file]} |")
    for file in sorted(present & NOT_APPLICABLE.keys()):
        print(f"| `{file}` | not applicable | {NOT_APPLICABLE[file]} |")
    unexpected, mended = failed - DIFFERENT.keys(), DIFFERENT.keys() - failed
    for test in sorted(unexpected):
        print(f"failed, and is not known to differ: {test}")
    for test in sorted(mended):
        print(f"known to differ, and passed: {test}")
    return bool(unexpected or mended or not passed)


if __name__ == "__main__":
    raise SystemExit(main())
