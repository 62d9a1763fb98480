"""The circuit breaker: whatever happens in whatever order, it keeps its three rules."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model.breaker import Breaker, Circuit, Temper

TEMPER = Temper(failures=3, first_s=2.0, longest_s=20.0, probe_s=5.0)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.just(0.0)),
        st.tuples(st.just("success"), st.just(0.0)),
        st.tuples(st.just("failure"), st.floats(0, 0.999)),
        st.tuples(st.just("time"), st.floats(0.01, 30)),
    ),
    max_size=60,
)


@given(STEPS)
@example([("failure", 0.5)] * 3 + [("time", 3.0), ("ask", 0.0), ("ask", 0.0), ("time", 6.0), ("ask", 0.0)])
def test_it_opens_after_failures_in_a_row_and_lets_one_at_a_time_see_whether_they_are_over(steps):
    breaker, now = Breaker(temper=TEMPER), 0.0
    in_a_row, probe_since = 0, None
    for step, drawn in steps:
        before = breaker
        if step == "time":
            now += drawn
        elif step == "success":
            breaker, in_a_row, probe_since = breaker.succeeded(), 0, None
            assert breaker == Breaker(temper=TEMPER), "one success closes it"
        elif step == "failure":
            breaker = breaker.failed(now, drawn)
            if before.circuit is Circuit.OPEN:
                assert breaker == before, "late failures are no news"
                continue
            in_a_row, probe_since = in_a_row + 1, None
            assert (breaker.circuit is Circuit.OPEN) is (in_a_row >= TEMPER.failures)
            if breaker.circuit is Circuit.OPEN:
                whole = min(TEMPER.first_s * 2 ** (in_a_row - TEMPER.failures), TEMPER.longest_s)
                assert whole / 2 <= breaker.until - now <= whole
        else:
            breaker, may_pass = breaker.asked(now)
            if in_a_row < TEMPER.failures:
                assert may_pass, "closed"
            elif before.circuit is Circuit.OPEN:
                assert may_pass is (now >= before.until)
            else:
                assert may_pass is (now >= probe_since + TEMPER.probe_s), "one at a time"
            if may_pass and in_a_row >= TEMPER.failures:
                assert breaker.circuit is Circuit.HALF_OPEN
                probe_since = now
