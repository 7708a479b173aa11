from __future__ import annotations

from typing import Any

import pytest

from realtime_transport.protocol.config.tracing import tracing_to_send
from realtime_transport.protocol.wire.json_types import UNSET

OURS: dict[str, Any] = {"workflow_name": "ours"}
THEIRS: dict[str, Any] = {"workflow_name": "theirs"}


@pytest.mark.parametrize(
    ("wanted", "reported", "sent"),
    [
        (UNSET, UNSET, "auto"),
        (UNSET, None, "auto"),
        (UNSET, THEIRS, "auto"),
        ("auto", "auto", "auto"),
        (None, UNSET, None),
        (None, None, None),
        (None, "auto", None),
        (None, THEIRS, None),  # it can always be switched off
        (OURS, UNSET, OURS),
        (OURS, None, OURS),
        (OURS, "auto", OURS),
        (OURS, THEIRS, UNSET),  # the server does not change it
        ({}, None, {}),
    ],
)
def test_table(wanted: Any, reported: object, sent: object) -> None:
    assert tracing_to_send(wanted, reported) == sent
