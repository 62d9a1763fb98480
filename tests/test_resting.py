"""Who gives way rests where that helps others, and only there."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from adapters import resting
from adapters.resting import GOES_S, HELPS_FOR_S, LEAST_S, LOOKS_S, ROUND_S, Rests

ROUND = 1000 * ROUND_S
"""An instant at which a round begins."""


class Machine:
    """A clock that sleeping moves, and two processors that have spent so much with others and with nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.others, self.idle = ROUND, 0.0, 0.0
        self.slept = 0.0
        self.late = 0.0
        self.shares = 0.0, 0.0
        self.crowd_ends = 0.0
        monkeypatch.setattr(resting, "PROCESSORS", 2)
        monkeypatch.setattr(resting.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(resting.time, "sleep", self._sleep)
        monkeypatch.setattr(resting, "processors_used", lambda: (self.others, self.idle))

    def go_on(self, *, others: float, idle: float, rounds: float = 10.0) -> None:
        """So many rounds pass, in which these shares of a processor go to others and to nothing, as they do from now on."""
        self.shares = others, idle
        self._pass(rounds * ROUND_S)

    def go_on_until(self, phase: float, *, others: float, idle: float, rounds: int = 10) -> None:
        """The same, to that part of a round."""
        self.go_on(others=others, idle=idle, rounds=rounds + phase - self.now % ROUND_S / ROUND_S)

    def crowd(self, rounds: float) -> None:
        """Nothing is left over for so many rounds."""
        self.crowd_ends = self.now + rounds * ROUND_S

    def _pass(self, seconds: float) -> None:
        others, idle = self.shares
        full = min(seconds, max(0.0, self.crowd_ends - self.now))
        self.others += others * (seconds - full) + (others + idle) * full
        self.idle += idle * (seconds - full)
        self.now += seconds

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        self._pass(seconds + self.late)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    assert 10 * ROUND_S > LOOKS_S
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("others", "idle", "helps"),
    [
        pytest.param(0.3, 1.5, True, id="others are at work, and a processor is left over"),
        pytest.param(0.02, 1.9, False, id="nobody else is at work"),
        pytest.param(1.9, 0.01, False, id="no processor is left over: who gives way is stinted anyhow"),
    ],
)
def test_who_gives_way_rests_only_where_it_helps(
    machine: Machine, others: float, idle: float, helps: bool
) -> None:
    rests = Rests()
    machine.go_on_until(0.5, others=others, idle=idle)
    rests.rest()
    assert machine.slept == pytest.approx(ROUND_S / 2 if helps else 0)


def test_it_is_looked_at_again_when_the_others_are_gone(machine: Machine) -> None:
    rests = Rests()
    long = round(HELPS_FOR_S / ROUND_S) + 2
    for others, slept in ((0.5, ROUND_S / 2), (0.0, 0.0), (0.5, ROUND_S / 2)):
        machine.slept = 0.0
        machine.go_on_until(0.5, others=others, idle=1.4, rounds=long)
        rests.rest()
        assert machine.slept == pytest.approx(slept)


def test_a_moment_without_a_processor_left_over_is_no_end_of_the_rests(machine: Machine) -> None:
    """When the broker rolls its log over, both are busy for a second: then who gives way is in the way most of all."""
    rests = Rests()
    for idle in (1.4, 0.0):
        machine.slept = 0.0
        machine.go_on_until(0.5, others=0.5, idle=idle)
        rests.rest()
        assert machine.slept >= ROUND_S / 2 - 1e-6


def test_all_go_on_at_the_same_time(machine: Machine) -> None:
    """Wherever in its round each was: so the others have the rest of it to themselves."""
    for began in (0.3, 0.5, 0.9):
        rests = Rests()
        machine.go_on_until(began, others=0.5, idle=1.4)
        assert rests.rest() == pytest.approx(GOES_S)
        assert machine.now % ROUND_S == pytest.approx(0, abs=1e-6) or machine.now % ROUND_S > ROUND_S - 1e-6
    machine.now, machine.slept = ROUND + GOES_S / 4, 0.0
    assert rests.rest() == pytest.approx(GOES_S * 3 / 4)
    assert machine.slept == 0, "its time has just begun"


