"""Whom to believe: a folder of root certificates, and whether a signer's chain ends in one of them.

    trust = Trust(Path("config/trust"), Path("var/revocations"))
    trust.refresh()
    trust.stand(certificate, others, question, evidence)

Both folders are read again when anything in them changes.  Nothing is ever fetched: revocation is judged by
the CRLs and OCSP answers at hand (from the document, or from the folder), and where there are none that is
said.

Strategy: a chain is first asked to hold now.  Only where it does not, and only where a believed time-stamp
proves that the signature existed before, is it asked again for that instant; by then whatever is said about
revocation must have been said later, and by a key that was still good when it is proved to have been said.
spec: ETSI EN 319 102-1 §5.2.6, §5.5, §5.6 - a sane part of it: one instant instead of a sliding control time
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import pairwise
from pathlib import Path

from adapters.inspection.authority import certificates, revocation
from adapters.inspection.authority.certificates import Certificate
from adapters.inspection.authority.folder import Folder, unwrapped
from adapters.inspection.authority.paths import Chain, Pool, chains
from adapters.inspection.authority.revocation import Answer, Records

RELIABLE_UNTIL = datetime(2014, 1, 1, tzinfo=UTC)
"""spec: NIST SP 800-131A - until then SHA-1 and RSA below 2048 bits were good enough to sign with."""

_ROOTS = (".pem", ".crt", ".cer", ".der")
_RECORDS = (".crl", ".ocsp", ".cer", ".crt", ".pem", ".der")
_MAX_ROOTS_FILE = 16 * 1024 * 1024
_SKEW = timedelta(minutes=5)
_WITHOUT_NEXT_UPDATE = timedelta(days=1)
_MAX_ANSWERS = 20
_NEVER_FOR_DOCUMENTS = frozenset({"server_auth", "code_signing", "time_stamping", "ocsp_signing"})
_CERTIFICATE_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE")


class Purpose(Enum):
    """What the certificate was used for."""

    SIGNING = "signing"
    STAMPING = "stamping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``now`` is the time of validation; ``existed`` the earliest instant at which a believed time-stamp
    proves that there was the signature, ``None`` where none does; ``stamped_at`` the time that a
    time-stamp tells itself, for those."""

    now: datetime
    existed: datetime | None
    purpose: Purpose
    stamped_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a certificate stands.  ``sub_indication`` is empty where it may be believed; ``is_failure``:
    it is one of TOTAL-FAILED, not of INDETERMINATE.

    ``revocation`` is ``good``, ``unknown`` (it names a place to ask, but no answer is at hand),
    ``none`` (it names no such place) or ``""`` where that was not asked.  ``chain`` are the names from the
    signer to the root.
    """

    sub_indication: str = ""
    is_failure: bool = False
    revocation: str = ""
    detail: str = ""
    chain: tuple[str, ...] = ()

    @property
    def is_believed(self) -> bool:
        """Nothing speaks against the certificate."""
        return not self.sub_indication


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What came with the document: ``records``, and since when each is proved to have existed
    (``seen``, asked by digest; ``None``: since now)."""

    records: Records = field(default_factory=Records)
    seen: Callable[[bytes], datetime | None] = lambda _: None


class Trust:
    """The roots in one folder (PEM or DER, any number in a file), and the records in another: ``*.crl`` and
    ``*.ocsp``, besides certificates that help to complete chains and are not trusted for lying there.

    No folder of roots: nobody is believed.
    """

    def __init__(self, roots: Path | None, records: Path | None = None) -> None:
        self._root_files = Folder(roots, _ROOTS, max_bytes=_MAX_ROOTS_FILE)
        self._record_files = Folder(records, _RECORDS, max_bytes=revocation.MAX_LIST)
        self._roots = Pool(())
        self._helpers = Pool(())
        self._anchors: frozenset[bytes] = frozenset()
        self._records = Records()
        self._found: dict[tuple[bytes, ...], list[Chain]] = {}

    def refresh(self) -> None:
        """Look at both folders; files that hold nothing useful are passed over."""
        if self._root_files.look():
            found = list(_certificates(self._root_files.files))
            self._roots = Pool(found)
            self._anchors = frozenset(one.sha256 for one in found)
            self._found.clear()
        if self._record_files.look():
            files = self._record_files.files
            self._helpers = Pool(_certificates({n: b for n, b in files.items() if not _is_record(n)}))
            self._records = Records.of(
                (
                    one
                    for name, body in files.items()
                    if name.lower().endswith(".crl")
                    for der in unwrapped(body, (b"X509 CRL",))
                    if (one := revocation.read_crl(der)) is not None
                ),
                (
                    answer
                    for name, body in files.items()
                    if name.lower().endswith(".ocsp")
                    for der in unwrapped(body, (b"OCSP RESPONSE",))
                    if (answer := revocation.read_ocsp(der)) is not None
                ),
            )
            self._found.clear()

    @property
    def has_roots(self) -> bool:
        """Whether anybody can be believed at all."""
        return bool(self._anchors)

    def stand(
        self,
        signer: Certificate | None,
        others: Sequence[Certificate],
        question: Question,
        evidence: Evidence,
    ) -> Standing:
        """How *signer* stands, with *others* to complete its chain."""
        if signer is None:
            return Standing(
                sub_indication="NO_CERTIFICATE_CHAIN_FOUND", detail="its certificate cannot be read"
            )
        if not self._anchors:
            detail = "no trusted roots are configured"
            return Standing(sub_indication="NO_CERTIFICATE_CHAIN_FOUND", detail=detail)
        if (unfit := _unfit(signer, question.purpose)) != "":
            return Standing(sub_indication="CHAIN_CONSTRAINTS_FAILURE", detail=unfit)
        first: Standing | None = None
        for chain in self._chains(signer, others):
            standing = _Climb(chain, self._records, evidence).judged(question)
            if standing.is_believed:
                return standing
            first = first or standing
        return first or Standing(
            sub_indication="NO_CERTIFICATE_CHAIN_FOUND", detail="no chain leads to a trusted root"
        )

    def _chains(self, signer: Certificate, others: Sequence[Certificate]) -> list[Chain]:
        key = (signer.sha256, *sorted({other.sha256 for other in others}))
        found = self._found.get(key)
        if found is None:
            found = chains(signer, self._roots, (self._helpers, Pool(others)), self._anchors)
            if len(self._found) >= 2048:
                self._found.clear()
            self._found[key] = found
        return found


