"""Faults: what happens to a row of frames, by seed."""

from __future__ import annotations

import itertools

import pytest

from realtime_transport.emulator import Faults, Stall
from realtime_transport.errors import ConfigError


def play(faults: Faults, count: int = 100, *, connection: int = 1, every: float = 0.01) -> list[tuple[float, str]]:
    """Push frames at even times; when each arrives."""
    lane = faults.lane(connection)
    arrived: list[tuple[float, str]] = []

    def drain(until: float) -> None:
        while (due := lane.get_timer()) is not None and due <= until and not lane.is_dropped:
            arrived.extend((round(due, 6), text) for text in lane.take_due(due))

    for number in range(count):
        now = number * every
        drain(now)
        lane.push(str(number), now)
        drain(now)
    drain(1e9)
    return arrived


def numbers(arrived: list[tuple[float, str]]) -> list[int]:
    return [int(text) for _, text in arrived]


def test_without_faults_nothing_happens() -> None:
    assert play(Faults()) == [(round(n * 0.01, 6), str(n)) for n in range(100)]


def test_delay() -> None:
    assert play(Faults(delay=2.0), 3) == [(2.0, "0"), (2.01, "1"), (2.02, "2")]


def test_jitter_keeps_the_order() -> None:
    arrived = play(Faults(jitter=0.5))
    assert numbers(arrived) == list(range(100))
    lateness = [when - number * 0.01 for number, (when, _) in enumerate(arrived)]
    assert all(0 <= late <= 0.5 for late in lateness)
    assert len({round(late, 3) for late in lateness}) > 10
    assert all(one[0] <= other[0] for one, other in itertools.pairwise(arrived))


def test_stalls() -> None:
    arrived = play(Faults(stalls=[Stall(before_frame=3, seconds=1.0)]), 5)
    assert arrived == [(0.0, "0"), (0.01, "1"), (1.02, "2"), (1.02, "3"), (1.02, "4")]


def test_reordering_changes_neighbours_only() -> None:
    arrived = numbers(play(Faults(reorder=0.3, seed=1)))
    assert arrived != list(range(100))
    assert sorted(arrived) == list(range(100))
    assert all(abs(place - number) <= 1 for place, number in enumerate(arrived))


def test_a_frame_without_a_neighbour_comes_all_the_same() -> None:
    assert play(Faults(reorder=1.0), 1) == [(0.05, "0")]


def test_duplicates() -> None:
    arrived = numbers(play(Faults(duplicate=0.2, seed=3)))
    assert sorted(set(arrived)) == list(range(100))
    assert 105 < len(arrived) < 140
    assert arrived == sorted(arrived)


def test_the_connection_is_lost_in_place_of_a_frame() -> None:
    lane = Faults(drop_at_frame=3).lane(1)
    for number in range(5):
        lane.push(str(number), 0.0)
    assert lane.take_due(0.0) == ["0", "1"]
    assert lane.is_dropped


def test_the_seed_decides() -> None:
    faults = Faults(jitter=0.1, reorder=0.2, duplicate=0.1, seed=5)
    assert play(faults) == play(faults)
    assert play(faults) != play(faults, connection=2)
    assert play(faults) != play(Faults(jitter=0.1, reorder=0.2, duplicate=0.1, seed=6))


def test_some_connections_only() -> None:
    faults = Faults(delay=1.0, connections=[2])
    assert [play(faults, 1, connection=number)[0][0] for number in (1, 2, 3)] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("wrong", [{"delay": -1}, {"reorder": 1.5}, {"duplicate": -0.1}, {"late_pongs": -1}])
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Faults(**wrong)  # type: ignore[arg-type]


def test_faults_as_data() -> None:
    data = {"delay": 1, "stalls": [{"before_frame": 2, "seconds": 0.5}], "drop_at_frame": None, "seed": 4}
    assert Faults.parse(data) == Faults(delay=1, stalls=[Stall(before_frame=2, seconds=0.5)], seed=4)
    with pytest.raises(ConfigError) as caught:
        Faults.parse({"stalls": [{"before_frame": 2}]})
    assert caught.value.key == "stalls[0].seconds"
