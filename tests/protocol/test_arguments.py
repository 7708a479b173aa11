"""What users pass in: taken, or refused with an error of ours that says what is wanted. Nothing has changed then."""

from __future__ import annotations

import array
import base64
from typing import Any

import pytest

from realtime_transport.errors import ConfigError, LocalProtocolError
from realtime_transport.protocol.engine.events import FunctionCallEvent
from tests.protocol.engine_driver import EngineDriver

np = pytest.importorskip("numpy")

PCM = bytes(range(8))
CALL = FunctionCallEvent(call_id="c")
CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "audio",
    [
        bytearray(PCM),
        memoryview(PCM),
        memoryview(PCM).cast("h"),
        array.array("h", PCM),
        np.frombuffer(PCM, np.int16),
        np.frombuffer(PCM, np.int16).reshape(2, 2),
        np.frombuffer(PCM, np.uint8),
    ],
)
def test_audio_is_bytes_or_int16(audio: Any) -> None:
    talk = EngineDriver()
    talk.engine.send_audio(audio, False)
    [frame] = talk.sent()
    assert base64.b64decode(frame["audio"]) == PCM


def test_pieces_of_odd_length_go_out_as_they_are() -> None:
    talk = EngineDriver()
    talk.engine.send_audio(b"\1\2\3", False)
    assert base64.b64decode(talk.sent()[0]["audio"]) == b"\1\2\3"


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(4, np.float32),
        np.zeros(4, np.float64),
        np.zeros(4, np.int32),
        np.zeros(4, np.dtype(">i2")),
        np.zeros(8, np.int16)[::2],
        array.array("f", [0.0]),
        "text",
        [1, 2],
        None,
        5,
    ],
)
def test_other_audio_is_refused_with_what_is_wanted(audio: Any) -> None:
    talk = EngineDriver()
    with pytest.raises(LocalProtocolError, match="raw bytes or int16"):
        talk.engine.send_audio(audio, True)
    assert talk.sent() == []


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ({"t": 3, "u": [1, None]}, '{"t":3,"u":[1,null]}'),
        ([], "[]"),
        (7, "7"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_the_output_of_a_function_is_text(output: Any, text: str) -> None:
    talk = EngineDriver()
    talk.engine.send_function_call_output(CALL, output, False, talk.now)
    [frame] = talk.sent()
    assert frame["item"]["output"] == text


@pytest.mark.parametrize("output", [b"bytes", CYCLE, object(), {"x": {1, 2}}])
def test_an_output_that_json_does_not_know_is_refused(output: Any) -> None:
    talk = EngineDriver()
    with pytest.raises(LocalProtocolError):
        talk.engine.send_function_call_output(CALL, output, True, talk.now)
    assert talk.sent() == []


REFUSED: dict[str, Any] = {
    "event": lambda engine, now: engine.send_event(5, now),
    "event in a cycle": lambda engine, now: engine.send_event({"type": "x", "y": CYCLE}, now),
    "create in a cycle": lambda engine, now: engine.send_event({"type": "response.create", "y": CYCLE}, now),
    "message": lambda engine, now: engine.send_message(5, None, True, now),
    "other data": lambda engine, now: engine.send_message("x", 5, True, now),
    "image": lambda engine, now: engine.add_image(5, True, now),
    "call": lambda engine, now: engine.send_function_call_output(5, "x", True, now),
    "approval": lambda engine, now: engine.send_mcp_response(5, True),
    "response": lambda engine, now: engine.request_response(5, now),
    "history": lambda engine, now: engine.reset_history([None], [5]),
    "old history": lambda engine, now: engine.reset_history([None], []),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_of_the_wrong_type_is_refused(call: str) -> None:
    talk = EngineDriver()
    with pytest.raises(LocalProtocolError):
        REFUSED[call](talk.engine, talk.now)
    assert talk.sent() == []
    assert talk.engine.take_events() == []


def test_half_a_surrogate_pair_and_large_numbers_go_out() -> None:
    talk = EngineDriver()
    half = "\ud83d"
    talk.engine.send_message(half, None, False, talk.now)
    talk.engine.request_response({"instructions": half, "metadata": {"n": 2**70}}, talk.now)
    item, create = talk.sent()
    assert item["item"]["content"][0]["text"] == half
    assert create["response"] == {"instructions": half, "metadata": {"n": 2**70}}


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no repr")


DEEP: dict[str, Any] = {}
for _ in range(3000):
    DEEP = {"type": "x", "deeper": DEEP}


@pytest.mark.parametrize("value", [CYCLE, DEEP, {"x": Unprintable()}], ids=["cycle", "deep", "unprintable"])
@pytest.mark.parametrize(
    "place",
    [
        lambda value: {"tools": [value]},
        lambda value: {"audio": {"input": {"turn_detection": value}}},
        lambda value: {"provider_data": value},
    ],
    ids=["tools", "turn detection", "provider data"],
)
def test_a_setting_that_cannot_be_json_is_named(place: Any, value: Any) -> None:
    talk = EngineDriver()
    with pytest.raises(ConfigError, match=r"^(tools|audio.input.turn_detection|provider_data)"):
        talk.engine.update_session_config(place(value), False)
    assert talk.sent() == []
    with pytest.raises(LocalProtocolError):
        talk.engine.send_event({"type": "x", "value": value}, talk.now)
    assert talk.sent() == []
