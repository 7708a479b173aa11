"""Recordings of other projects: the cassettes of pydantic-ai, lists of frames without time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from realtime_transport.errors import ConfigError, missing_extra
from realtime_transport.protocol.wire.codec import dumps

from .format import Close, Entry, Frame, Header, Open
from .reader import Recording

__all__ = ["load_cassette"]

STEP = 0.01
"""Seconds between two frames, since a cassette does not say."""


def load_cassette(path: str | Path) -> Recording:
    """Read a cassette of pydantic-ai (YAML: ``interactions``, each with ``direction`` and ``data``) as a recording.

    A cassette has no times: frames are 10 ms apart. Its sound was cut when it was made, and stays so.

    Raises:
        ConfigError: There is no such file, or it is no cassette; the message says which entry is wrong.
        MissingExtraError: PyYAML is not installed.
    """
    place = Path(path)
    try:
        import yaml
    except ModuleNotFoundError as error:
        missing_extra(error, "recording")
    try:
        found = yaml.safe_load(place.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{place} cannot be read: {exc.strerror}", key="path") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{place} is not YAML", key="path") from exc
    steps = cast("dict[str, Any]", found).get("interactions") if isinstance(found, dict) else None
    if not isinstance(steps, list):
        raise ConfigError(f"{place} is not a cassette: it has no list of interactions", key="path")
    entries: list[Entry] = [Open(n=1, t=0.0)]
    for number, step in enumerate(cast("list[Any]", steps), 2):
        entries.append(_entry(step, number, place))
    if not isinstance(entries[-1], Close):
        entries.append(Close(n=len(entries) + 1, t=len(entries) * STEP, code=1000, by="client"))
    header = Header(started="", wire="websocket", redacted=("as the cassette was",), audio="cut")
    return Recording(path=place, header=header, entries=tuple(entries))


def _entry(step: Any, number: int, path: Path) -> Entry:
    fields = cast("dict[str, Any]", step) if isinstance(step, dict) else {}
    time = (number - 1) * STEP
    direction, data = fields.get("direction"), fields.get("data")
    if fields.get("kind") in ("close", "closed", "error"):
        return Close(n=number, t=time, code=fields.get("code"), reason=str(fields.get("reason") or ""))
    if direction not in ("sent", "received") or not isinstance(data, dict):
        raise ConfigError(
            f"{path}: interaction {number - 1} needs direction ('sent' or 'received') and data (a message)",
            key=f"interactions[{number - 2}]",
        )
    message = cast("dict[str, Any]", data)
    return Frame(n=number, t=time, direction=direction, message=message, text=dumps(message))
