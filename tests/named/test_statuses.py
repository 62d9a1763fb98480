"""Bug 11: statuses only ever move forward, and "expired" never follows "handed over", whatever comes in which order."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import WrongStep
from gateway.model.journey import FINAL_HANDOVERS, HANDOVER, HandOverEvent, HandOverState, Status
from gateway.stages.receipt import next_status
from tests.journey.test_orders import DEAD, QUEUE, walk
from tests.journey.town import LABOUR

REPORTS = st.lists(st.sampled_from([s for s in Status if s is not Status.NONE]), max_size=20)
EVENTS = st.lists(st.sampled_from([e for e in HandOverEvent if e is not HandOverEvent.REPLAY]), max_size=20)
"""A replay is an operator's word, and begins a new generation of the copy."""


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(REPORTS, EVENTS)
def test_11_statuses_are_monotonic_and_expired_never_follows_handed_over(reports, events):
    status = Status.NONE
    seen = [status]
    for reported in reports:
        with suppress(WrongStep):  # refused after acceptance, or the other way round
            status = next_status(status, reported) or status
        seen.append(status)
    assert seen == sorted(seen)
    assert not {Status.REJECTED, Status.REGISTERED} <= set(seen)
    state, states = HandOverState.PENDING, []
    for event in events:
        state = HANDOVER.get((state, event), state)
        states.append(state)
    ends = [state for state in states if state in FINAL_HANDOVERS]
    assert len(set(ends)) <= 1
    assert not ends or states[states.index(ends[0]) :] == ends


@settings(max_examples=15, deadline=None, database=None, derandomize=True)
@given(QUEUE, st.sampled_from(["01", "03", "06"]), st.sampled_from(DEAD))
def test_11_a_copy_that_its_recipient_reported_on_never_expires_afterwards(before, status, cause):
    asyncio.run(walk(LABOUR, [*before, (status, True), (cause, True), ("deadline", True)]))
