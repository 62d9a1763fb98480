"""The three tables: every state that is not an end has a way to fail, and ends stay ends."""

from __future__ import annotations

import pytest

from gateway.errors import WrongStep
from gateway.model import journey as j


def test_every_submission_that_is_not_final_can_be_refused():
    for state in set(j.SubmissionState) - j.FINAL_SUBMISSIONS:
        assert (state, j.SubmissionEvent.REFUSE) in j.SUBMISSION


def test_every_copy_that_is_not_final_can_fail_and_expire():
    for state in set(j.HandOverState) - j.FINAL_HANDOVERS:
        assert (state, j.HandOverEvent.FAIL) in j.HANDOVER
        assert (state, j.HandOverEvent.EXPIRE) in j.HANDOVER


def test_an_end_is_an_end():
    assert not [s for s, _ in j.SUBMISSION if s in j.FINAL_SUBMISSIONS]
    assert not [s for s, _ in j.HANDOVER if s in j.FINAL_HANDOVERS]


def test_every_state_can_be_reached():
    assert {*j.SUBMISSION.values(), j.SubmissionState.RECEIVED} == set(j.SubmissionState)
    assert {*j.HANDOVER.values(), j.HandOverState.PENDING} == set(j.HandOverState)
    assert {*j.STATUS.values(), j.Status.NONE} == set(j.Status)


def test_a_move_that_the_table_does_not_know_is_a_wrong_step():
    with pytest.raises(WrongStep):
        j.next_submission(j.SubmissionState.REFUSED, j.SubmissionEvent.ACCEPT)
    with pytest.raises(WrongStep):
        j.next_handover(j.HandOverState.HANDED_OVER, j.HandOverEvent.EXPIRE)


@pytest.mark.parametrize(("current", "reported"), [("03", "02"), ("02", "03"), ("06", "02"), ("02", "05")])
def test_acceptance_and_refusal_exclude_each_other(current, reported):
    with pytest.raises(WrongStep):
        j.next_status(j.Status(current), j.Status(reported))
