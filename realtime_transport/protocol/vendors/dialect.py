"""Other spellings of the protocol: the names of the beta, and of servers that only transcribe.

The engine speaks the current protocol; a dialect translates whole messages on their way in and out. What it does not
know it leaves as it is. Each direction has its inverse, which an emulator of such a server uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire.old_events import OLD_NAMES

__all__ = ["BETA", "DIALECTS", "VLLM", "XAI", "Dialect"]

Message: TypeAlias = dict[str, Any]
Translation: TypeAlias = Callable[[Message], Message]


@frozen()
class Dialect:
    """The translations of one dialect. None of the functions changes its argument.

    Attributes:
        name: The name of the dialect.
        to_server: A client event of the current protocol, as the server knows it.
        from_server: What the server sends, as a server event of the current protocol.
        from_client: The inverse of ``to_server``.
        to_client: The inverse of ``from_server``.
        behind: The message that must follow a client event; ``None`` for none.
    """

    name: str
    to_server: Translation
    from_server: Translation
    from_client: Translation
    to_client: Translation
    behind: Callable[[Message], Message | None] = lambda _: None


# Beta: events, items, formats and sessions had other names.

_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}

_PARTS = {"text": "output_text", "audio": "output_audio"}

_SESSION = {
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "max_response_output_tokens": ("max_output_tokens",),
}
"""Flat names, and where their values are now."""


def _inverse(table: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in table.items()}


_EVENTS_BACK, _FORMATS_BACK, _PARTS_BACK = _inverse(OLD_NAMES), _inverse(_FORMATS), _inverse(_PARTS)


def _settings_to_beta(settings: Message) -> Message:
    """A session, or the parameters of a response."""
    flat = {key: value for key, value in settings.items() if key not in ("audio", "type", "output_modalities")}
    for old, path in _SESSION.items():
        found, value = _find(settings, path)
        if found:
            flat.pop(path[0], None)
            flat[old] = _format_to_beta(value) if path[-1] == "format" else value
    if "output_modalities" in settings:
        modalities = settings["output_modalities"]
        spoken = isinstance(modalities, list) and "audio" in modalities
        flat["modalities"] = ["audio", "text"] if spoken else modalities
    return flat


def _settings_from_beta(settings: Message) -> Message:
    nested = {key: value for key, value in settings.items() if key not in (*_SESSION, "modalities")}
    for old, path in _SESSION.items():
        if old in settings:
            value = settings[old]
            _put(nested, path, _format_from_beta(value) if path[-1] == "format" else value)
    modalities = settings.get("modalities")
    if isinstance(modalities, list):
        nested["output_modalities"] = ["audio"] if "audio" in modalities else modalities
    return nested


def _find(settings: Message, path: tuple[str, ...]) -> tuple[bool, Any]:
    value: Any = settings
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False, None
        value = cast("Message", value)[name]
    return True, value


def _put(settings: Message, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        inside = settings.get(name)
        level: Message = dict(cast("Message", inside)) if isinstance(inside, dict) else {}
        settings[name] = level
        settings = level
    settings[path[-1]] = value


def _format_to_beta(value: Any) -> Any:
    return _FORMATS_BACK.get(str(cast("Message", value).get("type")), "pcm16") if isinstance(value, dict) else value


def _format_from_beta(value: Any) -> Any:
    if not isinstance(value, str) or value not in _FORMATS:
        return value
    kind = _FORMATS[value]
    return {"type": kind, "rate": 24000} if kind == "audio/pcm" else {"type": kind}


def _item(item: Any, parts: Mapping[str, str]) -> Any:
    """*item* with the content parts of the model renamed."""
    if not isinstance(item, dict):
        return cast("object", item)
    given = cast("Message", item)
    content = given.get("content")
    if given.get("role") != "assistant" or not isinstance(content, list):
        return given
    return {**given, "content": [_part(part, parts) for part in cast("list[Any]", content)]}


def _part(part: Any, parts: Mapping[str, str]) -> Any:
    if not isinstance(part, dict):
        return cast("object", part)
    given = cast("Message", part)
    kind = given.get("type")
    return {**given, "type": parts[kind]} if isinstance(kind, str) and kind in parts else given


def _inside(message: Message, settings: Translation, parts: Mapping[str, str], *, with_type: bool) -> Message:
    """*message* with its session, response and items translated."""
    changed = dict(message)
    for name in ("session", "response"):
        value = changed.get(name)
        if isinstance(value, dict):
            translated = settings(cast("Message", value))
            if with_type and name == "session":
                translated = {"type": "realtime", **translated}
            output = translated.get("output")
            if isinstance(output, list):
                translated["output"] = [_item(item, parts) for item in cast("list[Any]", output)]
            changed[name] = translated
    item = changed.get("item")
    if isinstance(item, dict):
        changed["item"] = _item(item, parts)
    part = changed.get("part")
    if isinstance(part, dict):
        changed["part"] = _part(part, parts)
    return changed


def _beta_to_server(message: Message) -> Message:
    changed = _inside(message, _settings_to_beta, _PARTS_BACK, with_type=False)
    session = changed.get("session")
    if isinstance(session, dict):
        cast("Message", session).pop("model", None)  # The URL has fixed it; naming it is an error.
    return changed


def _beta_from_server(message: Message) -> Message:
    if message["type"] == "response.audio.delta":
        return {**message, "type": "response.output_audio.delta"}
    changed = _inside(message, _settings_from_beta, _PARTS, with_type=True)
    changed["type"] = OLD_NAMES.get(message["type"], message["type"])
    return changed


def _beta_from_client(message: Message) -> Message:
    return _inside(message, _settings_from_beta, _PARTS, with_type=True)


def _beta_to_client(message: Message) -> Message:
    changed = _inside(message, _settings_to_beta, _PARTS_BACK, with_type=False)
    changed["type"] = _EVENTS_BACK.get(message["type"], message["type"])
    return changed


BETA = Dialect(
    name="beta",
    to_server=_beta_to_server,
    from_server=_beta_from_server,
    from_client=_beta_from_client,
    to_client=_beta_to_client,
)
"""The names of the beta protocol: ``response.audio.delta``, ``modalities``, ``pcm16``."""


# xAI: the current names, but for two settings that are known at the top level of the session only.

_TOP = {"voice": ("audio", "output", "voice"), "turn_detection": ("audio", "input", "turn_detection")}


def _xai_session_to_server(session: Message) -> Message:
    changed = dict(session)
    for name, path in _TOP.items():
        found, value = _find(session, path)
        if found:
            _remove(changed, path)
            changed[name] = _xai_detection(value) if name == "turn_detection" else value
    return changed


def _xai_detection(value: Any) -> Any:
    """Turn detection as xAI knows it: ``server_vad`` or null."""
    if not isinstance(value, dict):
        return value
    given = cast("Message", value)
    if given.get("type") != "semantic_vad":
        return given
    return {"type": "server_vad", **{key: entry for key, entry in given.items() if key not in ("type", "eagerness")}}


def _xai_session_from_server(session: Message) -> Message:
    changed = {key: value for key, value in session.items() if key not in _TOP}
    for name, path in _TOP.items():
        if name in session:
            value = session[name]
            off = isinstance(value, dict) and cast("Message", value).get("type") is None
            _put(changed, path, None if off else value)
    return changed


def _remove(settings: Message, path: tuple[str, ...]) -> None:
    """Take out what stands at *path*, without touching what *settings* shares with others."""
    for name in path[:-1]:
        settings[name] = dict(cast("Message", settings[name]))
        settings = settings[name]
    del settings[path[-1]]


def _in_session(change: Translation) -> Translation:
    def translate(message: Message) -> Message:
        session = message.get("session")
        return {**message, "session": change(cast("Message", session))} if isinstance(session, dict) else message

    return translate


XAI = Dialect(
    name="xai",
    to_server=_in_session(_xai_session_to_server),
    from_server=_in_session(_xai_session_from_server),
    from_client=_in_session(_xai_session_from_server),
    to_client=_in_session(_xai_session_to_server),
)
"""xAI: ``voice`` and ``turn_detection`` stand at the top level of the session."""


# vLLM: transcription only, without items.

_TRANSCRIPTION = "conversation.item.input_audio_transcription."


def _vllm_to_server(message: Message) -> Message:
    if message["type"] != "session.update":
        return message
    return {"type": "session.update", "model": message["session"].get("model")}


def _vllm_behind(message: Message) -> Message | None:
    """A commit begins a transcription, a final one ends it. A caller that names ``final`` sends both itself."""
    if message["type"] != "input_audio_buffer.commit" or "final" in message:
        return None
    return {"type": "input_audio_buffer.commit", "final": True}


def _vllm_from_server(message: Message) -> Message:
    common = {"item_id": "", "content_index": 0}
    match message["type"]:
        case "transcription.delta":
            return {**common, **message, "type": _TRANSCRIPTION + "delta"}
        case "transcription.done":
            return {**common, **message, "type": _TRANSCRIPTION + "completed", "transcript": message.get("text")}
        case _:
            return message


def _vllm_from_client(message: Message) -> Message:
    if message["type"] == "input_audio_buffer.commit":
        begins = not message.get("final")
        return {"type": "session.update", "session": {"type": "transcription"}} if begins else {"type": message["type"]}
    if message["type"] != "session.update":
        return message
    return {"type": "session.update", "session": {"type": "transcription"}}


def _vllm_to_client(message: Message) -> Message:
    kind = str(message["type"])
    if kind == _TRANSCRIPTION + "delta":
        return {"type": "transcription.delta", "delta": message.get("delta")}
    if kind == _TRANSCRIPTION + "completed":
        return {"type": "transcription.done", "text": message.get("transcript"), "usage": message.get("usage")}
    return message


VLLM = Dialect(
    name="vllm",
    to_server=_vllm_to_server,
    from_server=_vllm_from_server,
    from_client=_vllm_from_client,
    to_client=_vllm_to_client,
    behind=_vllm_behind,
)
"""vLLM's ``/v1/realtime``: ``transcription.delta`` and ``transcription.done``, the model in ``session.update``."""

DIALECTS: Mapping[str, Dialect | None] = {"ga": None, "beta": BETA, "xai": XAI, "vllm": VLLM}
"""By the name that a profile gives; ``None``: the current protocol, nothing to translate."""
