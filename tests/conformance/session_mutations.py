"""Rules of the session's core, each taken out in turn: do the recorded scenarios notice?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from realtime_transport.session.agents import config, preparing
from realtime_transport.session.agents.guardrail import GuardrailDebouncer
from realtime_transport.session.agents.mcp import HostedMcpTool
from realtime_transport.session.agents.scope import ResponseScope
from realtime_transport.session.core import calls
from realtime_transport.session.core.calls import CallDesk
from realtime_transport.session.core.guarding import Guarding
from realtime_transport.session.core.history import History

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = ["SESSION_RULES"]


def _replace(owner: Any, name: str, function: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(owner, name, function)


def _always_responds(patch: pytest.MonkeyPatch) -> None:
    original = CallDesk._refuse

    def refuse(self: Any, call: Any, text: str, reason: str, *, respond: bool = True) -> None:
        original(self, call, text, reason, respond=True)

    patch.setattr(CallDesk, "_refuse", refuse)


def _appends(self: Any, item: Any) -> bool:
    self._insert(item, None)
    return True


def _responds_to_all(patch: pytest.MonkeyPatch) -> None:
    original = CallDesk._answer

    def answer(self: Any, call: Any, text: str, *, respond: bool = True, image: Any = None) -> None:
        original(self, call, text, respond=True, image=image)

    patch.setattr(CallDesk, "_answer", answer)


SESSION_RULES: tuple[tuple[str, Callable[[pytest.MonkeyPatch], None], tuple[str, ...]], ...] = (
    (
        "audio starts once in a turn",
        _replace(ResponseScope, "begin_audio", lambda self: True),
        ("session_audio_and_agent_events",),
    ),
    (
        "a response belongs to the agent that began it",
        _replace(ResponseScope, "source", lambda self, response_id: self.current),
        ("session_handoff",),
    ),
    (
        "a voice does not leak to the next agent",
        _replace(config, "_voice", lambda *layers: {"voice": "marin"}),
        ("session_handoff", "session_update_agent"),
    ),
    (
        "a known item is replaced where it stands",
        _replace(History, "update", _appends),
        ("session_history_user_and_assistant", "session_tool_call"),
    ),
    (
        "a transcription completes what the user said",
        _replace(History, "transcribe", lambda self, item_id, transcript: False),
        ("session_history_transcription",),
    ),
    ("a background result asks for no response", _responds_to_all, ("session_tool_background",)),
    ("an unknown tool asks for no response", _always_responds, ("session_tool_unknown",)),
    (
        "a rejection has its text",
        _replace(calls, "REJECTED", "No."),
        ("session_tool_approval_rejected",),
    ),
    (
        "a guardrail trips once in a response",
        _replace(GuardrailDebouncer, "trip", lambda self, response_id: True),
        ("session_guardrail_trips_on_transcript",),
    ),
    (
        "the finished text is looked at",
        _replace(Guarding, "finish", lambda self, *run: None),
        ("session_guardrail_final_only", "session_guardrail_trips_on_transcript"),
    ),
    (
        "names are checked before connecting",
        _replace(preparing, "check_names", lambda tools, handoffs: None),
        ("session_duplicate_tool_names",),
    ),
    (
        "MCP tools are filtered",
        _replace(HostedMcpTool, "allows", lambda self, name: True),
        ("session_mcp_tools_and_calls",),
    ),
)
"""The rule, how it is taken out, and some of the scenarios that notice."""
