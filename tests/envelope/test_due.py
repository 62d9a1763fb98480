"""The deadline of a document, with the hour that "hỏa tốc hẹn giờ" needs."""

from __future__ import annotations

from datetime import date, time

import pytest

from adapters.envelope.dates import read_due
from gateway.model.envelope import Due
from tests.envelope.edxml import an_edxml
from tests.envelope.test_rules import edoc_of

DAY = date(2016, 3, 31)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2016/03/31", Due(DAY)),
        ("31/03/2016", Due(DAY)),
        ("2016/03/31 16:30", Due(DAY, time(16, 30))),
        ("2016/03/31 16:30:05", Due(DAY, time(16, 30, 5))),
        ("2016-03-31T16:30:00", Due(DAY, time(16, 30))),
        ("31/03/2016 9h05", Due(DAY, time(9, 5))),
        ("2016/03/31 00:00:00", Due(DAY)),  # what producers write who mean no hour
        ("2016/03/31 25:00", Due(DAY)),
        ("2016/03/31 sáng", None),
        ("", None),
        ("sớm", None),
        ("2016/02/30 10:00", None),
    ],
)
def test_a_time_behind_the_due_date_is_its_hour(text: str, due: Due | None) -> None:
    assert read_due(text) == due


@pytest.mark.parametrize("due", [Due(DAY), Due(DAY, time(16, 30)), Due(DAY, time(0, 0, 1))])
def test_a_deadline_comes_back_as_it_was_stored(due: Due) -> None:
    assert Due.parse(str(due)) == due


def test_the_reader_tells_the_hour() -> None:
    edoc = edoc_of(
        an_edxml(
            other="<OtherInfo><Priority>4</Priority></OtherInfo>", more="<DueDate>2016/03/31 16:30</DueDate>"
        )
    )
    assert str(edoc.due) == "2016-03-31T16:30:00+07:00"
