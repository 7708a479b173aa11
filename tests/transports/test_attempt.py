"""A connect attempt with an engine of another protocol: it knows the engine and the opening by their interfaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked

from realtime_transport import ConnectError, OpenAIRealtimeBase
from realtime_transport.connection.hub import Hub
from realtime_transport.transports.base.attempt import Attempt
from realtime_transport.transports.endpoint.endpoint import Endpoint
from realtime_transport.transports.endpoint.media import Media
from realtime_transport.transports.endpoint.options import ConnectRequest, settings_of

from ..connection.toys import LiveEngine, Note, ToyLink

pytestmark = pytest.mark.anyio


@attrs.frozen
class Report:
    code: str
    message: str


@attrs.define(eq=False)
class LiveOpening:
    """Ready with the word ``started``; ``no`` is what this protocol counts as a failure."""

    ready: bool = False
    refusal: Report | None = None
    error: Report | None = None

    @property
    def settled(self) -> bool:
        return self.ready or self.refusal is not None

    def concerns(self, kind: Any, /) -> bool:
        return kind is Note

    def receive(self, event: Any, /) -> None:
        self.ready = self.ready or event.text == "started"
        if event.text == "no":
            self.refusal = Report("no_room", "all lines are busy")


@asynccontextmanager
async def attempt_over(link: ToyLink) -> AsyncGenerator[Attempt]:
    @asynccontextmanager
    async def connect(request: ConnectRequest) -> AsyncGenerator[ToyLink]:
        yield link
        link.forget()

    async def make_request() -> ConnectRequest:
        return ConnectRequest(url="ws://localhost", headers={}, api_key="", model="")

    attempt = Attempt(
        endpoint=Endpoint(connector=connect),
        settings=settings_of({"ping_interval": None}, OpenAIRealtimeBase),
        hub=Hub(),
        engine=LiveEngine(),
        opening=LiveOpening(),
        make_media=lambda _attempt: Media(),
        make_request=make_request,
        ended=lambda _attempt: None,
    )
    async with attempt.block():
        yield attempt


async def test_the_client_speaks_first_and_says_goodbye() -> None:
    link = ToyLink()
    async with attempt_over(link) as attempt:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt.wait_for_session)
            await wait_all_tasks_blocked()
            link.arrive("started")
        assert link.log == ["wire start"]
        attempt.close()
        await wait_all_tasks_blocked()
        assert link.log == ["wire start", "wire end"]
        link.arrive("ended")
    assert link.log[-1] == "close 1000"
    assert attempt.life.is_over


async def test_the_attempt_gives_up_at_what_the_protocol_counts_as_a_failure() -> None:
    link = ToyLink()
    with pytest.raises(ConnectError, match="all lines are busy") as caught:
        async with attempt_over(link) as attempt:
            link.arrive("no")
            await attempt.wait_for_session()
    assert caught.value.code == "no_room"
    assert link.log == ["wire start", "close 1000"]
