"""Let the model call a function: ``python function_call.py URL``.

The text is a directive to the emulator (``realtime-transport serve``), which calls what it is told to call; ask a
model "What is the weather in Oslo?" instead.
"""

import json
import os
import sys

import anyio

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import AudioTranscriptDeltaEvent, FunctionCallEvent, TurnDoneEvent

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def main() -> None:
    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=sys.argv[1])
    async with transport.connect(
        api_key=os.environ.get("OPENAI_API_KEY", "sk-local"), initial_session_config={"tools": [WEATHER]}
    ):
        await transport.send_message('/call weather {"city": "Oslo"}')
        answered = False
        async for event in transport:
            match event:
                case FunctionCallEvent(name=name, arguments=arguments):
                    city = json.loads(arguments)["city"]
                    print(f"{name}({city!r})")
                    await transport.send_function_call_output(event, f"Snow in {city}, minus four degrees.")
                case TurnDoneEvent() if answered:
                    break
                case TurnDoneEvent():
                    answered = True  # The turn of the call; the one that uses its result follows.
                case AudioTranscriptDeltaEvent(delta=text):
                    print(text, end="", flush=True)
                case _:
                    pass
    print()


if len(sys.argv) != 2:
    sys.exit("usage: python function_call.py URL (`realtime-transport serve` prints a URL)")
anyio.run(main)
