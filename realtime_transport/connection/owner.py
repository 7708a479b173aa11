"""The owner of a connection: the event loop that opened it, in its thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

from realtime_transport.clock import in_trio
from realtime_transport.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Owner"]

_CALLS_INTO_ASYNCIO = (
    "asyncio.run_coroutine_threadsafe(coroutine, loop), or anyio.from_thread.run(function) in a thread of anyio's"
)
_CALLS_INTO_TRIO = (
    "trio.from_thread.run(function, trio_token=token), or anyio.from_thread.run(function) in a thread of anyio's"
)


class Owner:
    """The event loop and the thread in which it was made.

    Attributes:
        thread_id: The thread, as `threading.get_ident` names it.
    """

    __slots__ = ("_in_trio", "_loop", "_running", "_thread", "thread_id")

    def __init__(self) -> None:
        self.thread_id: int = threading.get_ident()
        self._thread = threading.current_thread().name
        self._in_trio = in_trio()
        self._running: Callable[[], object] = (
            sys.modules["trio"].lowlevel.current_trio_token if self._in_trio else asyncio.get_running_loop
        )
        self._loop = self._running()

    def is_here(self) -> bool:
        """Whether the caller runs in this loop."""
        try:
            return self._running() is self._loop
        except RuntimeError:  # No loop runs here.
            return False

    def refusal(self) -> LocalProtocolError:
        """The error for a caller elsewhere."""
        here = threading.current_thread()
        if here.ident == self.thread_id:
            return LocalProtocolError(
                "another event loop of this thread owns the connection, and it lives and dies with that loop: use it "
                "there (one asyncio.run() or anyio.run() around all), or connect a transport in this loop"
            )
        how = _CALLS_INTO_TRIO if self._in_trio else _CALLS_INTO_ASYNCIO
        return LocalProtocolError(
            f"another event loop owns the connection, in the thread {self._thread!r}, and this is the thread "
            f"{here.name!r}; call into that loop: {how}"
        )

    def require(self) -> None:
        """Refuse a caller that does not run in this loop.

        Raises:
            LocalProtocolError: It runs in another loop, in another thread, or in none.
        """
        if not self.is_here():
            raise self.refusal()

    def require_thread(self) -> None:
        """Refuse a caller of another thread; whether the loop runs just now does not matter.

        Raises:
            LocalProtocolError: It is in another thread.
        """
        if threading.get_ident() != self.thread_id:
            raise self.refusal()
