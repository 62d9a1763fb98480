"""Since when each signature is proved to have existed: by time-stamps that are believed themselves.

    existence = Existence(known, enclosed, trust, now=moment)
    existence.of(one).since                       # None where nothing proves it

Strategy: the document time-stamps are asked from the last to the first, because a later one proves that an
earlier one was there while its certificate held.  Then each signature's own time-stamps are asked.  The time
that a signer claims proves nothing and is never used.
spec: ETSI EN 319 102-1 §5.5.4, §5.6.2.3 - proofs of existence
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from adapters.inspection.authority import certificates
from adapters.inspection.authority.certificates import Certificate
from adapters.inspection.authority.enclosed import Enclosed
from adapters.inspection.authority.trust import RELIABLE_UNTIL, Evidence, Purpose, Question, Standing, Trust
from adapters.inspection.cms import Proof

_CLOCKS_DIFFER = timedelta(minutes=1)
_MAX_STAMPS = 200
_MAX_OTHERS = 200


class Placed(Protocol):
    """A signature or document time-stamp, and where it stands in the file."""

    @property
    def revision(self) -> int:
        """The revision that it closes."""

    @property
    def proof(self) -> Proof:
        """What it proves by itself."""

    @property
    def failure(self) -> str:
        """Empty where it is intact and covers its revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """``since`` is the earliest proof of existence, ``None`` where there is none; ``is_disordered``: the
    time-stamps contradict the order in which they came."""

    since: datetime | None = None
    is_disordered: bool = False


class Existence:
    """The proofs of existence in one document."""

    def __init__(self, placed: Sequence[Placed], enclosed: Enclosed, trust: Trust, *, now: datetime) -> None:
        self._enclosed = enclosed
        self._trust = trust
        self._now = now
        self._believed: list[tuple[int, datetime]] = []
        self._known: dict[int, Existing] = {}
        self._placed = placed  # kept, for they are known by identity
        stamps = [one for one in placed if one.proof.token_time is not None and not one.failure]
        for stamp in sorted(stamps, key=lambda one: one.revision, reverse=True)[:_MAX_STAMPS]:
            at = stamp.proof.token_time
            if at is not None and self._is_believed(stamp.proof, self._after(stamp.revision)):
                self._believed.append((stamp.revision, at))

    def of(self, one: Placed) -> Existing:
        """Since when *one* is proved to have existed."""
        known = self._known.get(id(one))
        if known is None:
            known = self._known[id(one)] = self._existing(one)
        return known

    def _existing(self, one: Placed) -> Existing:
        later = self._after(one.revision)
        own = [
            stamp.token_time
            for stamp in one.proof.stamps
            if stamp.token_time is not None and self._is_believed(stamp, later)
        ]
        before = [at for revision, at in self._believed if revision < one.revision]
        first_own = min([*own, *((one.proof.token_time,) if one.proof.token_time else ())], default=None)
        # spec: EN 319 102-1 §5.5.4 - what was stamped later must bear a later time
        is_disordered = bool(
            (own and later is not None and max(own) > later + _CLOCKS_DIFFER)
            or (first_own and before and first_own + _CLOCKS_DIFFER < max(before))
        )
        return Existing(
            since=min([*own, *((later,) if later else ())], default=None), is_disordered=is_disordered
        )

    def stand(self, one: Placed) -> Standing:
        """How the signer of *one* stands, by what is proved."""
        purpose = Purpose.STAMPING if one.proof.token_time is not None else Purpose.SIGNING
        return self._stand(one.proof, self.of(one).since, purpose)

    def _after(self, revision: int) -> datetime | None:
        return min((at for later, at in self._believed if later > revision), default=None)

    def _is_believed(self, stamp: Proof, existed: datetime | None) -> bool:
        if not stamp.is_intact or stamp.is_hopeless or stamp.token_time is None:
            return False
        if stamp.token_time > self._now + _CLOCKS_DIFFER:
            return False  # nobody can have seen it yet
        if stamp.weakness and not is_reliable(existed):
            return False
        return self._stand(stamp, existed, Purpose.STAMPING).is_believed

    def _stand(self, proof: Proof, existed: datetime | None, purpose: Purpose) -> Standing:
        return self._trust.stand(
            certificates.read(proof.signer.dump()),
            (*self._others(proof), *self._enclosed.certificates),
            Question(now=self._now, existed=existed, purpose=purpose, stamped_at=proof.token_time),
            Evidence(records=self._enclosed.records, seen=self._seen(proof, existed)),
        )

    def _others(self, proof: Proof) -> list[Certificate]:
        return [
            one
            for other in proof.others[:_MAX_OTHERS]
            if (one := certificates.read(other.dump())) is not None
        ]

    def _seen(self, proof: Proof, existed: datetime | None) -> Callable[[bytes], datetime | None]:
        def seen(origin: bytes) -> datetime | None:
            if existed is not None and origin in proof.brought.signed:
                return existed  # what was signed was there when the signature was
            revision = self._enclosed.revisions.get(origin)
            if revision is None:
                return None
            # a document time-stamp covers the revision that it closes
            return min((at for closed, at in self._believed if closed >= revision), default=None)

        return seen


def is_reliable(existed: datetime | None) -> bool:
    """Whether what is too weak today was proved to exist while it was strong."""
    return existed is not None and existed < RELIABLE_UNTIL