class _Climb:
    """One chain, asked from its root down to the signer."""

    def __init__(self, chain: Chain, records: Records, evidence: Evidence) -> None:
        self._chain = chain
        self._records = records
        self._evidence = evidence

    def judged(self, question: Question) -> Standing:
        """How the chain's first certificate stands."""
        chain, existed = self._chain, question.existed
        signer = chain.certificates[0]
        if chain.flaw:
            return self._said(chain.flaw, chain.detail)
        if existed is not None and existed < signer.since:
            # spec: EN 319 102-1 §5.5.4 - proved to be older than its own certificate
            detail = f"it was made before its certificate began ({signer.since:%Y-%m-%d})"
            return Standing(sub_indication="NOT_YET_VALID", is_failure=True, detail=detail, chain=chain.names)
        standing = self._at(question.now, question, is_past=False)
        if not standing.is_believed and existed is not None:
            past = self._at(existed, question, is_past=True)
            # what held neither now nor then is told as it is now where the proof came too late
            if past.is_believed or past.sub_indication != "OUT_OF_BOUNDS_NO_POE":
                standing = past
        return standing

    def _at(self, moment: datetime, question: Question, *, is_past: bool) -> Standing:
        chain = self._chain.certificates
        if self._chain.is_dated and not (is_past and moment < RELIABLE_UNTIL):
            return self._said(
                "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "a certificate of its chain is too weakly signed"
            )
        if len(chain) == 1:
            return self._in_time(chain[0], moment, ()) or self._said(revocation="none")
        is_known = False
        unknown = ("", "")
        sound_until = datetime.max.replace(tzinfo=UTC)  # until when the key one step up may be heard
        downwards = chain[::-1]
        for issuer, certificate in pairwise(downwards):
            is_signer = certificate is chain[0]
            answers = tuple(self._answers(certificate, issuer))
            revoked = [a.revoked_at for a in answers if a.revoked_at is not None and not a.is_on_hold]
            if revoked and min(revoked) <= moment:
                return self._said(
                    "REVOKED_NO_POE" if is_signer else "REVOKED_CA_NO_POE",
                    f"{certificate.name} was revoked on {min(revoked):%Y-%m-%d}",
                )
            if (untimely := self._in_time(certificate, moment, answers)) is not None:
                return untimely
            timely = [
                a
                for a in answers
                if _is_whole(a, certificate)
                and _is_timely(a, moment, question, is_past=is_past, is_signer=is_signer)
            ]
            sound = [a for a in timely if self._is_sound(a, question.now, sound_until)]
            newest = max(sound, key=lambda a: a.this_update, default=None)
            if newest is not None and newest.is_on_hold and _before(newest.revoked_at, moment):
                return self._said("TRY_LATER", f"{certificate.name} is on hold", revocation="unknown")
            is_known = is_known or newest is not None
            if newest is None and certificate.names_a_place and not certificate.needs_no_answer:
                unknown = unknown if unknown[0] else _unknown(certificate, answers, timely)
            sound_until = min([certificate.until, *revoked])
        if unknown[0]:
            return self._said(*unknown, revocation="unknown")
        return self._said(revocation="good" if is_known else "none")

    def _is_sound(self, answer: Answer, now: datetime, sound_until: datetime) -> bool:
        """Whether *answer* is proved to have been there while the key that signed it was good."""
        if answer.issuer is self._chain.certificates[-1]:
            return True
        is_responder = answer.issuer not in self._chain.certificates
        if is_responder and answer.this_update + _SKEW < answer.issuer.since:
            return False
        return (self._evidence.seen(answer.origin) or now) <= min(sound_until, answer.issuer.until)

    def _in_time(
        self, certificate: Certificate, moment: datetime, answers: Sequence[Answer]
    ) -> Standing | None:
        if certificate.since <= moment <= certificate.until:
            return None
        end = certificate.until
        is_good = any(
            a.revoked_at is None and _is_whole(a, certificate) and (_covers(a, end) or a.this_update >= end)
            for a in answers
        )
        is_signer = certificate is self._chain.certificates[0]
        ended = f"ended on {certificate.until:%Y-%m-%d}"
        when = ended if moment > certificate.until else f"begins on {certificate.since:%Y-%m-%d}"
        return self._said(
            "OUT_OF_BOUNDS_NOT_REVOKED" if is_good and is_signer else "OUT_OF_BOUNDS_NO_POE",
            f"{certificate.name} {when}",
        )

    def _answers(self, certificate: Certificate, issuer: Certificate) -> Iterator[Answer]:
        """Every answer about *certificate* that may be heard."""
        for records in (self._evidence.records, self._records):
            for one in records.lists.get(certificate.issuer, ())[:_MAX_ANSWERS]:
                if (answer := one.ask(certificate, issuer)) is not None:
                    yield answer
            for response in records.answers.get(certificate.serial, ())[:_MAX_ANSWERS]:
                answer = response.ask(
                    certificate, issuer, lambda responder: self._may_respond(responder, issuer)
                )
                if answer is not None:
                    yield answer

    def _may_respond(self, responder: Certificate, issuer: Certificate) -> bool:
        # spec: RFC 6960 §4.2.2.2.1 - one that says so need not be asked about; the others by the lists at hand
        if responder.needs_no_answer:
            return True
        return not any(
            (answer := one.ask(responder, issuer)) is not None and answer.revoked_at is not None
            for records in (self._evidence.records, self._records)
            for one in records.lists.get(issuer.subject, ())[:_MAX_ANSWERS]
        )

    def _said(self, sub_indication: str = "", detail: str = "", *, revocation: str = "") -> Standing:
        return Standing(
            sub_indication=sub_indication, revocation=revocation, detail=detail, chain=self._chain.names
        )


