"""What never reaches the disk: keys, and what the caller wants left out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from realtime_transport.errors import ConfigError

__all__ = ["Policy", "Scrub", "Scrubber"]

Policy: TypeAlias = Literal["keep", "digest", "drop"]
"""What to do with content: keep it, replace it by its length and SHA-256, or replace it by its length alone."""

Scrub: TypeAlias = Callable[[dict[str, Any]], "Mapping[str, Any] | None"]
"""Changes a message before it is written; ``None`` leaves it out."""

REDACTED = "REDACTED"

_KEYS = re.compile(
    r"\b(?:sk|ek|rk|pk|xai|gsk|whsec|Bearer|token)[-_ ][A-Za-z0-9_\-+/=.]{8,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]{4,}"
)
"""Texts that look like keys: prefixes of vendors, bearer tokens, AWS key ids, JSON web tokens."""

_SECRET_NAMES = re.compile(
    r"authorization|api[-_]?key|secret|token$|password|credential|cookie|^headers$", re.IGNORECASE
)
"""Names of fields whose text is a secret, whatever it looks like (``authorization`` and ``headers`` of MCP tools)."""

_PUBLIC_QUERY = frozenset({"model", "call_id", "api-version", "deployment", "intent"})
"""Parameters of a URL that are kept; the value of every other one is not."""

_WORDS = frozenset({"transcript", "text", "instructions", "arguments", "output", "refusal"})
"""Fields that hold what people and models say."""

_TEXT_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.text.delta",
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "conversation.item.input_audio_transcription.delta",
    }
)


@attrs.define(eq=False)
class Scrubber:
    """Takes secrets and, by policy, words out of messages.

    Args:
        secrets: Exact texts that are in use and must not be written: the key of the connection.
        words: What to do with what people and models say.
        scrub: A change of the caller's, after ours.
    """

    words: Policy = "keep"
    scrub: Scrub | None = None
    _secrets: set[str] = attrs.field(factory=set[str])

    def __attrs_post_init__(self) -> None:
        if self.words not in ("keep", "digest", "drop"):
            raise ConfigError(f"words: 'keep', 'digest' or 'drop', not {self.words!r}", key="words")

    def hide(self, secret: str | None) -> None:
        """Never write *secret*, nor its percent-encoded form."""
        if secret and len(secret) >= 4:
            self._secrets |= {secret, quote(secret, safe="")}

    def message(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """*message* as it may be written; ``None`` to leave it out."""
        found = cast("dict[str, Any]", self._value(message, False))
        if self.words != "keep":
            found = self._without_words(found)
        if self.scrub is None:
            return found
        changed = self.scrub(found)
        return None if changed is None else dict(changed)

    def text(self, text: str) -> str:
        """*text* without anything that is, or looks like, a secret."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return _KEYS.sub(REDACTED, text)

    def url(self, url: str) -> str:
        """*url* without user info and with the values of an allow-list of parameters only."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = [
            (name, value if name in _PUBLIC_QUERY else REDACTED)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        return self.text(urlunsplit((parts.scheme, host, parts.path, urlencode(query), "")))

    def _value(self, value: Any, secret: bool) -> Any:
        match value:
            case str():
                return REDACTED if value and secret else self.text(value)
            case Mapping():
                return {
                    self.text(key): self._value(item, secret or _SECRET_NAMES.search(key) is not None)
                    for key, item in cast("Mapping[str, Any]", value).items()
                }
            case list() | tuple():
                return [self._value(item, secret) for item in cast("Sequence[Any]", value)]
            case _:
                return value

    def _without_words(self, message: dict[str, Any]) -> dict[str, Any]:
        if message.get("type") in _TEXT_DELTAS and isinstance(message.get("delta"), str):
            message = {**message, "delta": self._said(message["delta"])}
        return cast("dict[str, Any]", self._unsaid(message))

    def _unsaid(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: self._said(item) if key in _WORDS and isinstance(item, str) else self._unsaid(item)
                for key, item in cast("Mapping[str, Any]", value).items()
            }
        return [self._unsaid(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value

    def _said(self, text: str) -> dict[str, Any]:
        said: dict[str, Any] = {"$text": len(text)}
        if self.words == "digest":
            said["sha256"] = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        return said
