"""What is said of what a PDF holds besides paper: the policy weighs, and each thing has its code.

Encryption is no matter of policy: of what nobody can open nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters.inspection.paper.structure import Structure
from gateway.model.finding import Severity
from gateway.model.policy import Acceptance, Attitude


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing to be said: a code of ``schemas/reasons.toml``, how much it weighs, and what it was."""

    code: str
    severity: Severity
    detail: str = ""


def remarks(found: Structure, acceptance: Acceptance) -> Iterator[Remark]:
    """What *acceptance* makes of *found*; each ``error`` refuses the file."""
    if found.pages > acceptance.max_pages:
        detail = f"{found.pages} pages, {acceptance.max_pages} at most"
        yield Remark(code="pdf-too-many-pages", severity=Severity.ERROR, detail=detail)
    weighed = (
        ("pdf-active-content", acceptance.active_content, found.active),
        ("pdf-xfa", acceptance.xfa, found.forms),
        ("pdf-external-content", acceptance.external_content, found.external),
        ("pdf-embedded-file", acceptance.embedded_files, found.embedded),
        ("pdf-hidden-content", acceptance.hidden_content, found.hidden),
    )
    for code, attitude, things in weighed:
        if things:
            yield Remark(code=code, severity=_weight(attitude), detail=_listed(things))
    if found.layers and not found.hidden:
        yield Remark(code="pdf-hidden-content", severity=Severity.INFO, detail=_listed(found.layers))
    if found.links:
        yield Remark(code="pdf-links-to-files", severity=Severity.INFO, detail=_listed(found.links))


def _weight(attitude: Attitude) -> Severity:
    return Severity.ERROR if attitude is Attitude.REFUSE else Severity.WARNING


def _listed(things: Iterable[str]) -> str:
    return ", ".join(sorted(things))
