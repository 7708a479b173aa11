"""What runs a scenario, by its ``transport``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .kinds import CloudflareRun, SipRun, TwilioRun
from .runner import run_websocket
from .sessions import SessionRun
from .webrtc import WebRTCRun

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["DRIVERS"]

DRIVERS: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "websocket": run_websocket,
    "sip": partial(run_websocket, kind=SipRun),
    "twilio": partial(run_websocket, kind=TwilioRun),
    "cloudflare": partial(run_websocket, kind=CloudflareRun),
    "session": partial(run_websocket, kind=SessionRun),
    "webrtc": partial(run_websocket, kind=WebRTCRun),
}
