"""Twin of ``Inspector``: what is in a file is told by words that stand in its bytes.

====================================  ==========================================================
bytes                                 answer
====================================  ==========================================================
more than the policy allows           refused, ``pdf-too-large``
do not begin with ``%PDF-``           refused, ``pdf-unreadable``
``/Encrypt``                          refused, ``pdf-encrypted``
``%VANTHU-COSTLY``                    refused, ``pdf-too-costly``
``/JavaScript`` ``/JS`` ``/Launch``   ``pdf-active-content``, as the policy has it
``/XFA``                              ``pdf-xfa``, likewise
``/EmbeddedFile``                     ``pdf-embedded-file``, likewise
``%VANTHU-SEAL party kind time sum``  a believed signature (``MemorySealer`` writes such lines); broken
                                      where *sum* is not the SHA-256 of all that stands before the line
``%VANTHU-SIGNED name``               an intact signature by somebody who is not believed
====================================  ==========================================================
"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256

from gateway.model.envelope import Priority
from gateway.model.finding import Finding, Severity
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.policy import Acceptance, Attitude
from gateway.model.signature import Indication, Inspection, SignatureReport, Verdict
from gateway.ports import Vault
from schemas import reasons

_REFUSING = (
    (re.compile(rb"/Encrypt\b"), "pdf-encrypted"),
    (re.compile(rb"%VANTHU-COSTLY\b"), "pdf-too-costly"),
)
_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch)\b")
_XFA = re.compile(rb"/XFA\b")
_EMBEDDED = re.compile(rb"/EmbeddedFiles?\b")
_SEAL = re.compile(rb"\n%VANTHU-SEAL (\S+) (\S+) (\S+) ([0-9a-f]{64})\n")
_SIGNED = re.compile(rb"\n%VANTHU-SIGNED ([^\r\n]+)\n")


class MemoryInspector:
    """Answers at once, from the words in the file; *shares* tells afterwards who asked how often."""

    def __init__(self, *, vault: Vault) -> None:
        self._vault = vault
        self.shares: dict[PartyKey, int] = {}

    async def judge(
        self,
        ref: PayloadRef,
        policy: Acceptance,
        *,
        share: PartyKey,
        priority: Priority = Priority.ORDINARY,
        name: str = "",
    ) -> Inspection:
        """What the words in the file say."""
        self.shares[share] = self.shares.get(share, 0) + 1
        if ref.size > policy.max_bytes:
            return _refused("pdf-too-large", name)
        body = await self._vault.read(ref)
        if not body.startswith(b"%PDF-"):
            return _refused("pdf-unreadable", name)
        for word, code in _REFUSING:
            if word.search(body):
                return _refused(code, name)
        signatures: list[SignatureReport] = []
        findings: list[Finding] = []
        for word, code, attitude in (
            (_ACTIVE, "pdf-active-content", policy.active_content),
            (_XFA, "pdf-xfa", policy.xfa),
            (_EMBEDDED, "pdf-embedded-file", policy.embedded_files),
        ):
            if word.search(body) and attitude is Attitude.REFUSE:
                return _refused(code, name)
            if word.search(body):
                findings.append(_finding(code, Severity.WARNING, name))
        for seal in _SEAL.finditer(body):
            is_intact = sha256(body[: seal.start()]).hexdigest() == seal[4].decode()
            signatures.append(_sealed(seal, is_intact=is_intact, is_last=seal.end() == len(body)))
            if not is_intact:
                findings.append(_finding("signature-broken", Severity.ERROR, name))
        for signature in _SIGNED.finditer(body):
            signatures.append(_signed(signature[1].decode(errors="replace"), len(signatures)))
            is_strict = policy.untrusted_signer is Attitude.REFUSE
            findings.append(
                _finding("signature-untrusted", Severity.ERROR if is_strict else Severity.WARNING, name)
            )
        return Inspection(
            verdict=_verdict(signatures), signatures=tuple(signatures), findings=tuple(findings), pages=1
        )


def _verdict(signatures: list[SignatureReport]) -> Verdict:
    outcomes = {one.indication for one in signatures}
    if not outcomes:
        return Verdict.UNSIGNED
    if Indication.FAILED in outcomes:
        return Verdict.INVALID
    return Verdict.INDETERMINATE if Indication.INDETERMINATE in outcomes else Verdict.VALID


def _sealed(seal: re.Match[bytes], *, is_intact: bool, is_last: bool) -> SignatureReport:
    party = seal[1].decode()
    return SignatureReport(
        field=f"Seal {party}",
        signer=party,
        sub_filter="ETSI.CAdES.detached",
        level="B-B",
        indication=Indication.PASSED if is_intact else Indication.FAILED,
        sub_indication="" if is_intact else "HASH_FAILURE",
        coverage="whole-file" if is_last else "whole-revision",
        changes="none" if is_last else "form-filling",
        signed_at=datetime.fromisoformat(seal[3].decode()),
        certificate_sha256=sha256(f"certificate of {party}".encode()).hexdigest(),
    )


def _signed(signer: str, place: int) -> SignatureReport:
    return SignatureReport(
        field=f"Signature{place + 1}",
        signer=signer,
        sub_filter="ETSI.CAdES.detached",
        level="B-B",
        indication=Indication.INDETERMINATE,
        sub_indication="NO_CERTIFICATE_CHAIN_FOUND",
        coverage="whole-revision",
        changes="none",
        signed_at=None,
        certificate_sha256=sha256(signer.encode()).hexdigest(),
    )


def _refused(code: str, name: str) -> Inspection:
    return Inspection(verdict=Verdict.REFUSED, findings=(_finding(code, Severity.ERROR, name),))


def _finding(code: str, severity: Severity, name: str) -> Finding:
    entry = reasons()[code]
    return Finding(code=code, severity=severity, where=name, message=entry.en, message_vi=entry.vi)
