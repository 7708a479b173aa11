"""The value that stands for "absent", and names for JSON types.

JSON tells an absent key from a null one, and so does the protocol: in a ``session.update`` an absent
``turn_detection`` stays as it was, a null one is switched off. `UNSET` is absent, ``None`` is null.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

__all__ = ["UNSET", "JsonObject", "JsonValue", "Unset"]


class Unset(enum.Enum):
    """The type of `UNSET`; an enum so that type checkers narrow on ``value is UNSET``."""

    UNSET = "UNSET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""The key is absent. False in a condition; test with ``is UNSET`` where ``None`` means something else."""

JsonValue: TypeAlias = str | int | float | bool | Sequence[Any] | Mapping[str, Any] | None
JsonObject: TypeAlias = Mapping[str, Any]
