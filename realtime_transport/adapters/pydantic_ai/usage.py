"""Converts the outcome and the usage of a response to the values of pydantic-ai."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic_ai.messages import RealtimeSessionErrorEvent
from pydantic_ai.realtime.codec import SessionUsage
from pydantic_ai.usage import RequestUsage

from .responses import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_ai.messages import FinishReason
    from pydantic_ai.realtime.lifecycle import ResponseStatus

__all__ = ["calls_only", "failure_of", "outcome_of", "response_usage", "transcription_usage"]

_STATUSES: Mapping[str, ResponseStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "failed": "failed",
    "incomplete": "incomplete",
}

_INCOMPLETE: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def calls_only(response: Mapping[str, Any]) -> bool:
    """Whether a response consists of calls only: the model goes on when they are answered."""
    output = response.get("output")
    items = cast("list[Any]", output) if isinstance(output, list) else []
    return bool(items) and all(_mapping(item).get("type") == "function_call" for item in items)


def outcome_of(response: Mapping[str, Any]) -> Outcome:
    """How *response*, the one in a ``response.done``, ended."""
    details = _mapping(response.get("status_details"))
    status, reason = response.get("status"), details.get("reason")
    said: dict[str, Any] = {"status": status}
    if isinstance(reason, str):
        said["finish_reason"] = reason
    if error := _mapping(details.get("error")):
        said["error"] = {name: value for name, value in error.items() if value is not None}
    return Outcome(
        status=_STATUSES.get(status, "completed") if isinstance(status, str) else "completed",
        finish_reason=_finish_reason(response, status, reason),
        details=said,
        turn_detected=reason == "turn_detected",
    )


def _finish_reason(response: Mapping[str, Any], status: object, reason: object) -> FinishReason | None:
    match status:
        case "completed":
            return "tool_call" if calls_only(response) else "stop"
        case "incomplete":
            return _INCOMPLETE.get(reason) if isinstance(reason, str) else None
        case "failed":
            return "error"
        case _:
            return None  # Cut off by the user: the model has no finish reason.


def failure_of(response: Mapping[str, Any]) -> RealtimeSessionErrorEvent | None:
    """The error of a failed response; the session goes on."""
    if response.get("status") != "failed":
        return None
    error = _mapping(_mapping(response.get("status_details")).get("error"))
    return RealtimeSessionErrorEvent(
        message=_text(error.get("message")) or "The realtime response failed.",
        type=_text(error.get("type")) or None,
        code=_text(error.get("code")) or None,
        recoverable=True,
    )


def response_usage(event: Mapping[str, Any], outcome: Outcome, *, detailed: bool) -> SessionUsage | None:
    """The tokens of a ``response.done``.

    Args:
        event: The message.
        outcome: How the response ended.
        detailed: Whether to include what the server said about the end.
    """
    response = _mapping(event.get("response"))
    # Some servers put the usage beside the response.
    counted = _mapping(response.get("usage")) or _mapping(event.get("usage"))
    if not counted and outcome.finish_reason != "tool_call":
        return None
    return SessionUsage(
        usage=_request_usage(counted),
        provider_response_id=_text(response.get("id")) or None,
        finish_reason=outcome.finish_reason,
        provider_details=outcome.details if detailed else None,
    )


def _request_usage(counted: Mapping[str, Any]) -> RequestUsage:
    given, made = _mapping(counted.get("input_token_details")), _mapping(counted.get("output_token_details"))
    cached = _mapping(given.get("cached_tokens_details"))
    details = {
        name: value
        for name, value in (
            ("input_text_tokens", given.get("text_tokens")),
            ("input_image_tokens", given.get("image_tokens")),
            ("output_text_tokens", made.get("text_tokens")),
            ("audio_tokens", made.get("audio_tokens")),
            ("reasoning_tokens", made.get("reasoning_tokens")),
        )
        if isinstance(value, int)
    }
    images = {
        "input_image_tokens": _count(given, "image_tokens"),
        "cache_image_read_tokens": _count(cached, "image_tokens"),
    }
    return RequestUsage(
        input_tokens=_count(counted, "input_tokens"),
        output_tokens=_count(counted, "output_tokens"),
        input_audio_tokens=_count(given, "audio_tokens"),
        cache_read_tokens=_count(given, "cached_tokens"),
        cache_audio_read_tokens=_count(cached, "audio_tokens"),
        output_audio_tokens=_count(made, "audio_tokens"),
        output_reasoning_tokens=_count(made, "reasoning_tokens"),
        details=details,
        **{name: value for name, value in images.items() if value},
    )


def transcription_usage(counted: object) -> SessionUsage | None:
    """The usage of a transcription of the user's speech; it belongs to no response."""
    usage = _mapping(counted)
    details: dict[str, int] = {}
    seconds = usage.get("seconds")
    if isinstance(seconds, int | float) and seconds > 0:
        details["input_transcription_seconds"] = max(1, round(seconds))
    else:
        of_input = _mapping(usage.get("input_token_details"))
        for name, value in (
            ("input_transcription_tokens", usage.get("total_tokens")),
            ("input_transcription_audio_tokens", of_input.get("audio_tokens")),
            ("input_transcription_text_tokens", of_input.get("text_tokens")),
        ):
            if isinstance(value, int):
                details[name] = value
    return SessionUsage(usage=RequestUsage(details=details), response_scoped=False) if details else None


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(counted: Mapping[str, Any], name: str) -> int:
    value = counted.get(name)
    return value if isinstance(value, int) else 0
