"""Opens a TCP connection to the address of a host that answers first (RFC 8305, happy eyeballs).

asyncio's own implementation leaves sockets open when it is cancelled at the wrong moment, and anyio's wraps the socket
in two streams on trio.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from realtime_transport.clock import in_trio
from realtime_transport.connection.wakeup import Wakeup
from realtime_transport.late_classes import define
from realtime_transport.task_groups import open_task_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["open_tcp_socket"]

HEAD_START = 0.25
"""Seconds before the next address is tried as well."""

_IN_PROGRESS = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY})

_Address = tuple[int, Any]  # Family and address, as `connect` takes them.


async def open_tcp_socket(host: str, port: int) -> socket.socket:
    """Connect a non-blocking socket. If cancelled, no socket stays open.

    Raises:
        OSError: No address could be reached; the error of the last one.
    """
    addresses = await _resolve(host, port)
    if len(addresses) == 1:
        return await _connect(*addresses[0])
    race = _Race()
    try:
        await race.run(addresses)
    except BaseException:
        race.close()
        raise
    if race.winner is None:
        raise race.errors[-1]
    return race.winner


async def _resolve(host: str, port: int) -> list[_Address]:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return [(family, (host, port))]
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    six = [(int(info[0]), info[4]) for info in found if info[0] == socket.AF_INET6]
    others = [(int(info[0]), info[4]) for info in found if info[0] != socket.AF_INET6]
    pairs = zip_longest(six, others)
    return [address for address in chain.from_iterable(pairs) if address is not None]


async def _connect(family: int, address: Any) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trio = in_trio()
        if trio or sys.platform != "win32":  # There a loop may have no way to wait for a socket of anybody else.
            await _connect_without_blocking(opened, address, _writable_trio if trio else _writable_asyncio)
        else:
            await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def _connect_without_blocking(
    opened: socket.socket, address: Any, writable: Callable[[socket.socket], Awaitable[None]]
) -> None:
    code = opened.connect_ex(address)
    if code in _IN_PROGRESS and _is_connected(opened):
        return
    if code in _IN_PROGRESS:
        await writable(opened)
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _is_connected(opened: socket.socket) -> bool:
    """Whether the connection is there already, as to a server on this machine."""
    try:
        opened.getpeername()
    except OSError:
        return False
    return True


async def _writable_trio(opened: socket.socket) -> None:
    import trio

    await trio.lowlevel.wait_writable(opened)


async def _writable_asyncio(opened: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = Wakeup()
    waiting = ready.wait()
    loop.add_writer(opened, ready.wake)
    try:
        await waiting
    finally:
        loop.remove_writer(opened)


@define()
class _Race:
    winner: socket.socket | None = None
    errors: list[OSError] = attrs.field(factory=list[OSError])

    async def run(self, addresses: list[_Address]) -> None:
        async with open_task_group() as tasks:
            for address in addresses:
                failed = anyio.Event()
                tasks.start_soon(self._try, address, failed, tasks.cancel_scope)
                with anyio.move_on_after(HEAD_START):
                    await failed.wait()

    async def _try(self, address: _Address, failed: anyio.Event, scope: anyio.CancelScope) -> None:
        try:
            opened = await _connect(*address)
        except OSError as exc:
            self.errors.append(exc)
            failed.set()
            return
        if self.winner is not None:
            opened.close()
            return
        self.winner = opened
        scope.cancel()

    def close(self) -> None:
        if self.winner is not None:
            self.winner.close()
