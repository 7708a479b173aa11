"""Run under Pyodide: ``await main(url)``."""

import sys

from realtime_transport import CloudflareRealtimeTransportLayer, UpgradeRejected
from realtime_transport.events import AudioEvent, AudioTranscriptDeltaEvent, TurnDoneEvent


async def main(url: str) -> None:
    print(f"Python {sys.version.split()[0]} on {sys.platform}")
    transport = CloudflareRealtimeTransportLayer(api_key="sk-test", url=f"{url}?model=gpt-realtime")
    said, audio = "", 0
    async with transport.connect():
        await transport.send_message("Hello from a Worker")
        async for event in transport:
            match event:
                case AudioTranscriptDeltaEvent(delta=delta):
                    said += delta
                case AudioEvent(data=data):
                    audio += len(data)
                case TurnDoneEvent():
                    break
    print(f"a text turn: {said!r} and {audio} bytes of audio")
    print("the reply holds what was said:", "Hello from a Worker" in said)
    try:
        async with transport.connect(url=url.replace("realtime", "nowhere")):
            pass
    except UpgradeRejected as exc:
        print("refused with", exc.status)
