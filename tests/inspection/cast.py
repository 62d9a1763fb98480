"""Who takes part in the tests of trust: authorities, signers, stampers and responders, good ones and others.

The signers hold for 2015 and 2016, the stampers until 2024 or 2046, the issuing authority until 2030.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.inspection.judge import Options, judge
from gateway.model.signature import Inspection, SignatureReport
from tests.authority import ANSWERING, Authority, day
from tests.inspection.aged import sign
from tests.pki import Credential

MARCH = day("2016-03-01")
SIGNED = day("2016-03-04")
DURING = day("2016-04-01")
AFTER = day("2018-01-01")
LONG_AFTER = day("2040-01-01")
PLACE = "http://127.0.0.1:9/issuing.crl"


@cache
def root() -> Authority:
    """The one that is trusted here."""
    return Authority.root()


@cache
def issuing() -> Authority:
    """It issues all signers; about itself, too, there is a list."""
    return root().authority("Issuing", until=day("2030-01-01"))


@cache
def stamper() -> Credential:
    """Stamps until 2024."""
    return root().stamper(since=day("2014-01-01"), until=day("2024-01-01"))


@cache
def late_stamper() -> Credential:
    """Stamps until 2046."""
    return root().stamper("Later stamps", since=day("2020-01-01"))


@cache
def signer() -> Credential:
    """Holds for 2015 and 2016, and names a place where a list is to be had."""
    return issuing().issue("Signer", since=day("2015-01-01"), until=day("2017-01-01"), crl=PLACE)


@cache
def plain() -> Credential:
    """The same, but names no place."""
    return issuing().issue("Plain signer", since=day("2015-01-01"), until=day("2017-01-01"))


@cache
def responder() -> Credential:
    """Appointed by the issuing authority."""
    return issuing().issue("Responder", key="authority-responder", purposes=ANSWERING)


@cache
def brief_responder(since: datetime = MARCH) -> Credential:
    """Appointed for ten days, as they often are."""
    return issuing().issue(
        "Brief", key="authority-responder", purposes=ANSWERING, since=since, until=since + timedelta(days=10)
    )


@cache
def known() -> Authority:
    """An issuing authority about which there is a list."""
    return root().authority("Known", key="authority-known", crl="http://127.0.0.1:9/root.crl")


@cache
def below_known() -> Credential:
    """Names no place itself; its issuer does."""
    return known().issue("Below known", until=day("2017-01-01"))


@cache
def young() -> Authority:
    """An issuing authority that has just begun."""
    return root().authority("Young", key="authority-known", since=day("2016-03-30"))


@cache
def below_young() -> Credential:
    """Issued by it."""
    return young().issue("Below young", crl=PLACE)


@cache
def known_stamper() -> Credential:
    """A stamper about whom there is a list."""
    return root().stamper("Known stamps", crl="http://127.0.0.1:9/root.crl")


@cache
def usurper() -> Credential:
    """Has a certificate of the issuing authority, but not for answering."""
    return issuing().issue("Usurper", key="authority-responder")


@cache
def foreign_responder() -> Credential:
    """May answer for another authority."""
    return root().issue("Foreign responder", key="authority-responder", purposes=ANSWERING)


@cache
def no_stamper() -> Credential:
    """Lasts, but may not stamp."""
    return root().issue("No stamper")


@cache
def jack_of_all_trades() -> Credential:
    """May stamp, among others."""
    both = (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION)
    return root().issue("Jack", purposes=both)


@cache
def meek_stamper() -> Credential:
    """May stamp, but the purpose is not critical."""
    return root().issue("Meek", purposes=(ExtendedKeyUsageOID.TIME_STAMPING,), is_purpose_critical=False)


@cache
def stranger() -> Authority:
    """Another root."""
    return Authority.root("Another root", key="authority-stranger")


@cache
def narrow() -> Authority:
    """May only issue to one country."""
    inside = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "LA")]))
    limits = x509.NameConstraints(permitted_subtrees=[inside], excluded_subtrees=None)
    return root().authority("Narrow", more=[(limits, True)])


@cache
def weak() -> Credential:
    """Issued over SHA-1."""
    return root().issue("Weak", is_weak=True)


@cache
def twin() -> Credential:
    """Same key, issuer and number as the plain signer, another certificate."""
    return issuing().issue("Twin", serial=plain().certificate.serial_number)


@cache
def stamped(by: Callable[[], Credential] = signer, at: datetime = SIGNED) -> bytes:
    """A signature with a time-stamp."""
    return sign(by(), stamp=(stamper(), at))


@cache
def bare(by: Callable[[], Credential] = signer) -> bytes:
    """A signature without any."""
    return sign(by())


def told(
    folder: Path,
    pdf: bytes,
    *,
    now: datetime,
    cache: Mapping[str, bytes] | None = None,
    roots: tuple[Authority, ...] | None = None,
) -> tuple[SignatureReport, ...]:
    """The reports on *pdf*, judged at *now* with *cache* as the folder of records."""
    return inspected(folder, pdf, now=now, cache=cache, roots=roots).signatures


def inspected(
    folder: Path,
    pdf: bytes,
    *,
    now: datetime,
    cache: Mapping[str, bytes] | None = None,
    roots: tuple[Authority, ...] | None = None,
) -> Inspection:
    """Likewise, with all that is found."""
    trust, records = folder / "trust", folder / "records"
    trust.mkdir(exist_ok=True)
    records.mkdir(exist_ok=True)
    for number, one in enumerate((root(),) if roots is None else roots):
        (trust / f"{number}.pem").write_bytes(one.certificate.public_bytes(Encoding.PEM))
    for name, body in (cache or {}).items():
        (records / name).write_bytes(body)
    return judge(pdf, Options(trust=trust, revocations=records, moment=now))
