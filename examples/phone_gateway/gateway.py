"""A phone gateway: Twilio calls it, and each caller talks to a model.

    python -m pip install ../.. starlette uvicorn
    OPENAI_API_KEY=… PUBLIC_HOST=gateway.example.com python gateway.py --port 8080

Point the voice webhook of a Twilio number at ``https://gateway.example.com/incoming``. See README.md for the rest.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import quoteattr

import attrs
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime_transport import (
    ConnectError,
    ErrorEvent,
    FunctionCallEvent,
    PhoneDtmf,
    PhoneStarted,
    RealtimeError,
    RealtimeSessionConfig,
    TwilioRealtimeTransportLayer,
)
from realtime_transport.recording import record

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request

logger = logging.getLogger("phone_gateway")

SESSION = RealtimeSessionConfig(
    instructions="You answer the telephone of a small hotel. Be brief. Hang up when the caller says goodbye.",
    audio={"input": {"turn_detection": {"type": "server_vad"}}},
    tools=[{"type": "function", "name": "hang_up", "description": "End the call.", "parameters": {"type": "object"}}],
)


@attrs.define(kw_only=True)
class Gateway:
    """One process. Calls share nothing, so that several processes need nothing of each other either.

    Attributes:
        public_host: The host that Twilio reaches us by; the one of the webhook's request if empty.
        auth_token: Of the Twilio account; with it, requests and sockets that Twilio has not signed are refused.
        realtime_url: A Realtime endpoint; the service if empty.
        model: The model, for an endpoint that wants it in the URL.
        frame_ms: See `TwilioRealtimeTransportLayer`.
        max_calls: Further callers hear the busy tone.
        recordings: A folder that each call is recorded in, words and sound included; none if empty. Ask the callers.
        calls: Calls at the moment.
        draining: No new calls are taken: the process is about to end.
    """

    public_host: str = ""
    auth_token: str = ""
    realtime_url: str = ""
    model: str = "gpt-realtime-2.1"
    frame_ms: float | None = None
    max_calls: int = 100
    recordings: str = ""
    calls: set[WebSocket] = attrs.field(factory=set[WebSocket])
    draining: bool = False

    def app(self) -> Starlette:
        routes = [
            Route("/incoming", self.incoming, methods=["POST"]),
            Route("/ready", self.ready),
            WebSocketRoute("/media", self.media),
        ]
        app = Starlette(routes=routes)
        app.state.gateway = self
        return app

    @property
    def full(self) -> bool:
        return self.draining or len(self.calls) >= self.max_calls

    async def ready(self, _request: Request) -> Response:
        """For a load balancer: 503 while draining or full."""
        body = {"calls": len(self.calls), "draining": self.draining}
        return JSONResponse(body, status_code=503 if self.full else 200)

    async def incoming(self, request: Request) -> Response:
        """The webhook of a call: tells Twilio, in TwiML, to open a media stream to us."""
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        host = self.public_host or request.url.netloc
        if self.auth_token and not is_from_twilio(request, [f"https://{host}/incoming"], form, self.auth_token):
            return PlainTextResponse("not signed by Twilio\n", status_code=403)
        if self.full:
            return twiml('<Reject reason="busy"/>')
        caller = quoteattr(form.get("From", ""))
        stream = f"<Stream url={quoteattr(f'wss://{host}/media')}><Parameter name='caller' value={caller}/></Stream>"
        return twiml(f"<Connect>{stream}</Connect><Hangup/>")

    async def media(self, socket: WebSocket) -> None:
        """A media stream: one call, from here to its end."""
        url = f"wss://{self.public_host or socket.url.netloc}/media"
        if self.auth_token and not is_from_twilio(socket, [url, f"{url}/"], {}, self.auth_token):
            logger.warning("a media stream that Twilio has not signed was refused")
            await close_quietly(socket, 1008)  # Before it is accepted: the peer gets 403.
            return
        if self.full:
            await close_quietly(socket, 1013)
            return
        self.calls.add(socket)
        begun = time.monotonic()
        try:
            await socket.accept()
            await self.talk(TwilioRealtimeTransportLayer(socket, frame_ms=self.frame_ms, model=self.model))
        except (RuntimeError, WebSocketDisconnect):
            logger.info("the caller hung up before the socket was open")
        except ConnectError:
            logger.exception("no connection to the model")
        except RealtimeError:
            logger.exception("the call ended early")
        finally:
            self.calls.discard(socket)
            logger.info("call over after %.1f s, %d left", time.monotonic() - begun, len(self.calls))
            # Twilio goes on with the TwiML behind <Connect> once the socket is closed, here by hanging up. A handler
            # that only returns leaves 1006 behind, and one that raises 1011.
            await close_quietly(socket)

    async def talk(self, transport: TwilioRealtimeTransportLayer) -> None:
        async with contextlib.AsyncExitStack() as stack:
            if self.recordings:
                path = Path(self.recordings) / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:8]}.rtrec"
                await stack.enter_async_context(record(transport, path))
                logger.info("recording into %s", path)
            await self.serve(transport)

    async def serve(self, transport: TwilioRealtimeTransportLayer) -> None:
        url = f"{self.realtime_url}?model={{model}}" if self.realtime_url else None
        async with transport.connect(url=url, initial_session_config=SESSION):
            async for event in transport:
                match event:
                    case PhoneStarted(call_id=call_id):
                        logger.info("call %s", call_id)
                    case PhoneDtmf(digit="0"):
                        await transport.send_message("The caller pressed 0 and wants to speak to a human.")
                    case FunctionCallEvent(name="hang_up"):
                        await transport.wait_until_heard()
                        return
                    case ErrorEvent(error=error):
                        logger.warning("%s", error)
                    case _:
                        pass


def twiml(content: str) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?><Response>{content}</Response>', media_type="text/xml")


def is_from_twilio(connection: HTTPConnection, urls: list[str], form: dict[str, str], token: str) -> bool:
    """Whether Twilio has signed one of *urls*: https://www.twilio.com/docs/usage/webhooks/webhooks-security.

    A WebSocket has no form. Twilio signs its URL as it stands in the TwiML, at times with a slash behind it.
    """
    given = connection.headers.get("x-twilio-signature", "").encode()
    fields = "".join(name + form[name] for name in sorted(form))
    signatures = [base64.b64encode(hmac.digest(token.encode(), (url + fields).encode(), hashlib.sha1)) for url in urls]
    return any(hmac.compare_digest(signature, given) for signature in signatures)


async def close_quietly(socket: WebSocket, code: int = 1000) -> None:
    # Twilio has closed it already, or has vanished.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code)


class Server(uvicorn.Server):
    """Ends in two steps: the first signal lets calls end by themselves, the second ends them."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, grace: float) -> None:
        super().__init__(config)
        self.gateway = gateway
        self.grace = grace
        self.deadline = 0.0

    def handle_exit(self, sig: int, frame: Any) -> None:
        if self.gateway.draining:
            super().handle_exit(sig, frame)
            return
        logger.info("draining: %d calls", len(self.gateway.calls))
        self.gateway.draining = True
        self.deadline = time.monotonic() + self.grace

    async def on_tick(self, counter: int) -> bool:
        if self.gateway.draining and (not self.gateway.calls or time.monotonic() > self.deadline):
            self.should_exit = True
        return await super().on_tick(counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--frame-ms", type=float)
    parser.add_argument("--max-calls", type=int, default=100)
    parser.add_argument("--record", metavar="FOLDER", default="", help="record each call there")
    parser.add_argument("--grace", type=float, default=600.0, help="seconds that calls may go on after a SIGTERM")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    gateway = Gateway(
        public_host=os.environ.get("PUBLIC_HOST", ""),
        auth_token=os.environ.get("TWILIO_AUTH_TOKEN", ""),
        realtime_url=os.environ.get("REALTIME_URL", ""),
        frame_ms=args.frame_ms,
        max_calls=args.max_calls,
        recordings=args.record,
    )
    config = uvicorn.Config(gateway.app(), host=args.host, port=args.port, log_level="warning", ws="websockets-sansio")
    Server(config, gateway, args.grace).run()


if __name__ == "__main__":
    main()
