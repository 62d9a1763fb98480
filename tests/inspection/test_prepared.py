"""Names are compared as asn1crypto compares them, whether their strings were met before or not."""

from __future__ import annotations

from asn1crypto import x509  # type: ignore[import-untyped]  # it has no stubs
from hypothesis import example, given
from hypothesis import strategies as some

from adapters.inspection.authority import prepared


@given(some.text(max_size=300))
@example("Sở  Nội vụ\u00a0tỉnh TÂY NINH\u00ad")
@example("\ue000")
@example("x" * 257)
def test_a_string_is_prepared_as_it_always_was(string: str) -> None:
    for _ in range(2):
        assert _outcome(prepared._prepared, string) == _outcome(prepared._prepare, string)


def test_names_are_equal_whatever_their_case_and_blanks() -> None:
    prepared.remember()
    prepared.remember()
    names = [x509.Name.build({"common_name": name}) for name in ("UBND  tỉnh", "ubnd tỉnh", "UBND Tỉnh A")]
    assert names[0] == names[1]
    assert names[0] != names[2]


def _outcome(prepare: object, string: str) -> object:
    try:
        return prepare(None, string)  # type: ignore[operator]
    except ValueError as error:
        return str(error)
