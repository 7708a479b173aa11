"""Tools: what a model can call, made from a function or from a JSON Schema."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload

import anyio.to_thread
import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError, brief

from .arguments import InvalidArguments, check_schema, parse_arguments
from .callbacks import call, is_coroutine_function

if TYPE_CHECKING:
    from ..agents.guardrail import ToolGuardrail
    from .context import ToolContext
    from .signature import Call, Signature

__all__ = ["FunctionTool", "default_tool_error", "function_tool"]

Approval: TypeAlias = bool | Callable[..., bool | Awaitable[bool]]
"""Whether a call needs approval: a bool, or a (coroutine) function of ``(ctx, arguments, call_id)``, where *arguments*
is the mapping that the model wrote."""

Enabled: TypeAlias = bool | Callable[..., bool | Awaitable[bool]]
"""Whether an agent has a tool: a bool, or a (coroutine) function of ``(ctx, agent)``, asked when the agent becomes
active."""

Failure: TypeAlias = Callable[["ToolContext[Any]", Exception], str | Awaitable[str]]
"""The text for the model when a tool raised."""

WhenInterrupted: TypeAlias = Literal["finish", "cancel", "signal"]
Execution: TypeAlias = Literal["concurrent", "exclusive"]

GENERIC_ERROR = "An error occurred while running the tool. Please try again."


def default_tool_error(context: ToolContext[Any], error: Exception) -> str:
    """The text for the model when a tool raised. It never holds the text of the exception."""
    return GENERIC_ERROR


def _seconds(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise ConfigError(f"timeout: seconds expected, not {value!r}", key="timeout")


def _one_of(*allowed: str) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in allowed:
            raise ConfigError(f"{attribute.name}: {' or '.join(map(repr, allowed))}, not {value!r}", key=attribute.name)

    return check


def _not_empty(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{attribute.name}: a name expected, not {value!r}", key=attribute.name)


@named_fields
@attrs.frozen(kw_only=True, eq=False)
class FunctionTool:
    """A function that a model can call. `function_tool` makes one from a Python function.

    Attributes:
        name: The name that the model calls.
        invoke: ``async (ctx, arguments) -> result``. *arguments* is JSON text, or the result of ``read``.
        description: Describes it to the model.
        parameters: A JSON Schema of type ``object``.
        strict: Check arguments against the schema before the tool runs.
        needs_approval: A bool, or a (coroutine) function of ``(ctx, arguments, call_id)``.
        timeout: Seconds for one call; ``None``: that of the session.
        on_timeout: ``"error_as_result"`` answers with an error text; ``"raise"`` treats it as an exception of the tool.
        failure: Makes the text for the model when the tool raised; ``None``: a general text, and an `ErrorEvent` for
            the application.
        enabled: A bool, or a (coroutine) function of ``(ctx, agent)``, asked when the agent becomes active.
        when_interrupted: When the user interrupts the response of a call: ``"finish"`` it, ``"cancel"`` it, or
            ``"signal"`` it by ``ctx.interrupted``.
        execution: ``"exclusive"``: no other tool of the session runs at the same time.
        input_guardrails: Check the arguments before the tool runs.
        output_guardrails: Check the text for the model.
        read: Decodes JSON text for ``invoke``; raises ``ValueError`` with a text for the model.
    """

    name: str = attrs.field(validator=_not_empty)
    invoke: Callable[[ToolContext[Any], Any], Awaitable[Any]] = attrs.field(repr=False)
    description: str = attrs.field(default="", repr=False)
    parameters: Mapping[str, Any] = attrs.field(
        factory=lambda: {"type": "object", "properties": {}, "required": [], "additionalProperties": False}, repr=False
    )
    strict: bool = True
    needs_approval: Approval = False
    timeout: float | None = attrs.field(default=None, validator=_seconds)
    on_timeout: Literal["error_as_result", "raise"] = attrs.field(
        default="error_as_result", validator=_one_of("error_as_result", "raise")
    )
    failure: Failure | None = attrs.field(default=default_tool_error, repr=False)
    enabled: Enabled = attrs.field(default=True, repr=False)
    when_interrupted: WhenInterrupted = attrs.field(default="finish", validator=_one_of("finish", "cancel", "signal"))
    execution: Execution = attrs.field(default="concurrent", validator=_one_of("concurrent", "exclusive"))
    input_guardrails: Sequence[ToolGuardrail] = ()
    output_guardrails: Sequence[ToolGuardrail] = ()
    read: Callable[[str], Any] | None = attrs.field(default=None, repr=False)

    def payload(self) -> dict[str, Any]:
        """The tool as a ``session.update`` carries it."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }

    def read_arguments(self, text: str) -> Any:
        """Decode the arguments *text* for ``invoke``.

        Raises:
            InvalidArguments: They are not JSON, or do not fit.
        """
        if self.read is not None:
            try:
                return self.read(text)
            except InvalidArguments:
                raise
            except ValueError as error:
                raise InvalidArguments(str(error)) from error
        value = parse_arguments(text)
        if self.strict:
            check_schema(value, self.parameters)
        return text