def _is_whole(answer: Answer, certificate: Certificate) -> bool:
    """Whether *answer*, where it names no revocation, means that there is none."""
    if answer.is_partial and answer.revoked_at is None:
        return False
    # what ended may have been taken from the list
    since = answer.remembers_since
    return answer.this_update <= certificate.until or (since is not None and since <= certificate.until)


def _is_timely(
    answer: Answer, moment: datetime, question: Question, *, is_past: bool, is_signer: bool
) -> bool:
    # spec: EN 319 102-1 §5.2.5 - it holds now, or was said after the signature was there
    if not is_past and _covers(answer, moment):
        return True
    at = question.stamped_at or (moment if is_past else None)
    if at is None:
        return False
    # authorities publish about each other every few months, and about stampers before the last stamp:
    # of them, what held at that instant will do
    is_lenient = not is_signer or question.stamped_at is not None
    return answer.this_update >= at or (is_lenient and _covers(answer, at))


def _covers(answer: Answer, moment: datetime) -> bool:
    last = answer.next_update or answer.this_update + _WITHOUT_NEXT_UPDATE
    return answer.this_update <= moment + _SKEW and moment <= last


def _unknown(
    certificate: Certificate, answers: Sequence[Answer], timely: Sequence[Answer]
) -> tuple[str, str]:
    about = f"about the revocation of {certificate.name} is at hand"
    if timely:
        # spec: EN 319 102-1 §5.1.3 - whose key signed it may have been lost since
        return "REVOCATION_OUT_OF_BOUNDS_NO_POE", f"only an answer whose signer has ended since {about}"
    return "TRY_LATER", f"only a stale answer {about}" if answers else f"no answer {about}"


def _before(at: datetime | None, moment: datetime) -> bool:
    return at is not None and at <= moment


def _unfit(certificate: Certificate, purpose: Purpose) -> str:
    if purpose is Purpose.STAMPING:
        # spec: RFC 3161 §2.3 - critical, and this purpose alone
        if certificate.purposes != {"time_stamping"} or not certificate.is_purpose_critical:
            return "its certificate is not for time-stamping alone"
        return ""
    if certificate.usages and not certificate.usages & {"digital_signature", "non_repudiation"}:
        return "its certificate is not for signing"
    if certificate.purposes and certificate.purposes <= _NEVER_FOR_DOCUMENTS:
        return f"its certificate is for {', '.join(sorted(certificate.purposes))}, not for documents"
    return ""


def _certificates(files: Mapping[str, bytes]) -> Iterator[Certificate]:
    for _, body in sorted(files.items()):
        for der in unwrapped(body, _CERTIFICATE_LABELS):
            if (one := certificates.read(der)) is not None:
                yield one


def _is_record(name: str) -> bool:
    return name.lower().endswith((".crl", ".ocsp"))
