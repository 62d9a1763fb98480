"""sign: which PDFs get the agency's seal, and in which form.

spec: NĐ 30/2020 Annex I, Part I, II.8 - the main document carries the seal; an appendix in a file of
its own is sealed too; attachments that are no PDF are carried and hashed, not sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model.document import Valid
from gateway.model.envelope import Business
from gateway.model.policy import Acceptance
from gateway.model.signature import Indication, Inspection, Seal, SealKind, SealOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSeal:
    """An order for the attachment at ``index``."""

    index: int
    order: SealOrder


def orders(valid: Valid, seal: Seal | None, acceptance: Acceptance) -> Sequence[ToSeal]:
    """What is to be sealed: the main PDF, further PDFs as appendices, none that carries our seal already.

    *seal* is the sender's present seal, by whose certificate an earlier one is known.
    """
    edoc, party = valid.edoc, valid.received.sender.key
    if edoc.business is Business.RECALL:
        return []  # a recall is forwarded in the form it came
    seen = {one.index: one.inspection for one in valid.examined}
    wanted: list[ToSeal] = []
    main_seen = False
    for index, attachment in enumerate(edoc.attachments):
        if not attachment.is_pdf:
            continue
        kind = SealKind.APPENDIX if main_seen else SealKind.MAIN
        main_seen = True
        if kind is SealKind.APPENDIX and not acceptance.seal_appendices:
            continue
        if index in seen and is_sealed(seen[index], seal):
            continue
        wanted.append(
            ToSeal(
                index=index,
                order=SealOrder(
                    party=party,
                    kind=kind,
                    signed_at=valid.received.submission.received_at,
                    code=edoc.code.full,
                ),
            )
        )
    return wanted


def is_sealed(inspection: Inspection, seal: Seal | None) -> bool:
    """Whether the agency's seal is on the file already."""
    return seal is not None and any(
        s.certificate_sha256 == seal.certificate_sha256 for s in inspection.signatures
    )


def unsound(before: Inspection | None, after: Inspection, seal: Seal) -> str:
    """What is wrong with a sealed file by the whole judge's word; empty where nothing is.

    *before* is what was said of the unsealed one, if anybody looked.
    """
    ours = [s for s in after.signatures if s.certificate_sha256 == seal.certificate_sha256]
    if not any(s.indication is not Indication.FAILED and s.coverage == "whole-file" for s in ours):
        return "the seal is not found whole on the file"
    held = {s.field for s in before.signatures if s.indication is not Indication.FAILED} if before else set()
    broken = [s.field for s in after.signatures if s.field in held and s.indication is Indication.FAILED]
    return f"it would break the signature {broken[0]}" if broken else ""
