"""Rules of the engine, each taken out in turn: do the recorded scenarios notice?

python -m tests.conformance.mutations [--backend asyncio|trio]    prints which scenarios turn red for each rule
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from realtime_transport.protocol.config import defaults, settings as config
from realtime_transport.protocol.engine import (
    history_diff as history,
    interruption,
    reactions,
    receiver,
)
from realtime_transport.protocol.engine.playback import ledger as playback
from realtime_transport.protocol.engine.responses import sequencer
from realtime_transport.protocol.engine.responses.sequencer import Input, Phase

from .compare import differences, is_scored, scored_part
from .drivers import DRIVERS
from .session_mutations import SESSION_RULES

__all__ = ["MUTATIONS", "Mutation", "red_scenarios"]

HERE = Path(__file__).parent
DEPARTURES: dict[str, Any] = json.loads((HERE / "departures.json").read_text())

Break = Callable[[pytest.MonkeyPatch], None]


@attrs.frozen
class Mutation:
    """A rule, how to take it out, and some of the scenarios that notice."""

    rule: str
    take_out: Break
    reddens: tuple[str, ...]


def _without(phase: Phase, happened: Input) -> Break:
    return lambda patch: patch.delitem(sequencer.TRANSITIONS, (phase, happened))


def _requests_as(manual: bool) -> Break:
    def take_out(patch: pytest.MonkeyPatch) -> None:
        original = sequencer.ResponseSequencer.request

        def request(self: Any, event: Any, **_: Any) -> None:
            original(self, event, manual=manual)

        patch.setattr(sequencer.ResponseSequencer, "request", request)

    return take_out


def _replace(owner: Any, name: str, function: Callable[..., Any]) -> Break:
    return lambda patch: patch.setattr(owner, name, function)


def _do_nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _truncate_anywhere(part: Any, audio_end_ms: int) -> playback.Truncation:
    return playback.Truncation(item_id=part.item_id, content_index=part.content_index, audio_end_ms=audio_end_ms)


def _truncate_everything(part: Any, now: float) -> int:
    return 10**12


def _clock_runs_on(patch: pytest.MonkeyPatch) -> None:
    original = playback.PlaybackLedger._begin_part

    def begin_part(self: Any, response_id: str, item_id: str, content_index: int, now: float) -> Any:
        before = self._latest
        return original(self, response_id, item_id, content_index, now if before is None else before.first_at)

    patch.setattr(playback.PlaybackLedger, "_begin_part", begin_part)


def _always_cancel(patch: pytest.MonkeyPatch) -> None:
    original = interruption.Interrupter._interrupt

    def interrupt(self: Any, now: float, cancel: bool, *rest: Any) -> bool:
        return original(self, now, True, *rest)

    patch.setattr(interruption.Interrupter, "_interrupt", interrupt)


def _append_everywhere(patch: pytest.MonkeyPatch) -> None:
    original = history.HistoryEditor._request

    def request(self: Any, item_id: str, *, creates: bool, **fields: Any) -> dict[str, Any]:
        fields.pop("previous_item_id", None)
        return original(self, item_id, creates=creates, **fields)

    patch.setattr(history.HistoryEditor, "_request", request)


def _always_auto(wanted: object, reported: object) -> str:
    return "auto"


def _nothing_by_default(patch: pytest.MonkeyPatch) -> None:
    original = config.SessionSettings.__init__

    def init(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **{**options, "session_defaults": defaults.NO_DEFAULTS})

    patch.setattr(config.SessionSettings, "__init__", init)


MUTATIONS = (
    Mutation(
        "at most one response.create is in flight",
        _without(Phase.IDLE, Input.SENT),
        ("seq_requests_before_server_acknowledges",),
    ),
    Mutation(
        "a create waits until the active response has ended",
        _without(Phase.IDLE, Input.CREATED),
        ("function_output_starts_response", "interrupt_then_create_is_deferred"),
    ),
    Mutation(
        "a cancelled response is active until it is done",
        lambda patch: patch.setitem(sequencer.TRANSITIONS, (Phase.ACTIVE, Input.CANCEL), Phase.IDLE),
        ("seq_cancel_then_create_waits_for_done", "interrupt_then_create_is_deferred"),
    ),
    Mutation("automatic requests that wait become one", _requests_as(manual=True), ("seq_auto_requests_coalesce",)),
    Mutation(
        "requests with parameters stay separate", _requests_as(manual=False), ("seq_manual_requests_stay_separate",)
    ),
    Mutation(
        "an error releases the create that it names",
        _replace(sequencer.ResponseSequencer, "handle_error", _do_nothing),
        ("seq_error_with_event_id_releases", "seq_caller_event_id_kept"),
    ),
    Mutation(
        "a truncation is bounded by what was received",
        _replace(playback._Part, "truncate_at", _truncate_anywhere),
        ("interrupt_during_audio_elapsed_longer", "interrupt_length_pcmu"),
    ),
    Mutation(
        "a truncation is bounded by what was heard",
        _replace(playback._Part, "elapsed_us", _truncate_everything),
        ("interrupt_during_audio_elapsed_shorter", "interrupt_zero_elapsed"),
    ),
    Mutation("another item restarts the estimate of playback", _clock_runs_on, ("interrupt_item_switch",)),
    Mutation("the server's own cancellation is left to it", _always_cancel, ("speech_started_auto_cancel_on",)),
    Mutation(
        "speech interrupts",
        _replace(interruption.Interrupter, "handle_speech", _do_nothing),
        ("speech_started_auto_cancel_off",),
    ),
    Mutation(
        "items that changed without their content are fetched",
        _replace(receiver, "item_to_retrieve", _do_nothing),
        ("input_transcription_completed_retrieves", "mcp_progress_retrieves", "truncated_retrieves"),
    ),
    Mutation(
        "tracing follows the configuration",
        _replace(reactions, "tracing_to_send", _always_auto),
        ("tracing_null_disables",),
    ),
    Mutation("edits of the history keep the order", _append_everywhere, ("history_mixed", "history_update_middle")),
    Mutation(
        "the session has defaults",
        _nothing_by_default,
        ("config_defaults", "connect_defaults_url_and_headers"),
    ),
    *(Mutation(*rule) for rule in SESSION_RULES),
)


async def red_scenarios(names: tuple[str, ...] | None = None) -> list[str]:
    """Those of *names* (or of all) that differ from what was recorded."""
    red: list[str] = []
    for scenario in _scored(names):
        expected, departure = scenario.pop("expected"), DEPARTURES.get(scenario["name"])
        observed = await DRIVERS[scenario["transport"]](scenario)
        if "stalled" in observed or differences(scored_part(expected, departure), scored_part(observed, departure)):
            red.append(scenario["name"])
    return red


def _scored(names: tuple[str, ...] | None) -> Iterator[dict[str, Any]]:
    for path in sorted((HERE / "scenarios").glob("*.json")):
        if names is None or path.stem in names:
            scenario = json.loads(path.read_text())
            if is_scored(scenario, DEPARTURES):
                yield scenario


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="trio")
    backend = parser.parse_args().backend
    unnoticed = 0
    for mutation in MUTATIONS:
        with pytest.MonkeyPatch.context() as patch:
            mutation.take_out(patch)
            red = anyio.run(red_scenarios, backend=backend)
        unnoticed += not red
        print(f"without {mutation.rule!r}: {len(red)} red\n    {', '.join(red) or 'NOTHING'}")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
