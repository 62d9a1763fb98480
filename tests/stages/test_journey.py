"""The four tables: every state that is not an end has a way to fail, and ends stay ends."""

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
    left = {(s, event) for s, event in j.HANDOVER if s in j.FINAL_HANDOVERS}
    assert left == {(s, j.HandOverEvent.REPLAY) for s in j.DEAD_HANDOVERS}, "an operator's word, and no other"
    assert {j.HandOverState.FAILED, j.HandOverState.EXPIRED} == j.DEAD_HANDOVERS


def test_every_state_can_be_reached():
    assert {*j.SUBMISSION.values(), j.SubmissionState.RECEIVED} == set(j.SubmissionState)
    assert {*j.HANDOVER.values(), j.HandOverState.PENDING} == set(j.HandOverState)
    assert {*j.STATUS.values(), j.Status.NONE} == set(j.Status)
    assert {*j.REQUEST.values(), j.Request.NONE} == set(j.Request)


def test_what_was_asked_can_be_answered_both_ways():
    for request in j.OPEN_REQUESTS:
        assert {
            j.next_request(request, answer) for answer in (j.Answer.AGREED, j.Answer.DECLINED)
        }.isdisjoint(j.OPEN_REQUESTS)


def test_an_agreed_recall_is_the_end_of_all_requests():
    assert not [event for request, event in j.REQUEST if request is j.Request.RECALL_AGREED]
    assert j.next_request(j.Request.RECALL_AGREED, j.Ask.RECALL) is None
    assert j.next_request(j.Request.RECALL_AGREED, j.Ask.UPDATE) is None


@pytest.mark.parametrize("answer", [j.Answer.AGREED, j.Answer.DECLINED])
def test_an_answer_to_nothing_or_against_the_one_before_is_a_wrong_step(answer):
    settled = [r for r in j.Request if r not in j.OPEN_REQUESTS]
    word = "agreed" if answer is j.Answer.AGREED else "declined"
    for request in settled:
        if request.endswith(word):
            assert j.next_request(request, answer) is None
        else:
            with pytest.raises(WrongStep):
                j.next_request(request, answer)


def test_a_move_that_the_table_does_not_know_is_a_wrong_step():
    with pytest.raises(WrongStep):
        j.next_submission(j.SubmissionState.REFUSED, j.SubmissionEvent.ACCEPT)
    with pytest.raises(WrongStep):
        j.next_handover(j.HandOverState.HANDED_OVER, j.HandOverEvent.EXPIRE)


@pytest.mark.parametrize(("current", "reported"), [("03", "02"), ("02", "03"), ("06", "02"), ("02", "05")])
def test_acceptance_and_refusal_exclude_each_other(current, reported):
    with pytest.raises(WrongStep):
        j.next_status(j.Status(current), j.Status(reported))
