"""Several function calls of one response, answered together: ``python parallel_calls.py URL``.

Each call is answered when its function has run. With ``respond_after_all_calls`` the model goes on when it has all
results; without, it would speak after the first. The text is a directive to the emulator (``realtime-transport
serve``).
"""

import json
import os
import sys

import anyio

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.events import AudioTranscriptDeltaEvent, FunctionCallEvent, TurnDoneEvent

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


async def run(transport: OpenAIRealtimeWebSocket, call: FunctionCallEvent) -> None:
    city = json.loads(call.arguments)["city"]
    await anyio.sleep(0.2 if call.name == "weather" else 0.05)
    result = f"Snow in {city}." if call.name == "weather" else f"12:00 in {city}."
    print(f"{call.name}: {result}")
    await transport.send_function_call_output(call, result)


async def main() -> None:
    transport = OpenAIRealtimeWebSocket(model="gpt-realtime-2.1", url=sys.argv[1], respond_after_all_calls=True)
    key = os.environ.get("OPENAI_API_KEY", "sk-local")
    config = {"tools": [{"type": "function", "name": name, "parameters": CITY} for name in ("weather", "time")]}
    async with transport.connect(api_key=key, initial_session_config=config), anyio.create_task_group() as tasks:
        await transport.send_message('/call weather {"city": "Oslo"}\n/call time {"city": "Rome"}')
        answered = False
        async for event in transport:
            match event:
                case FunctionCallEvent():
                    tasks.start_soon(run, transport, event)
                case TurnDoneEvent() if answered:
                    break
                case TurnDoneEvent():
                    answered = True  # The turn of the calls; the one that uses their results follows.
                case AudioTranscriptDeltaEvent(delta=text):
                    print(text, end="", flush=True)
                case _:
                    pass
    print()


if len(sys.argv) != 2:
    sys.exit("usage: python parallel_calls.py URL (`realtime-transport serve` prints a URL)")
anyio.run(main)
