"""Derived ids: made again after any crash, by any process, in any language that has UUIDv5."""

from __future__ import annotations

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import ids
from gateway.model.ids import DocumentId, PartyKey, delivery_id, evidence_id

_text = st.text(st.characters(exclude_categories=["Cs"]))


@given(document=_text, party=_text, number=st.integers(0, 10**6))
def test_derived_ids_are_uuids_of_version_5(document: str, party: str, number: int) -> None:
    space = ids._SPACE
    of, to = DocumentId(document), PartyKey(party)
    assert delivery_id(of, to, number) == str(uuid5(space, f"vanthu:delivery:{document}:{party}:{number}"))
    assert evidence_id(of, to, number) == str(uuid5(space, f"vanthu:evidence:{document}:{party}:{number}"))
    assert evidence_id(of, None, number) == evidence_id(of, PartyKey(""), number)
    assert UUID(delivery_id(of, to, number)).version == 5
