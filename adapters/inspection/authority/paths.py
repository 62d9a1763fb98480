"""Chains of certificates: from a signer up to a trusted root, by names, keys and signatures.

Strategy: a search of our own finds the links, root side first, and checks each signature once (bounded, and
remembered by digest); the rules of RFC 5280 along the chain (rights, lengths, names, policies, critical
extensions) are left to certvalidator.  Dates and revocation are not asked here, so what was found holds for
good and is remembered: they are the business of ``trust``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from asn1crypto import core  # type: ignore[import-untyped]  # it has no stubs
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import DisallowedAlgorithmError, PathValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    DisallowWeakAlgorithmsPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.validate import async_validate_path

from adapters.inspection.authority.certificates import Certificate
from adapters.inspection.authority.revocation import is_issued

MAX_LENGTH = 8
"""No chain has more certificates."""

_MAX_LINKS = 100
_MAX_CHAINS = 8
_MAX_COMPARISONS = 50_000
_KEPT = 4096
_NEVER = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
_NOT_HOPELESS = DisallowWeakAlgorithmsPolicy(  # type: ignore[no-untyped-call]  # certvalidator's
    weak_hash_algos=frozenset({"md2", "md5"}), rsa_key_size_threshold=1024, dsa_key_size_threshold=1024
)
_AT_ANY_TIME = timedelta(days=365 * 500)
_STRONG_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Certificates from the signer to a trusted root.  ``flaw`` is an AdES sub-indication, empty where the
    chain keeps every rule but those of time; ``is_dated``: a digest or key in it has had its day."""

    certificates: tuple[Certificate, ...]
    flaw: str = ""
    detail: str = ""
    is_dated: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The subjects, from the signer to the root."""
        return tuple(one.name for one in self.certificates)


@dataclass(slots=True, eq=False)
class Pool:
    """Certificates found by name and by key, in the order in which they were put in."""

    certificates: Iterable[Certificate]
    _by_name: dict[bytes, list[Certificate]] = field(default_factory=dict, init=False)
    _by_key: dict[bytes, list[Certificate]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        seen: set[bytes] = set()
        for one in self.certificates:
            if one.sha256 not in seen:
                seen.add(one.sha256)
                self._by_name.setdefault(one.subject, []).append(one)
                if one.key_id:
                    self._by_key.setdefault(one.key_id, []).append(one)
        self.certificates = ()

    def named(self, certificate: Certificate) -> Iterator[Certificate]:
        """Those that bear the issuer's name, and the key id where *certificate* tells one."""
        wanted = certificate.authority_key_id
        for one in self._by_name.get(certificate.issuer, ()):
            if not wanted or one.key_id == wanted:
                yield one

    def likely(self, certificate: Certificate) -> Iterator[Certificate]:
        """Others that may be meant: the name written in another way, or no key id to compare."""
        wanted = certificate.authority_key_id
        if wanted:
            # certvalidator decides whether it is the same name
            yield from (one for one in self._by_key.get(wanted, ()) if one.subject != certificate.issuer)
            yield from (one for one in self._by_name.get(certificate.issuer, ()) if not one.key_id)


def chains(signer: Certificate, roots: Pool, pools: Sequence[Pool], anchors: frozenset[bytes]) -> list[Chain]:
    """Chains from *signer* to a root, sound ones first, at most eight: an authority whose certificate was
    renewed has two, and which of them holds is a question of time.

    *anchors* are the digests of the roots; a signer that is one of them is a chain by itself.
    """
    if signer.sha256 in anchors:
        return [Chain(certificates=(signer,))]
    found: list[Chain] = []
    budget = [_MAX_LINKS]
    for certificates in _climb((signer,), roots, pools, budget):
        found.append(_examined(certificates))
        if len(found) == _MAX_CHAINS:
            break
    return sorted(found, key=lambda chain: bool(chain.flaw))


def _climb(
    below: tuple[Certificate, ...], roots: Pool, pools: Sequence[Pool], budget: list[int]
) -> Iterator[tuple[Certificate, ...]]:
    last = below[-1]
    keys = {one.key for one in below}
    for issuers in (Pool.named, Pool.likely):
        for root in issuers(roots, last):
            if _is_link(last, root, budget):
                yield (*below, root)
        if len(below) + 1 >= MAX_LENGTH:
            continue
        for pool in pools:
            for issuer in issuers(pool, last):
                # a chain never passes the same key twice: no loops
                if issuer.key not in keys and _is_link(last, issuer, budget):
                    yield from _climb((*below, issuer), roots, pools, budget)


def _is_link(certificate: Certificate, issuer: Certificate, budget: list[int]) -> bool:
    if budget[0] <= 0:
        return False
    budget[0] -= 1
    return is_issued(certificate, issuer)


_examined_before: OrderedDict[tuple[bytes, ...], Chain] = OrderedDict()


def _examined(certificates: tuple[Certificate, ...]) -> Chain:
    key = tuple(one.sha256 for one in certificates)
    chain = _examined_before.get(key)
    if chain is None:
        chain = _examined_before[key] = _examine(certificates)
        while len(_examined_before) > _KEPT:
            _examined_before.popitem(last=False)
    return chain


def _examine(certificates: tuple[Certificate, ...]) -> Chain:
    if _comparisons(certificates) > _MAX_COMPARISONS:
        detail = "its name constraints would take too long to check"
        return Chain(certificates=certificates, flaw="CERTIFICATE_CHAIN_GENERAL_FAILURE", detail=detail)
    *middle, root = certificates[1:]
    context = ValidationContext(
        trust_roots=[root.asn1],
        moment=datetime(2026, 1, 1, tzinfo=UTC),
        time_tolerance=_AT_ANY_TIME,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(revocation_checking_policy=_NEVER),
        algorithm_usage_policy=_NOT_HOPELESS,
    )
    path = ValidationPath(
        CertTrustAnchor(root.asn1), [one.asn1 for one in reversed(middle)], certificates[0].asn1
    )
    flaw, detail = "", ""
    try:
        # with nothing to fetch it never waits, so no event loop is needed
        async_validate_path(context, path).send(None)
        flaw, detail = "CERTIFICATE_CHAIN_GENERAL_FAILURE", "its examination did not end"
    except StopIteration:
        pass
    except DisallowedAlgorithmError as exc:
        flaw, detail = "CRYPTO_CONSTRAINTS_FAILURE", _text(exc)
    except PathValidationError as exc:
        flaw, detail = "CHAIN_CONSTRAINTS_FAILURE", _text(exc)
    except MemoryError:
        raise
    except Exception as exc:  # a hostile certificate may break the validator in any way
        flaw, detail = "CERTIFICATE_CHAIN_GENERAL_FAILURE", _text(exc)
    below = certificates[:-1]
    return Chain(
        certificates=certificates,
        flaw=flaw,
        detail=detail,
        # the root's own signature proves nothing, so its digest does not matter
        is_dated=any(one.digest == "sha1" for one in below)
        or any(0 < one.rsa_bits < _STRONG_RSA_BITS for one in certificates),
    )


def _comparisons(certificates: tuple[Certificate, ...]) -> int:
    """How often a name would be compared with a constraint: certvalidator does each, 4 µs a time."""
    names, found = 0, 0
    for one in certificates:
        constraints = one.asn1.name_constraints_value
        if constraints is not None:
            kinds = (constraints["permitted_subtrees"], constraints["excluded_subtrees"])
            found += names * sum(len(kind) for kind in kinds if not isinstance(kind, core.Void))
        other_names = one.asn1.subject_alt_name_value
        names += 1 + (len(other_names) if other_names is not None else 0)
    return found


def _text(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__)[:200]