@pytest.mark.parametrize(
    ("late", "goes"),
    [
        pytest.param(0.3 * GOES_S, 0.7 * GOES_S, id="until the turn of all ends"),
        pytest.param(0.99 * GOES_S, LEAST_S, id="a moment at least"),
        pytest.param(5 * GOES_S, LEAST_S, id="a moment even long after it"),
        pytest.param(-1e-9, GOES_S, id="a sleep may end a little early"),
    ],
)
def test_however_many_share_a_turn_it_is_no_longer(machine: Machine, late: float, goes: float) -> None:
    """Four that each took ten milliseconds from when they had a processor took twenty together, and half of a processor more."""
    rests = Rests()
    machine.go_on_until(0.5, others=0.5, idle=1.4)
    machine.late = late
    assert rests.rest() == pytest.approx(goes)


def test_in_a_crowd_a_turn_is_put_off_and_taken_when_there_is_room(machine: Machine) -> None:
    rests = Rests()
    machine.go_on_until(0.5, others=0.5, idle=1.4)
    machine.crowd(3.5)
    assert rests.rest() == pytest.approx(2 * GOES_S)
    assert machine.slept == pytest.approx(4.5 * ROUND_S), "until a round in which there was room"
    turns = []
    for _ in range(6):
        machine.go_on(others=0.5, idle=1.4, rounds=0.5)
        turns.append(round(rests.rest() / GOES_S))
    assert turns == [2, 2, 2, 1, 1, 1], "as many as were put off"


def test_where_it_stays_crowded_turns_are_taken_as_ever(machine: Machine) -> None:
    """Else who is slow would get no further beside busy others."""
    rests = Rests()
    machine.go_on_until(0.5, others=1.5, idle=0.4)
    began, turns = machine.now, 0.0
    for _ in range(100):
        turns += rests.rest() / GOES_S
        machine.go_on(others=1.5, idle=0.4, rounds=0.5)
    rounds = (machine.now - began) / ROUND_S
    assert rounds - 2 / ROUND_S <= turns <= rounds + 1, "two seconds behind, no more"


def test_a_system_that_does_not_say_has_nobody_rest(machine: Machine) -> None:
    rests = Rests()
    machine.now += 2 * LOOKS_S  # both stay as they are
    assert 0 < rests.rest() <= ROUND_S
    assert machine.slept == 0


BUSY = """
import time
from adapters import resting
used = iter(range(10**9))
resting.processors_used = lambda: (next(used) * 1e3, next(used) * 1e3)
resting.LOOKS_S = 0
with resting.resting():
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        pass
print(time.process_time())
"""


@pytest.mark.heavy_body("waits for a process")
def test_a_process_that_rests_takes_little_of_a_processor() -> None:
    """However busy the machine: that can only make it less."""
    said = subprocess.run(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, check=True, env=dict(os.environ)
    ).stdout
    assert float(said) < 0.75


def test_who_has_nothing_to_do_is_not_awakened() -> None:
    """The timer ends with the file."""
    before = signal.getsignal(signal.SIGALRM)
    with resting.resting():
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= ROUND_S
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_meanwhile_nothing_looks_at_all_objects_at_once() -> None:
    """Half a second in which a process with a large file could not rest; afterwards it is made up for."""
    looks, before = gc.get_threshold(), _full_collections()
    with resting.resting():
        kept = [[] for _ in range(20 * looks[0] * looks[1] * looks[2])]
        assert _full_collections() == before
    assert _full_collections() == before + 1
    assert gc.get_threshold() == looks
    assert kept


def _full_collections() -> int:
    return gc.get_stats()[2]["collections"]


def test_the_system_tells_what_others_use_and_what_is_left() -> None:
    """In seconds of all processors together."""
    others, idle = resting.processors_used()
    assert 0 < others < others + idle < time.clock_gettime(time.CLOCK_BOOTTIME) * (os.cpu_count() or 1) * 1.1
