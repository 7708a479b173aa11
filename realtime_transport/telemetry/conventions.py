"""The names of spans, metrics and attributes.

Those that begin with ``gen_ai`` are the semantic conventions for generative AI of OpenTelemetry, version
0.1; ``generate_live_content`` and ``run_guardrail`` are drafts there. Names that they lack begin with ``realtime``.
"""

from __future__ import annotations

from typing import Final

__all__ = ["OPERATION_BUCKETS", "PROVIDERS", "TOKEN_BUCKETS"]

# Operations
GENERATE: Final = "generate_live_content"
INVOKE_AGENT: Final = "invoke_agent"
EXECUTE_TOOL: Final = "execute_tool"
RUN_GUARDRAIL: Final = "run_guardrail"
CONNECTION: Final = "realtime.connection"
TURN: Final = "realtime.turn"
INTERRUPTION: Final = "realtime.interruption"

# Attributes of the conventions
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
OUTPUT_TYPE: Final = "gen_ai.output.type"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

# Attributes of our own
WIRE: Final = "realtime.wire"
CLOSE_CODE: Final = "realtime.close.code"
TURN_TRIGGER: Final = "realtime.turn.trigger"
TURN_LATENCY: Final = "realtime.turn.latency"
TURN_INTERRUPTED: Final = "realtime.turn.interrupted"
SPEECH_DURATION: Final = "realtime.speech.duration"
TIME_TO_FIRST_AUDIO: Final = "realtime.time_to_first_audio"
AUDIO_DURATION: Final = "realtime.audio.duration"
AUDIO_HEARD: Final = "realtime.audio.heard"
AUDIO_DIRECTION: Final = "realtime.audio.direction"
RESPONSE_REASON: Final = "realtime.response.reason"
TOOL_OUTCOME: Final = "realtime.tool.outcome"
TOOL_WAIT: Final = "realtime.tool.wait"
HANDED_OVER_BY: Final = "realtime.agent.handed_over_by"
GUARDRAIL_NAME: Final = "realtime.guardrail.name"
ITEM_ID: Final = "realtime.item.id"

TOKEN_BUCKETS: Final = [float(4**power) for power in range(14)]
"""Bucket boundaries of the conventions, as are `OPERATION_BUCKETS`."""

OPERATION_BUCKETS: Final = [0.01 * 2**power for power in range(14)]

PROVIDERS: Final = {"azure": "azure.ai.openai", "azure-preview": "azure.ai.openai", "xai": "x_ai"}
"""From the name of a profile to the provider's name in the conventions, where they differ."""
