"""Certifications that forbid what comes later, be it ever so true.

See "Breaking the Specification: PDF Certification" (S&P 2021) and ISO 32000-2 §12.8.2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm

from tests.inspection.files import leader, made
from tests.signing.pdfs import signed
from tests.vectors.attacks import papers as p
from tests.vectors.attacks.annotations import LAID_OVER, WHOLE_PAGE, sneaky
from tests.vectors.attacks.incremental import form_changed, keys_changed
from tests.vectors.attacks.revisions import (
    changed,
    number_of_signature,
    prepared,
    signed_by_hand,
    size_of,
    value_of,
    with_keys,
)

Maker = Callable[[], bytes]

_AMOUNT = FieldMDPSpec(action=FieldMDPAction.INCLUDE, fields=["amount"])
_ALL = FieldMDPSpec(action=FieldMDPAction.ALL)
_FILLED = keys_changed(p.TEXT_FIELD, {"/V": b"(999)"})


def _approved_later(pdf: bytes) -> bytes:
    return made(signed(pdf, p.agency(), field="Seal"))


def permission_raised() -> bytes:
    """The signature's own dictionary permits more, in a later revision."""
    pdf = p.certified(MDPPerm.NO_CHANGES)
    number = number_of_signature(pdf, "Leader")
    reference = value_of(pdf, number, "/Reference").replace(b"/P 1", b"/P 3")
    return _approved_later(changed(pdf, {number: {"/Reference": reference}}))


def certification_taken_from_the_catalogue() -> bytes:
    """The catalogue does not know of the certification any more; then comes a signature."""
    return _approved_later(changed(p.certified(MDPPerm.NO_CHANGES), {p.CATALOG: {"/Perms": None}}))


def certified_again() -> bytes:
    """The catalogue calls a later signature, which permits more, the certification."""
    pdf = p.certified(MDPPerm.NO_CHANGES)
    perms = b"<< /DocMDP %d 0 R >>" % (size_of(pdf) + 1)
    catalog = with_keys(prepared(pdf, field="Second"), p.CATALOG, {"/Perms": perms})
    return signed_by_hand(prepared(pdf, field="Second", more={p.CATALOG: catalog}), p.agency())


def locked_and_filled(lock: FieldMDPSpec) -> Maker:
    return lambda: _FILLED(made(signed(p.rich(), leader(), lock=lock)))


FORBIDDEN: Mapping[str, Maker] = {
    "nothing may come, and a signature comes": lambda: signed_by_hand(
        prepared(p.certified(MDPPerm.NO_CHANGES)), p.agency()
    ),
    "nothing may come, and a sneaky one comes": lambda: sneaky(WHOLE_PAGE)(p.certified(MDPPerm.NO_CHANGES)),
    "nothing may come, and a field is filled": lambda: _FILLED(p.certified(MDPPerm.NO_CHANGES)),
    "nothing may come, and an empty field comes": lambda: LAID_OVER["an empty signature field with looks"](
        p.certified(MDPPerm.NO_CHANGES)
    ),
    "forms may be filled, and a note comes": lambda: LAID_OVER["a FreeText"](p.certified(MDPPerm.FILL_FORMS)),
    "forms may be filled, and the form changes": lambda: form_changed(DA=b"(/F1 0 Tf 1 g)")(
        p.certified(MDPPerm.FILL_FORMS)
    ),
    "notes may come, and a page turns": lambda: keys_changed(p.PAGE, {"/Rotate": b"90"})(
        p.certified(MDPPerm.ANNOTATE)
    ),
    "permission raised": permission_raised,
    "certification taken from the catalogue": certification_taken_from_the_catalogue,
    "certified again": certified_again,
    "amount locked and filled": locked_and_filled(_AMOUNT),
    "all locked and filled": locked_and_filled(_ALL),
}
"""Never valid."""
