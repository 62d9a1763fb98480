"""Whom to believe: a folder of root certificates, and whether a signer's chain ends in one of them.

    anchors = Anchors(Path("config/trust"))
    anchors.stand(certificate, others, moment=now, purpose=Purpose.SIGNING)

The folder is read again when anything in it changes.  Nothing is ever fetched: revocation is judged by
the CRLs and OCSP answers at hand, and where there are none that is said.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from asn1crypto import crl, ocsp, pem, x509  # type: ignore[import-untyped]  # it has no stubs
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    ExpiredError,
    InsufficientRevinfoError,
    InvalidCertificateError,
    NotYetValidError,
    PathBuildingError,
    RevokedError,
)
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)

_SOUND = RevocationCheckingPolicy(
    RevocationCheckingRule.CHECK_IF_DECLARED_SOFT, RevocationCheckingRule.CHECK_IF_DECLARED_SOFT
)
_ASKING = RevocationCheckingPolicy(
    RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.CHECK_IF_DECLARED_SOFT
)
_CACHED = 2048
_ENDINGS = (".pem", ".crt", ".cer", ".der")


class Purpose(Enum):
    """What the certificate was used for."""

    SIGNING = "signing"
    STAMPING = "stamping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a certificate stands.  ``sub_indication`` is empty where it may be believed.

    ``revocation`` is ``good``, ``unknown`` (it names a place to ask, but no answer is at hand),
    ``none`` (it names no such place) or ``""`` where the chain itself does not hold.
    """

    sub_indication: str = ""
    revocation: str = ""
    detail: str = ""


class Anchors:
    """The roots in a folder (PEM or DER), and the chains that end there.  No folder: nobody is believed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._state: tuple[tuple[str, int, int], ...] | None = None
        self._roots: list[x509.Certificate] = []
        self._known: OrderedDict[tuple[object, ...], Standing] = OrderedDict()

    def roots(self) -> Sequence[x509.Certificate]:
        """The roots as the folder has them now; files that hold no certificate are passed over."""
        if self._folder is None:
            return ()
        try:
            with os.scandir(self._folder) as entries:
                state = tuple(
                    sorted(
                        (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size)
                        for entry in entries
                        if entry.name.endswith(_ENDINGS) and entry.is_file()
                    )
                )
        except OSError:
            state = ()
        if state != self._state:
            self._state = state
            self._known.clear()
            self._roots = [root for name, _, _ in state for root in _certificates(self._folder / name)]
        return self._roots

    def stand(
        self,
        certificate: x509.Certificate,
        others: Sequence[x509.Certificate],
        *,
        moment: datetime,
        purpose: Purpose,
        crls: Sequence[crl.CertificateList] = (),
        ocsps: Sequence[ocsp.OCSPResponse] = (),
    ) -> Standing:
        """How *certificate* stands at *moment*; remembered for the minute."""
        roots = self.roots()
        if not roots:
            return Standing(
                sub_indication="NO_CERTIFICATE_CHAIN_FOUND", detail="no trusted roots are configured"
            )
        key = (
            certificate.sha256,
            purpose,
            moment.replace(second=0, microsecond=0),
            tuple(sorted(other.sha256 for other in others)),
            tuple(hash(one.dump()) for one in (*crls, *ocsps)),
        )
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return known
        standing = _judged(certificate, others, roots, moment, purpose, crls, ocsps)
        self._known[key] = standing
        while len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return standing


def _judged(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    moment: datetime,
    purpose: Purpose,
    crls: Sequence[crl.CertificateList],
    ocsps: Sequence[ocsp.OCSPResponse],
) -> Standing:
    if not _is_fit(certificate, purpose):
        return Standing(
            sub_indication="CHAIN_CONSTRAINTS_FAILURE", detail=f"not a certificate for {purpose.value}"
        )
    names_a_place = bool(certificate.crl_distribution_points or certificate.ocsp_urls)
    for rule in (_ASKING, _SOUND) if names_a_place else (_SOUND,):
        context = ValidationContext(
            trust_roots=list(roots),
            other_certs=list(others),
            moment=moment,
            crls=list(crls),
            ocsps=list(ocsps),
            allow_fetching=False,
            revinfo_policy=CertRevTrustPolicy(revocation_checking_policy=rule, retroactive_revinfo=True),
        )
        try:
            _run(CertificateValidator(certificate, validation_context=context).async_validate_path())
        except InsufficientRevinfoError as exc:
            if rule is _ASKING:
                continue  # once more without: is the chain sound at least?
            return Standing(sub_indication="TRY_LATER", revocation="unknown", detail=_text(exc))
        except RevokedError as exc:
            return Standing(sub_indication="REVOKED_NO_POE", detail=_text(exc))
        except ExpiredError as exc:
            return Standing(sub_indication="OUT_OF_BOUNDS_NO_POE", detail=_text(exc))
        except NotYetValidError as exc:
            return Standing(sub_indication="NOT_YET_VALID", detail=_text(exc))
        except (PathBuildingError, InvalidCertificateError) as exc:
            # the second is said of a certificate that signed itself: a chain of one, ending nowhere
            return Standing(sub_indication="NO_CERTIFICATE_CHAIN_FOUND", detail=_text(exc))
        except Exception as exc:  # a hostile certificate may break the validator in any way
            return Standing(sub_indication="CERTIFICATE_CHAIN_GENERAL_FAILURE", detail=_text(exc))
        if rule is _ASKING:
            return Standing(revocation="good")
    if names_a_place:
        detail = "no answer about its revocation is at hand"
        return Standing(sub_indication="TRY_LATER", revocation="unknown", detail=detail)
    return Standing(revocation="none")


def _is_fit(certificate: x509.Certificate, purpose: Purpose) -> bool:
    if purpose is Purpose.STAMPING:
        # spec: RFC 3161 §2.3 - the time-stamping purpose, and it alone matters
        extended = certificate.extended_key_usage_value
        return extended is not None and "time_stamping" in extended.native
    usage = certificate.key_usage_value
    return usage is None or bool({"digital_signature", "non_repudiation"} & set(usage.native))


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        data = path.read_bytes()
        if not pem.detect(data):
            return [_loaded(data)]
        return [_loaded(der) for kind, _, der in pem.unarmor(data, multiple=True) if kind == "CERTIFICATE"]
    except (OSError, ValueError):
        return []


def _loaded(der: bytes) -> x509.Certificate:
    certificate = x509.Certificate.load(der)
    _ = certificate.native  # asn1crypto parses late: find out now
    return certificate


def _run(waiting: Coroutine[Any, Any, Any]) -> None:
    # no fetcher is there, so nothing ever waits; still, certvalidator wants a loop of its own
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(waiting)
    finally:
        loop.close()


def _text(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__)[:200]
