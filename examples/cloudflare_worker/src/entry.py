"""A Cloudflare Worker that asks a Realtime model, and answers with what it says. See ../README.md."""

from workers import Request, Response, WorkerEntrypoint

from realtime_transport import CloudflareRealtimeTransportLayer, RealtimeError
from realtime_transport.events import AudioTranscriptDeltaEvent, TurnDoneEvent


class Default(WorkerEntrypoint):
    """What the runtime looks for: a class of this name, whose ``fetch`` returns a `Response`."""

    async def fetch(self, request: Request) -> Response:
        question = await request.text() or "Say hello."
        transport = CloudflareRealtimeTransportLayer(
            api_key=self.env.OPENAI_API_KEY,
            url=getattr(self.env, "REALTIME_URL", None),  # Another endpoint than the service.
        )
        try:
            return Response(await answer(transport, question), headers={"content-type": "text/plain; charset=utf-8"})
        except RealtimeError as exc:
            return Response(f"The model could not be asked: {exc}\n", status=502)


async def answer(transport: CloudflareRealtimeTransportLayer, question: str) -> str:
    said = ""
    async with transport.connect():
        await transport.send_message(question)
        async for event in transport:
            match event:
                case AudioTranscriptDeltaEvent(delta=delta):
                    said += delta
                case TurnDoneEvent():
                    break
                case _:
                    pass
    return said
