"""Translates exceptions of this package into those that pydantic-ai raises for its own models."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic_ai.exceptions import ModelHTTPError, UserError
from pydantic_ai.realtime import RealtimeError

from realtime_transport.errors import (
    ConfigError,
    LocalProtocolError,
    MissingExtraError,
    RequestError,
    TransportError,
    UnsupportedOperation,
    UpgradeRejected,
)

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["as_of_a_model", "as_of_the_user"]


@contextmanager
def as_of_the_user() -> Generator[None]:
    """Turn errors of the caller into ``UserError``.

    Raises:
        UserError: The call is not possible on this transport, or with these values; nothing was sent.
    """
    try:
        yield
    except MissingExtraError:
        raise
    except (ConfigError, LocalProtocolError, UnsupportedOperation) as error:
        raise UserError(str(error)) from error


@contextmanager
def as_of_a_model(model_name: str) -> Generator[None]:
    """Turn the failure of a connection or request into what a request of *model_name* would raise.

    Raises:
        ModelHTTPError: The server refused with an HTTP status.
        RealtimeError: It failed in another way.
        UserError: See `as_of_the_user`.
    """
    try:
        with as_of_the_user():
            yield
    except UpgradeRejected as error:
        raise ModelHTTPError(status_code=error.status, model_name=model_name, body=error.body or None) from error
    except RequestError as error:
        if error.status is None:
            raise RealtimeError(model_name=model_name, message=str(error)) from error
        raise ModelHTTPError(status_code=error.status, model_name=model_name, body=error.body or None) from error
    except (TransportError, TimeoutError) as error:
        raise RealtimeError(
            model_name=model_name, message=str(error) or "The server did not answer in time."
        ) from error
