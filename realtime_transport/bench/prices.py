"""The prices of tokens: the package's list, with source and date, or one of the user."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from realtime_transport.replay import Reply

__all__ = ["Price", "price_of"]


@named_fields
@attrs.frozen(kw_only=True)
class Price:
    """The price of one model, in USD for a million tokens.

    Attributes:
        text_in: Text that goes in.
        text_cached: Text that goes in and was cached.
        text_out: Text that comes out.
        audio_in: Audio that goes in.
        audio_cached: Audio that goes in and was cached.
        audio_out: Audio that comes out.
        source: The source and date of the list.
    """

    text_in: float
    text_cached: float
    text_out: float
    audio_in: float
    audio_cached: float
    audio_out: float
    source: str = ""

    def of(self, reply: Reply) -> float:
        """The cost of *reply* in USD; tokens that the server does not break down by kind count as audio."""
        audio_cached = min(reply.cached_audio_tokens, reply.cached_tokens)
        text_cached = reply.cached_tokens - audio_cached
        audio_in = max(0, reply.audio_input_tokens - audio_cached)
        text_in = max(0, reply.input_tokens - reply.audio_input_tokens - text_cached)
        text_out = max(0, reply.output_tokens - reply.audio_output_tokens)
        total = text_in * self.text_in + text_cached * self.text_cached + text_out * self.text_out
        total += audio_in * self.audio_in + audio_cached * self.audio_cached
        return (total + reply.audio_output_tokens * self.audio_out) / 1_000_000


def price_of(model: str, path: str | Path | None = None) -> Price | None:
    """The price of *model* in the list at *path*, or by default in that of the package; ``None`` if it is not listed.

    A list is JSON: ``{"source": "…", "date": "2026-09-18", "models": {"NAME": {"text_in": 4.0, …}}}``, with all six
    prices of `Price`. A snapshot (``NAME-2026-01-31``) costs what its model costs.

    Raises:
        ConfigError: The list cannot be read, or a price in it is not a number of 0 or more.
    """
    where = str(path or "the price list of the package")
    try:
        place = resources.files("realtime_transport.bench") / "prices.json" if path is None else Path(path)
        found = json.loads(place.read_text("utf-8"))
        models = cast("dict[str, dict[str, Any]]", found["models"])
        names = [name for name in models if model == name or model.startswith(f"{name}-20")]
        if not names:
            return None
        prices = dict(models[max(names, key=len)])
        source = f"{found.get('source', where)}, {found.get('date', 'no date')}"
    except OSError as exc:
        raise ConfigError(f"{where} cannot be read: {exc.strerror}", key="prices") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{where} is no price list: {exc!r}; see docs/bench.md for its form", key="prices") from exc
    return Price(source=source, **{name: _number(prices, name, where) for name in _NAMES})


_NAMES = tuple(field.name for field in attrs.fields(Price) if field.name != "source")


def _number(prices: dict[str, Any], name: str, where: str) -> float:
    value = prices.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        raise ConfigError(f"{where}: {name}={value!r}; USD for a million tokens expected", key=name)
    return float(value)
