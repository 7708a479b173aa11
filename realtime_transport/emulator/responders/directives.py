"""Directives: user texts that start with ``/`` and control what the server does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from realtime_transport.emulator.conversation.mcp import DEFAULT_TOOL, tool_names_of
from realtime_transport.emulator.replies import (
    Abort,
    CloseConnection,
    Expire,
    Failure,
    FunctionCall,
    ListMcpTools,
    McpApprovalRequest,
    McpCall,
    Output,
    Refuse,
    Reply,
    SendEvent,
    SendText,
    SetRateLimit,
    Speech,
    StopAnswering,
    Turn,
    UserText,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["reply_to_directive"]

_MAX_SECONDS = 600.0
_MAX_MEGABYTES = 100.0
_SPEECH_WITHOUT_WORDS = "These are {seconds:g} seconds of speech."


def reply_to_directive(turn: Turn) -> Reply | None:
    """The reply to the last text of *turn* if it is a directive, else ``None``."""
    texts = [entry.text for entry in turn.inputs if isinstance(entry, UserText)]
    if not texts or not texts[-1].startswith("/"):
        return None
    text = texts[-1].strip()
    name, _, rest = text[1:].partition(" ")
    directive = _DIRECTIVES.get(name.strip())
    if directive is None:
        return None
    try:
        return directive(turn, rest.strip())
    except ValueError as error:
        return Reply(outputs=[Speech(text=f"I do not understand {text}: {error}")])


def _number(text: str, default: float, maximum: float) -> float:
    value = float(text) if text else default
    if not 0 <= value <= maximum:
        raise ValueError(f"a number from 0 to {maximum:g} is wanted")
    return value


def _say(_turn: Turn, rest: str) -> Reply:
    """``/say 8``: a reply of that many seconds."""
    first, _, words = rest.partition(" ")
    seconds = _number(first, 3.0, _MAX_SECONDS)
    return Reply(outputs=[Speech(text=words or _SPEECH_WITHOUT_WORDS.format(seconds=seconds), seconds=seconds)])


def _slow(_turn: Turn, rest: str) -> Reply:
    """``/slow 5``: a reply that is sent over that many seconds."""
    first, _, words = rest.partition(" ")
    seconds = _number(first, 5.0, _MAX_SECONDS)
    text = words or f"This reply takes {seconds:g} seconds to come."
    return Reply(outputs=[Speech(text=text, seconds=max(seconds, 0.1))], pace=seconds)


def _call(turn: Turn, rest: str) -> Reply:
    """``/call NAME {json}``, several with one a line: function calls."""
    outputs: list[Output] = []
    for line in rest.splitlines():
        name, _, arguments = line.strip().removeprefix("/call ").strip().partition(" ")
        if not name:
            continue
        if turn.tool(name) is None:
            return Reply(outputs=[Speech(text=f"The session has no tool named {name}.")])
        arguments = arguments.strip() or "{}"
        json.loads(arguments)
        outputs.append(FunctionCall(name=name, arguments=arguments))
    if not outputs:
        raise ValueError("the name of a tool is wanted")
    return Reply(outputs=outputs)


def _mcp(turn: Turn, rest: str) -> Reply:
    """``/mcp [SERVER [TOOL [{json}]]]``: a listing, an approval request and, once approved, the call."""
    servers = {tool["server_label"]: tool for tool in turn.tools if tool.get("type") == "mcp"}
    words = rest.split(" ", 2) if rest else []
    label = words[0] if words else next(iter(servers), "emulated")
    server = servers.get(label, {})
    name = words[1] if len(words) > 1 else (tool_names_of(server)[0] if server else DEFAULT_TOOL)
    arguments = words[2] if len(words) > 2 else "{}"
    json.loads(arguments)
    names = tool_names_of(server) if server else (name,)
    listing = ListMcpTools(server_label=label, tool_names=names)
    if server.get("require_approval") == "never":
        output = json.dumps({"tool": name, "result": "made up by the emulator"})
        call = McpCall(server_label=label, name=name, arguments=arguments, output=output)
        return Reply(before=[listing], outputs=[call, Speech(text=f"{name} returned: {output}")])
    request = McpApprovalRequest(server_label=label, name=name, arguments=arguments)
    return Reply(before=[listing], outputs=[request])


def _error(_turn: Turn, rest: str) -> Reply:
    """``/error CODE``: the ``response.create`` is refused."""
    return Reply(before=[Refuse(code=rest or "server_error")], outputs=None)


def _fail(_turn: Turn, rest: str) -> Reply:
    """``/fail CODE``: the response fails."""
    return Reply(failure=Failure(code=rest or "server_error"))


def _close(_turn: Turn, rest: str) -> Reply:
    """``/close 1011 reason``: a close frame."""
    code, _, reason = rest.partition(" ")
    number = int(code) if code else 1000
    if not (1000 <= number <= 1014 or 3000 <= number <= 4999) or number in (1004, 1005, 1006):
        raise ValueError("that is not a code that may be sent")
    if len(reason.encode()) > 123:
        raise ValueError("a reason has room for 123 bytes")
    return Reply(before=[CloseConnection(code=number, reason=reason)], outputs=None)


def _drop(_turn: Turn, _rest: str) -> Reply:
    """``/drop``: TCP is reset."""
    return Reply(before=[Abort()], outputs=None)


def _mute_close(_turn: Turn, _rest: str) -> Reply:
    """``/mute-close``: nothing is answered from now on, not even CLOSE."""
    return Reply(before=[StopAnswering()], outputs=None)


def _garbage(_turn: Turn, _rest: str) -> Reply:
    """``/garbage``: a frame that is not JSON, then a reply."""
    return Reply(before=[SendText('{"type": "response.created", ')], outputs=[Speech(text="That was garbage.")])


def _unknown(_turn: Turn, _rest: str) -> Reply:
    """``/unknown``: an event of unknown type, then a reply."""
    event = {"type": "emulator.unknown", "note": "No client knows this type.", "nested": {"list": [1, None, "x"]}}
    return Reply(before=[SendEvent(event)], outputs=[Speech(text="That was an event of unknown type.")])


def _big(_turn: Turn, rest: str) -> Reply:
    """``/big 20``: one event of that many megabytes, then a reply."""
    size = int(_number(rest, 20.0, _MAX_MEGABYTES) * 1_000_000)
    head, tail = '{"type":"emulator.big","event_id":"event_big","padding":"', '"}'
    text = head + "x" * max(0, size - len(head) - len(tail)) + tail
    return Reply(before=[SendText(text)], outputs=[Speech(text=f"That was a frame of {size} bytes.")])


def _expire(_turn: Turn, _rest: str) -> Reply:
    """``/expire``: the session's time is up."""
    return Reply(before=[Expire()], outputs=None)


def _rate_limit(_turn: Turn, _rest: str) -> Reply:
    """``/rate-limit``: one token is left, and the response fails."""
    failure = Failure(
        code="rate_limit_exceeded", type="tokens", message="Rate limit reached for the emulator. Try again in 60s."
    )
    return Reply(before=[SetRateLimit(remaining=1)], failure=failure)


_DIRECTIVES: dict[str, Callable[[Turn, str], Reply]] = {
    "say": _say,
    "slow": _slow,
    "call": _call,
    "mcp": _mcp,
    "error": _error,
    "fail": _fail,
    "close": _close,
    "drop": _drop,
    "mute-close": _mute_close,
    "garbage": _garbage,
    "unknown": _unknown,
    "big": _big,
    "expire": _expire,
    "rate-limit": _rate_limit,
}
