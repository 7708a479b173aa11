"""The sound devices of a conversation: listed, chosen, opened."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from realtime_transport.cli.running import say
from realtime_transport.cli.talk.levels import MeteredMicrophone, MeteredSpeaker
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from contextlib import AsyncExitStack

    from realtime_transport.audio.devices import Device

__all__ = ["choose_devices", "open_devices", "tell_devices"]


def tell_devices() -> int:
    """Print the sound devices; 0.

    Raises:
        ConfigError: There are none.
    """
    for device in _found():
        kinds = [f"{device.inputs} in"] * bool(device.inputs) + [f"{device.outputs} out"] * bool(device.outputs)
        marks = ["default microphone"] * device.is_default_input + ["default loudspeaker"] * device.is_default_output
        say(f"{device.index:>3}  {device.name}  ({', '.join(kinds)})" + (f"  {', '.join(marks)}" if marks else ""))
    return 0


def choose_devices(arguments: argparse.Namespace) -> None:
    """Ask which devices to use, if *arguments* say so, or if several exist and none is the default.

    What was chosen is in *arguments*, as if it had been named there.

    Raises:
        ConfigError: There are none to choose from, nobody can be asked, or nobody answers.
    """
    can_ask = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if arguments.choose_devices and not can_ask:
        raise ConfigError(
            "--choose-devices: there is no terminal to ask at; name them with --input and --output",
            key="choose_devices",
        )
    if not can_ask:
        return
    devices = _found()
    microphones = [device for device in devices if device.inputs]
    loudspeakers = [device for device in devices if device.outputs]
    if arguments.input is None and _must_ask(
        microphones, arguments, [device.is_default_input for device in microphones]
    ):
        arguments.input = str(_ask("microphone", microphones, [device.is_default_input for device in microphones]))
    if arguments.output is None and _must_ask(
        loudspeakers, arguments, [device.is_default_output for device in loudspeakers]
    ):
        arguments.output = str(_ask("loudspeaker", loudspeakers, [device.is_default_output for device in loudspeakers]))


def _must_ask(devices: Sequence[Device], arguments: argparse.Namespace, default: Sequence[bool]) -> bool:
    return bool(devices) and (arguments.choose_devices or (len(devices) > 1 and not any(default)))


def _ask(kind: str, devices: Sequence[Device], default: Sequence[bool]) -> int:
    """The index of the device that the user chooses from a numbered list."""
    usual = default.index(True) + 1 if any(default) else 1
    for number, device in enumerate(devices, 1):
        say(f"{number:>3}  {device.name}")
    while True:
        try:
            answer = input(f"{kind}, 1 to {len(devices)} [{usual}]: ").strip()
        except EOFError:
            raise ConfigError(f"no {kind} was chosen", key="choose_devices") from None
        if answer.isdigit() and 1 <= int(answer) <= len(devices):
            return devices[int(answer) - 1].index
        if not answer:
            return devices[usual - 1].index


async def open_devices(
    arguments: argparse.Namespace, stack: AsyncExitStack
) -> tuple[MeteredMicrophone, MeteredSpeaker]:
    """The microphone and the loudspeaker that *arguments* name, open until *stack* closes.

    If cancelled, *stack* closes what is open.

    Raises:
        ConfigError: One cannot be used.
    """
    from realtime_transport.audio.devices import Microphone, Speaker

    microphone = MeteredMicrophone(Microphone(_device(arguments.input)))
    speaker = MeteredSpeaker(Speaker(_device(arguments.output)))
    for end in (microphone, speaker):
        stack.push_async_callback(end.aclose)
        try:
            await end.inner.open()
        except ConfigError as error:
            raise ConfigError(f"{error}; to talk without sound: --text", key=error.key) from error
    return microphone, speaker


def _found() -> list[Device]:
    from realtime_transport.audio.devices import list_devices

    devices = list_devices()
    if not devices:
        raise ConfigError(
            "there are no sound devices that can be used on this machine; to talk without: --text", key="device"
        )
    return devices


def _device(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isdigit() else text
