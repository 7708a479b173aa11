"""The settings of a session that its core needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.wire.json_types import UNSET

if TYPE_CHECKING:
    from realtime_transport.protocol.config.settings import SessionConfigInput

__all__ = ["CoreSettings", "ToolSettings"]


def _at_least(minimum: float) -> Any:
    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= minimum:
            raise ConfigError(f"{attribute.name}: {minimum} or more expected, not {value!r}", key=attribute.name)

    return check


def _seconds(instance: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ConfigError(f"{attribute.name}: seconds expected, not {value!r}", key=attribute.name)


def _moment(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in ("each", "all_done"):
        raise ConfigError(f"{attribute.name}: 'each' or 'all_done', not {value!r}", key=attribute.name)


@named_fields
@attrs.frozen(kw_only=True)
class ToolSettings:
    """How a session runs its tools.

    Attributes:
        max_concurrent: Tools that run at once; further calls wait.
        default_timeout: Seconds for a call of a tool that has no timeout of its own; ``None``: no limit.
        respond: Ask for a response after ``"each"`` output, or when ``"all_done"``: when all calls of a response have
            their outputs.
        respond_to_unknown: Ask for a response after answering a call of an unknown tool.
        pre_approval_input_guardrails: Run input guardrails also before approval is asked for.
        drain_timeout: Seconds that running tools have to finish when the session's block is left normally.
        max_output_chars: A longer output counts as an error of the tool.
    """

    max_concurrent: int = attrs.field(default=8, validator=_at_least(1))
    default_timeout: float | None = attrs.field(default=None, validator=_seconds)
    respond: Literal["each", "all_done"] = attrs.field(default="each", validator=_moment)
    respond_to_unknown: bool = False
    pre_approval_input_guardrails: bool = False
    drain_timeout: float = attrs.field(default=0.0, validator=_at_least(0))
    max_output_chars: int = attrs.field(default=200_000, validator=_at_least(1))


@attrs.frozen(kw_only=True)
class CoreSettings:
    """The settings of a session that its core needs.


    Attributes:
        config: The configuration of the session.
        model: The model; ``None``: that of the transport.
        tracing: The result of `realtime_transport.session.agents.config.tracing_config`.
        tools: How tools run.
        guardrail_length: See `GuardrailSettings.debounce_text_length`; ``None``: there are no guardrails.
        keep_audio: Whether the history holds audio.
        mcp_auto_response: Ask for a response after a call of an MCP tool.
        formats_rejections: Whether the application has a formatter for rejections.
    """

    config: SessionConfigInput | None = None
    model: str | None = None
    tracing: Any = UNSET
    tools: ToolSettings = attrs.field(factory=ToolSettings)
    guardrail_length: int | None = None
    keep_audio: bool = False
    mcp_auto_response: bool = True
    formats_rejections: bool = False
