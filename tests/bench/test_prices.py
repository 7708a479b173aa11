"""What tokens cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_transport.bench import price_of
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.config.settings import DEFAULT_MODEL
from realtime_transport.replay import Reply

PRICES = {"text_in": 1.0, "text_cached": 2.0, "text_out": 4.0, "audio_in": 8.0, "audio_cached": 16.0, "audio_out": 32}


def reply(**tokens: int) -> Reply:
    nothing: dict[str, Any] = dict.fromkeys(("answers", "status", "detail", "first_audio_at", "latency"))
    return Reply(response_id="r", audio_bytes=0, audio_seconds=0.0, transcript="", **nothing, **tokens)


def listed(folder: Path, **models: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps({"source": "mine", "date": "2026-01-31", "models": models}))
    return path


def test_each_kind_of_token_has_its_price(tmp_path: Path) -> None:
    price = price_of("m", listed(tmp_path, m=PRICES))
    assert price is not None
    assert price.source == "mine, 2026-01-31"
    cost = price.of(
        reply(
            input_tokens=1111,
            audio_input_tokens=110,
            cached_tokens=1001,
            cached_audio_tokens=10,
            output_tokens=30,
            audio_output_tokens=20,
        )
    )
    # 10 of text and 100 of audio that are not cached, 991 and 10 that are; 10 and 20 that come out.
    assert cost * 1_000_000 == pytest.approx(10 * 1 + 991 * 2 + 100 * 8 + 10 * 16 + 10 * 4 + 20 * 32)


def test_a_snapshot_costs_what_its_model_costs(tmp_path: Path) -> None:
    path = listed(tmp_path, m=PRICES, **{"m-mini": {**PRICES, "text_in": 0.5}})
    price = price_of("m-2026-01-31", path)
    assert price is not None
    assert price.text_in == 1.0
    mini = price_of("m-mini-2026-01-31", path)
    assert mini is not None
    assert mini.text_in == 0.5
    assert price_of("m-turbo", path) is None


def test_the_default_model_has_a_price_with_its_source() -> None:
    price = price_of(DEFAULT_MODEL)
    assert price is not None
    assert "https://" in price.source
    assert price.audio_out > price.text_in > 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no price list"),
        ("[]", "no price list"),
        ('{"models": {"m": 5}}', "no price list"),
        ('{"models": {"m": {"text_in": 1}}}', "text_cached=None"),
        ('{"models": {"m": {"text_in": "1"}}}', "text_in='1'; USD"),
        ('{"models": {"m": {"text_in": -1}}}', "text_in=-1"),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        price_of("m", path)
    with pytest.raises(ConfigError, match="cannot be read"):
        price_of("m", tmp_path / "none.json")
