"""Checks of what every transport must do, for transports of your own.

    @pytest.mark.anyio
    @pytest.mark.parametrize("check", TRANSPORT_CHECKS.values(), ids=TRANSPORT_CHECKS)
    async def test_my_transport(check, realtime_emulator):
        await check(lambda: MyTransport(url=realtime_emulator.websocket_url))

Each check takes a function that makes a transport which reaches a Realtime server, preferably the emulator, and raises
`AssertionError` with what is wrong. `check_transport` runs them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import anyio
import attrs

from realtime_transport.errors import LocalProtocolError, NotConnectedError, UnsupportedOperation
from realtime_transport.protocol.engine.events import (
    ConnectionChangeEvent,
    DisconnectedEvent,
    ErrorEvent,
    Event,
    TurnDoneEvent,
    TurnStartedEvent,
)
from realtime_transport.protocol.wire.server_events import ResponseDone, SessionUpdated
from realtime_transport.transports.interface.layer import RealtimeTransportLayer

__all__ = ["TRANSPORT_CHECKS", "CheckResult", "MakeTransport", "TransportCheck", "check_transport"]

MakeTransport: TypeAlias = Callable[[], RealtimeTransportLayer]
"""Makes a new transport, whose ``connect()`` without arguments reaches a server."""

TransportCheck: TypeAlias = Callable[[MakeTransport], Awaitable[None]]

PATIENCE = 20.0
"""Seconds that a check may wait for the server."""

LEAVING = 5.0
"""Seconds that leaving may take: the default of ``close_timeout`` is 2."""


@attrs.frozen(kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: The name of the check.
        problem: What is wrong; ``None`` if nothing is.
    """

    name: str
    problem: str | None


async def check_transport(make: MakeTransport) -> list[CheckResult]:
    """Run all checks, one after the other, whether or not earlier ones fail.

    If cancelled, the check that runs is cancelled.
    """
    results: list[CheckResult] = []
    for name, check in TRANSPORT_CHECKS.items():
        problem: str | None = None
        try:
            with anyio.fail_after(3 * PATIENCE):
                await check(make)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is the result
            problem = f"{type(exc).__name__}: {exc}"
        results.append(CheckResult(name=name, problem=problem))
    return results


async def _collect(transport: RealtimeTransportLayer, until: type[Event]) -> list[Event]:
    """The events of the default stream up to the first of class *until*."""
    events: list[Event] = []
    with anyio.fail_after(PATIENCE):
        async for event in transport:
            events.append(event)
            if isinstance(event, until):
                return events
    raise AssertionError(f"the stream ended before {until.__name__}")


async def _before_connecting(make: MakeTransport) -> None:
    transport = make()
    assert transport.status == "disconnected", "status of a new transport"
    transport.interrupt()  # Does nothing.
    await transport.aclose()  # Does nothing.
    for name, send in _sends(transport).items():
        try:
            await send()
        except (NotConnectedError, UnsupportedOperation):
            continue
        raise AssertionError(f"{name} without a connection did not raise NotConnectedError")


def _sends(transport: RealtimeTransportLayer) -> Mapping[str, Callable[[], Awaitable[None]]]:
    return {
        "send_message": lambda: transport.send_message("x"),
        "send_event": lambda: transport.send_event({"type": "input_audio_buffer.clear"}),
        "send_audio": lambda: transport.send_audio(b"\0\0"),
        "update_session_config": lambda: transport.update_session_config({"instructions": "x"}),
        "request_response": lambda: transport.request_response(),
        "send_function_call_output": lambda: transport.send_function_call_output({"call_id": "c"}, "x"),
    }


