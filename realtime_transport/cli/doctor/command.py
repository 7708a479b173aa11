"""``realtime-transport doctor``: whether everything that a conversation needs is there."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import anyio

from realtime_transport.cli.doctor.checks import (
    Finding,
    check_devices,
    check_extras,
    check_key,
    check_network,
    check_versions,
)
from realtime_transport.cli.running import run_async, say
from realtime_transport.cli.terminal import wrapped
from realtime_transport.urls import is_loopback

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable

__all__ = ["run"]

INDENT = 27
"""Columns before what was found."""

SERVICE = "wss://api.openai.com/v1"


def run(arguments: argparse.Namespace) -> int:
    """Say what was found; 1 if something is wrong, else 0."""
    return run_async(lambda: _examine(arguments), arguments.backend)


async def _examine(arguments: argparse.Namespace) -> int:
    url, wrong = arguments.url or SERVICE, 0

    def tell(finding: Finding) -> None:
        nonlocal wrong
        wrong += finding.state == "wrong"
        say(wrapped(f"{finding.state:<6}{finding.what:<21}{finding.found}", sys.stdout, INDENT))
        if finding.advice:
            say(wrapped(f"{'':<27}→ {finding.advice}", sys.stdout, INDENT + 2))

    needs_key = not arguments.no_network and not is_loopback(url)
    local: list[Callable[[], Iterable[Finding]]] = [
        check_versions,
        check_extras,
        check_devices,
        lambda: check_key(os.environ, needed=needs_key),
    ]
    for check in local:
        for finding in await anyio.to_thread.run_sync(lambda check=check: list(check())):
            tell(finding)
    if not arguments.no_network:
        async for finding in check_network(url, udp_port=arguments.udp_port, allow_insecure=arguments.allow_insecure):
            tell(finding)
    say(f"{wrong} wrong" if wrong else "nothing is wrong")
    return 1 if wrong else 0