@overload
def function_tool(fn: Callable[..., Any], /) -> FunctionTool: ...
@overload
def function_tool(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    strict: bool = True,
    needs_approval: Approval = False,
    timeout: float | None = None,
    on_timeout: Literal["error_as_result", "raise"] = "error_as_result",
    failure: Failure | None = default_tool_error,
    enabled: Enabled = True,
    when_interrupted: WhenInterrupted = "finish",
    execution: Execution = "concurrent",
    input_guardrails: Sequence[ToolGuardrail] = (),
    output_guardrails: Sequence[ToolGuardrail] = (),
    thread: bool = True,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def function_tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    strict: bool = True,
    thread: bool = True,
    **options: Any,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a function; the decorator has the same arguments.

    Name, description and schema come from the signature and the docstring. A first parameter that is annotated as
    `ToolContext` or `RunContext` is filled in. Functions that are not coroutine functions run in a worker thread, which
    is abandoned if the call is cancelled.

    Args:
        fn: The function.
        name: Instead of the function's name.
        description: Instead of the docstring.
        parameters: A JSON Schema instead of the one that the signature gives; arguments are decoded all the same.
        strict: Refuse arguments that the signature does not have.
        thread: Whether a function that is not a coroutine function runs in a thread.
        **options: The other attributes of `FunctionTool`.

    Raises:
        ConfigError: A parameter cannot be described to a model; ``key`` names it.
        MissingExtraError: The extra ``agents`` is not installed.
    """

    def make(function: Callable[..., Any]) -> FunctionTool:
        if not callable(function) or isinstance(function, type):
            raise ConfigError(f"function_tool: a function expected, not {brief(function)}", key="function_tool")
        from .signature import read_signature

        signature = read_signature(function, strict=strict)
        return FunctionTool(
            name=name or signature.name,
            description=signature.description if description is None else description,
            parameters=signature.parameters if parameters is None else parameters,
            strict=strict,
            read=signature.read,
            invoke=_invoker(function, signature, thread=thread),
            **options,
        )

    return make if fn is None else make(fn)


def _invoker(
    function: Callable[..., Any], signature: Signature, *, thread: bool
) -> Callable[[ToolContext[Any], Any], Awaitable[Any]]:
    in_thread = thread and not is_coroutine_function(function)

    async def invoke(context: ToolContext[Any], arguments: Any) -> Any:
        decoded = cast("Call", arguments)
        first = (context,) if signature.wants_context else ()
        bound = functools.partial(function, *first, *decoded.args, **decoded.kwargs)
        if not in_thread:
            return await call(bound)
        return await anyio.to_thread.run_sync(bound, abandon_on_cancel=True)

    return invoke