async def _a_turn(make: MakeTransport) -> None:
    transport = make()
    async with transport.connect():
        assert transport.status == "connected", "status inside of the block"
        await transport.send_message("Hello")
        events = await _collect(transport, TurnDoneEvent)
    assert transport.status == "disconnected", "status after the block"
    states = [event.status for event in events if isinstance(event, ConnectionChangeEvent)]
    assert states == ["connecting", "connected"], f"connection_change told {states}"
    kinds = [type(event) for event in events]
    assert TurnStartedEvent in kinds, "no TurnStartedEvent"
    assert kinds.index(ResponseDone) < kinds.index(TurnDoneEvent), "the typed event comes before what it means"
    errors = [event.error for event in events if isinstance(event, ErrorEvent)]
    assert not errors, f"an ErrorEvent: {errors[0]}"
    order = [event.sequence for event in events]
    assert order == sorted(order), "the sequence of events goes back"
    assert len(set(order)) == len(order), "two events have one place in the sequence"


async def _the_end_of_the_stream(make: MakeTransport) -> None:
    transport = make()
    async with transport.connect():
        pass
    with anyio.fail_after(PATIENCE):
        rest = [event async for event in transport]
    assert isinstance(rest[-1], DisconnectedEvent), "the last event is DisconnectedEvent"
    assert rest[-1].error is None, "a clean close is no error"


async def _a_break_loses_nothing(make: MakeTransport) -> None:
    transport = make()
    async with transport.connect():
        await transport.send_message("Hello")
        first = await _collect(transport, TurnStartedEvent)
        second = await _collect(transport, TurnDoneEvent)
    order = [event.sequence for event in (*first, *second)]
    assert order == sorted(order), "the second loop went back"


async def _subscriptions(make: MakeTransport) -> None:
    transport = make()
    async with transport.connect(), transport.subscribe(SessionUpdated) as updates:
        await transport.update_session_config({"instructions": "Speak like a pirate."})
        with anyio.fail_after(PATIENCE):
            async for event in updates:
                assert isinstance(event, SessionUpdated), (
                    f"a subscription to SessionUpdated gave {type(event).__name__}"
                )
                session = event.raw.get("session")
                if isinstance(session, dict) and "pirate" in str(session):  # pyright: ignore[reportUnknownArgumentType]
                    return
    raise AssertionError("update_session_config() changed nothing")


async def _connecting_twice(make: MakeTransport) -> None:
    transport = make()
    async with transport.connect():
        try:
            async with transport.connect():
                raise AssertionError("connecting twice was allowed")
        except LocalProtocolError:
            pass
        assert transport.status == "connected", "the first connection has to stay"
        await transport.send_message("Hello")
        await _collect(transport, TurnDoneEvent)


async def _connecting_again(make: MakeTransport) -> None:
    transport = make()
    for _ in range(2):
        async with transport.connect():
            await transport.send_message("Hello")
            await _collect(transport, TurnDoneEvent)
            with anyio.fail_after(LEAVING):
                await transport.aclose()
                await transport.aclose()
            assert transport.status == "disconnected", "status after aclose()"


class _Own(Exception):
    pass


async def _the_exception_of_the_body(make: MakeTransport) -> None:
    transport = make()
    try:
        with anyio.fail_after(PATIENCE):
            async with transport.connect():
                raise _Own
    except _Own:
        pass
    except BaseExceptionGroup as exc:
        raise AssertionError("the exception of the body left in a group") from exc
    assert transport.status == "disconnected", "status after an exception"


async def _cancellation(make: MakeTransport) -> None:
    transport = make()
    with anyio.move_on_after(LEAVING + PATIENCE) as outer:
        with anyio.CancelScope() as scope:
            async with transport.connect():
                scope.cancel()
                await anyio.sleep_forever()
    assert not outer.cancelled_caught, "leaving by cancellation took too long"
    assert transport.status == "disconnected", "status after cancellation"
    await _a_turn(make)


TRANSPORT_CHECKS: Mapping[str, TransportCheck] = {
    "before connecting": _before_connecting,
    "a turn": _a_turn,
    "the end of the stream": _the_end_of_the_stream,
    "a break loses nothing": _a_break_loses_nothing,
    "subscriptions": _subscriptions,
    "connecting twice": _connecting_twice,
    "connecting again": _connecting_again,
    "the exception of the body": _the_exception_of_the_body,
    "cancellation": _cancellation,
}
"""The checks by name."""
