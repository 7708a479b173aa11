"""Scripts: a responder as data, so that a test reads as a conversation.

A script is a JSON object with ``rules``, which are tried in order for each response; the first whose ``when`` matches
gives the ``reply``. If none matches, the default responder answers. See ``docs/emulator.md`` for the format.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import orjson

from realtime_transport.emulator.checks.schema import Anything, Array, Boolean, Field, Integer, Number, Object, Text
from realtime_transport.emulator.conversation.transcription import placeholder
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.emulator.replies import (
    Abort,
    Action,
    CloseConnection,
    Expire,
    Failure,
    FunctionCall,
    FunctionOutput,
    Output,
    Refuse,
    Reply,
    Responder,
    SendEvent,
    SendText,
    SetRateLimit,
    Speech,
    StopAnswering,
    Turn,
    UserAudio,
    UserText,
)
from realtime_transport.errors import ConfigError

from .directives import reply_to_directive
from .echo import echo_responder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realtime_transport.emulator.sound import AudioClip

__all__ = ["Script", "ScriptPlayer"]

_SECONDS = Number(minimum=0.0, maximum=600.0)

_WHEN = Object(
    {
        "turn": Field(Integer(minimum=1)),
        "text": Field(Text()),
        "pattern": Field(Text()),
        "spoken": Field(Boolean()),
        "function_output": Field(Text()),
    }
)
_CALL = Object({"name": Field(Text(), required=True), "arguments": Field(Anything()), "call_id": Field(Text())})
_OUTPUT = Object({"text": Field(Text()), "seconds": Field(_SECONDS), "echo": Field(Boolean()), "call": Field(_CALL)})
_CLOSE = Object({"code": Field(Integer(minimum=1000, maximum=4999)), "reason": Field(Text(max_length=123))})
_FAIL = Object({"code": Field(Text(), required=True), "message": Field(Text()), "type": Field(Text())})
_REPLY = Object(
    {
        "text": Field(Text()),
        "seconds": Field(_SECONDS),
        "echo": Field(Boolean()),
        "calls": Field(Array(of=_CALL)),
        "outputs": Field(Array(of=_OUTPUT)),
        "interleaved": Field(Boolean()),
        "delay": Field(_SECONDS),
        "pace": Field(_SECONDS),
        "directive": Field(Text()),
        "fail": Field(_FAIL),
        "incomplete": Field(Text(enum=("max_output_tokens", "content_filter"))),
        "error": Field(Object({"code": Field(Text(), required=True), "message": Field(Text())})),
        "close": Field(_CLOSE),
        "drop": Field(Boolean()),
        "mute": Field(Boolean()),
        "expire": Field(Boolean()),
        "send": Field(Array(of=Anything())),
        "tokens_left": Field(Integer(minimum=0)),
    }
)
_RULE = Object({"when": Field(_WHEN), "reply": Field(_REPLY, required=True), "times": Field(Integer(minimum=1))})
_SCRIPT = Object({"rules": Field(Array(of=_RULE)), "transcripts": Field(Array(of=Text()))})


@attrs.frozen
class Script:
    """A checked script.

    Attributes:
        rules: The rules, as in the file.
        transcripts: The user's words, turn by turn, for the input transcription and for ``when.text``.
    """

    rules: Sequence[Mapping[str, Any]] = ()
    transcripts: Sequence[str] = ()

    @classmethod
    def parse(cls, data: Any) -> Script:
        """Read a script from the JSON value *data*.

        Raises:
            ConfigError: It is not a script; ``key`` is the path of the fault.
        """
        try:
            checked = _SCRIPT.read(data, "")
        except Refusal as refusal:
            raise ConfigError(f"script: {refusal.message}", key=refusal.param or "") from None
        for index, rule in enumerate(checked.get("rules", ())):
            _check_pattern(rule, f"rules[{index}].when.pattern")
            _check_outputs(rule["reply"], f"rules[{index}].reply")
        return cls(checked.get("rules", ()), checked.get("transcripts", ()))

    @classmethod
    def load(cls, path: str | Path) -> Script:
        """Read a script from a file.

        Raises:
            ConfigError: It cannot be read, is not JSON, or is not a script.
        """
        try:
            data = orjson.loads(Path(path).read_bytes())
        except OSError as error:
            raise ConfigError(f"script {path}: it cannot be read: {error.strerror or error}", key="script") from error
        except orjson.JSONDecodeError as error:
            raise ConfigError(f"script {path}: not JSON: {error}") from None
        return cls.parse(data)

    def player(self, otherwise: Responder = echo_responder) -> ScriptPlayer:
        """A new run of the script; *otherwise* answers if no rule matches."""
        return ScriptPlayer(self, otherwise)


@attrs.define(eq=False)
class ScriptPlayer:
    """One run of a script, for one session. It is a responder, and its `recognize` transcribes speech."""

    _script: Script
    _otherwise: Responder
    _used: dict[int, int] = attrs.field(init=False, factory=dict[int, int])
    _heard: int = attrs.field(init=False, default=0)

    def __call__(self, turn: Turn, /) -> Reply:
        """The reply of the first rule that matches."""
        for index, rule in enumerate(self._script.rules):
            used = self._used.get(index, 0)
            if used < rule.get("times", used + 1) and _fits(rule.get("when", {}), turn):
                self._used[index] = used + 1
                return _reply(rule["reply"], turn, self._otherwise)
        return self._otherwise(turn)

    def recognize(self, clip: AudioClip) -> str:
        """The next transcript; a placeholder after the last one."""
        self._heard += 1
        if self._heard <= len(self._script.transcripts):
            return self._script.transcripts[self._heard - 1]
        return placeholder(clip)


def _check_pattern(rule: Mapping[str, Any], key: str) -> None:
    try:
        re.compile(rule.get("when", {}).get("pattern") or "")
    except re.error as error:
        raise ConfigError(f"script: {key}: {error}", key=key) from None


def _check_outputs(reply: Mapping[str, Any], key: str) -> None:
    if "outputs" in reply and (strange := _IN_OUTPUTS & set(reply)):
        key = f"{key}.{min(strange)}"
        raise ConfigError(f"script: {key}: it goes into one of the outputs", key=key)
    for index, output in enumerate(reply.get("outputs", ())):
        if ("call" in output) + bool(output.get("echo")) + bool({"text", "seconds"} & set(output)) != 1:
            key = f"{key}.outputs[{index}]"
            raise ConfigError(f"script: {key}: it is a text, a call, or an echo", key=key)


_IN_OUTPUTS = frozenset({"text", "seconds", "echo", "calls"})


def _fits(when: Mapping[str, Any], turn: Turn) -> bool:
    return all(_CONDITIONS[name](wanted, turn) for name, wanted in when.items())


def _has_output(name: str, turn: Turn) -> bool:
    return any(isinstance(entry, FunctionOutput) and entry.name == name for entry in turn.inputs)


def _is_turn(number: int, turn: Turn) -> bool:
    return turn.number == number


def _has_text(text: str, turn: Turn) -> bool:
    return text.casefold() in turn.words.casefold()


def _has_pattern(pattern: str, turn: Turn) -> bool:
    return re.search(pattern, turn.words) is not None


def _is_spoken(wanted: bool, turn: Turn) -> bool:
    return any(isinstance(entry, UserAudio) for entry in turn.inputs) == wanted


_CONDITIONS: dict[str, Callable[[Any, Turn], bool]] = {
    "turn": _is_turn,
    "text": _has_text,
    "pattern": _has_pattern,
    "spoken": _is_spoken,
    "function_output": _has_output,
}


def _reply(data: Mapping[str, Any], turn: Turn, otherwise: Responder) -> Reply:
    if "directive" in data:
        ordered = attrs.evolve(turn, inputs=[UserText(data["directive"])])
        return reply_to_directive(ordered) or otherwise(turn)
    actions = _actions(data)
    is_end = any(isinstance(a, Refuse | CloseConnection | Abort | StopAnswering | Expire) for a in actions)
    failure = Failure(**data["fail"]) if "fail" in data else None
    outputs = None if is_end else _outputs(data, turn, otherwise)
    return Reply(
        outputs=outputs,
        before=actions,
        delay=data.get("delay", 0.0),
        pace=data.get("pace"),
        failure=failure,
        incomplete=data.get("incomplete"),
        interleaved=bool(data.get("interleaved")),
    )


def _outputs(data: Mapping[str, Any], turn: Turn, otherwise: Responder) -> list[Output]:
    """The outputs in the order of ``outputs``; without it: the echo, the text, the calls."""
    calls = [{"call": call} for call in data.get("calls", ())]
    given: list[Mapping[str, Any]] = data.get("outputs", [data, *calls])
    return [output for entry in given for output in _output(entry, turn, otherwise)]


def _output(data: Mapping[str, Any], turn: Turn, otherwise: Responder) -> list[Output]:
    outputs: list[Output] = []
    if data.get("echo"):
        outputs += otherwise(turn).outputs or ()
    if "text" in data or "seconds" in data:
        text = data.get("text", f"These are {data.get('seconds', 0):g} seconds of speech.")
        outputs.append(Speech(text=text, seconds=data.get("seconds")))
    if "call" in data:
        call = data["call"]
        arguments = call.get("arguments", {})
        # The standard library also writes half a surrogate pair, which a script may hold on purpose.
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, separators=(",", ":"))
        outputs.append(FunctionCall(name=call["name"], arguments=text, call_id=call.get("call_id")))
    return outputs


def _actions(data: Mapping[str, Any]) -> list[Action]:
    actions: list[Action] = []
    for frame in data.get("send", ()):
        actions.append(SendText(frame) if isinstance(frame, str) else SendEvent(frame))
    if "tokens_left" in data:
        actions.append(SetRateLimit(remaining=data["tokens_left"]))
    if "error" in data:
        actions.append(Refuse(**data["error"]))
    if "close" in data:
        actions.append(CloseConnection(**data["close"]))
    for name, action in (("drop", Abort()), ("mute", StopAnswering()), ("expire", Expire())):
        if data.get(name):
            actions.append(action)
    return actions
