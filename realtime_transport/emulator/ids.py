"""Identifiers in the style of the service, repeatable by seed."""

from __future__ import annotations

import random
import string

import attrs

__all__ = ["IdSource"]

_ALPHABET = string.ascii_letters + string.digits
_LENGTHS = {"call": 16, "ek": 32}
_DEFAULT_LENGTH = 21  # As in event_E6U0... of live sessions.


@attrs.define(eq=False)
class IdSource:
    """Makes identifiers such as ``item_2ae…``; the same seed gives the same ones in the same order."""

    _random: random.Random

    @classmethod
    def seeded(cls, seed: int | str) -> IdSource:
        """A source whose identifiers depend on *seed* only."""
        return cls(random.Random(seed))

    def __call__(self, prefix: str) -> str:
        """A new identifier that starts with *prefix* and an underscore."""
        length = _LENGTHS.get(prefix, _DEFAULT_LENGTH)
        return f"{prefix}_{''.join(self._random.choices(_ALPHABET, k=length))}"

    def padding(self, length: int) -> str:
        """Letters and digits, as in the ``obfuscation`` field of live deltas."""
        return "".join(self._random.choices(_ALPHABET, k=length))
