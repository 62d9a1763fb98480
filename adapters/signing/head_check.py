"""Heads of the evidence log, verified from their bytes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509

from adapters.signing.evidence_check import Standing
from adapters.signing.head_xml import HASHING, NAMESPACE
from adapters.signing.xades_check import (
    NOT_OURS,
    Broken,
    leads_to_root,
    parse,
    sentence,
    text_of,
    verify_enveloped,
)

_NAMES = {"l": NAMESPACE}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadCheck:
    """The outcome, and what the head says (size -1 where it could not be read).  ``root`` is hex."""

    standing: Standing
    reason: str
    sha256: str
    log: str = ""
    size: int = -1
    root: str = ""
    at: datetime | None = None
    signer: str = ""


def verify_head(xml: bytes, roots: Sequence[x509.Certificate]) -> HeadCheck:
    """Verify one head against the trusted *roots*.  Raises nothing, whatever *xml* is."""
    digest = sha256(xml).hexdigest()
    try:
        root = parse(xml, f"{{{NAMESPACE}}}TreeHead", "head")
        log, size, tree = (text_of(root, f"l:{name}", _NAMES) for name in ("Log", "Size", "Root"))
        at = datetime.fromisoformat(text_of(root, "l:Time", _NAMES))
        number, hashing = int(size), root.findall("l:Root", _NAMES)[0].get("Algorithm")
        signer = verify_enveloped(root)
        if hashing != HASHING or len(bytes.fromhex(tree)) != 32:
            raise Broken("Its root is of a kind that we do not use.")
        if at != signer.signed_at:
            raise Broken("It was signed at another time than it says.")
    except NOT_OURS as exc:
        return HeadCheck(standing=Standing.FAILED, reason=sentence(exc), sha256=digest)
    is_known = leads_to_root(signer.certificates, roots, signer.signed_at)
    return HeadCheck(
        standing=Standing.PASSED if is_known else Standing.UNKNOWN,
        reason="" if is_known else "The signer's certificate leads to no trusted root.",
        sha256=digest,
        log=log,
        size=number,
        root=tree,
        at=at,
        signer=signer.name,
    )
