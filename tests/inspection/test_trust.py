"""Whom the judge believes, and when: chains, revocation, and what time-stamps prove about the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.inspection.judge import Options, judge
from gateway.model.signature import Indication
from tests.authority import Authority, day
from tests.inspection.aged import carry, enclose, exchange, sign, stamp, with_cms
from tests.inspection.cast import (
    AFTER,
    DURING,
    LONG_AFTER,
    SIGNED,
    bare,
    below_known,
    below_young,
    brief_responder,
    foreign_responder,
    issuing,
    jack_of_all_trades,
    known_stamper,
    late_stamper,
    meek_stamper,
    narrow,
    no_stamper,
    plain,
    responder,
    root,
    signer,
    stamped,
    stamper,
    stranger,
    told,
    twin,
    usurper,
    weak,
    young,
)

pytestmark = pytest.mark.heavy_body("stock pyHanko signs, some 100 ms a time")

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
PASSED = (Indication.PASSED, "")


def doubtful(sub_indication: str) -> tuple[Indication, str]:
    """INDETERMINATE with this sub-indication."""
    return Indication.INDETERMINATE, sub_indication


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file, when it is judged with which records, and what must be said of its first signature."""

    pdf: Callable[[], bytes]
    now: datetime
    said: tuple[Indication, str]
    cache: Callable[[], Mapping[str, bytes]] = field(default=dict)


def _list(**given: object) -> Callable[[], Mapping[str, bytes]]:
    return lambda: {"issuing.crl": issuing().crl(**given)}  # type: ignore[arg-type]  # passed on


def _revoked(at: datetime, **given: object) -> bytes:
    return issuing().crl(revoked={signer(): at}, **given)  # type: ignore[arg-type]  # passed on


CASES = {
    # dates
    "a valid certificate that names no place to ask": Case(pdf=lambda: bare(plain), now=DURING, said=PASSED),
    "ended, and nothing proves that it was signed before": Case(
        pdf=lambda: bare(plain), now=AFTER, said=doubtful("OUT_OF_BOUNDS_NO_POE")
    ),
    "ended, known not to be revoked": Case(
        pdf=lambda: enclose(bare(), crls=[issuing().crl(issued=day("2016-12-30"))]),
        now=AFTER,
        said=doubtful("OUT_OF_BOUNDS_NOT_REVOKED"),
    ),
    "ended, stamped before": Case(pdf=lambda: stamped(plain), now=AFTER, said=PASSED),
    "ended, stamped too late": Case(
        pdf=lambda: stamped(plain, day("2017-06-01")), now=AFTER, said=doubtful("OUT_OF_BOUNDS_NO_POE")
    ),
    "stamped before its certificate began": Case(
        pdf=lambda: stamped(plain, day("2014-06-01")), now=DURING, said=(Indication.FAILED, "NOT_YET_VALID")
    ),
    "ended, stamped by a document time-stamp": Case(
        pdf=lambda: stamp(bare(plain), stamper(), SIGNED), now=AFTER, said=PASSED
    ),
    # lists
    "no list at hand": Case(pdf=bare, now=DURING, said=doubtful("TRY_LATER")),
    "a list in the folder": Case(pdf=bare, now=DURING, cache=_list(issued=DURING), said=PASSED),
    "a list in the folder, PEM": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {
            "a.crl": x509.load_der_x509_crl(issuing().crl(issued=DURING)).public_bytes(Encoding.PEM)
        },
        said=PASSED,
    ),
    "a list in the file": Case(
        pdf=lambda: enclose(bare(), crls=[issuing().crl(issued=DURING)]), now=DURING, said=PASSED
    ),
    "a list in a signed attribute": Case(
        pdf=lambda: sign(signer(), archived=([issuing().crl(issued=SIGNED)], [])), now=SIGNED, said=PASSED
    ),
    "a list beside the certificates": Case(
        pdf=lambda: with_cms(bare(), carry(crls=[issuing().crl(issued=SIGNED)])), now=SIGNED, said=PASSED
    ),
    "a list that has run out": Case(
        pdf=bare, now=DURING, cache=_list(issued=DURING - timedelta(days=8)), said=doubtful("TRY_LATER")
    ),
    "a list from the future": Case(
        pdf=bare, now=DURING, cache=_list(issued=DURING + timedelta(days=1)), said=doubtful("TRY_LATER")
    ),
    "a list dated before its issuer's certificate, as young authorities have them": Case(
        pdf=lambda: bare(below_young),
        now=DURING,
        cache=lambda: {"a.crl": young().crl(issued=SIGNED, until=AFTER)},
        said=PASSED,
    ),
    "a list that somebody else signed": Case(
        pdf=bare, now=DURING, cache=_list(issued=DURING, key="authority-stranger"), said=doubtful("TRY_LATER")
    ),
    "a list of another authority": Case(
        pdf=bare, now=DURING, cache=lambda: {"r.crl": root().crl(issued=DURING)}, said=doubtful("TRY_LATER")
    ),
    "a delta list": Case(
        pdf=bare,
        now=DURING,
        cache=_list(issued=DURING, more=[(x509.DeltaCRLIndicator(1), True)]),
        said=doubtful("TRY_LATER"),
    ),
    "an indirect list": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.crl": issuing().crl(issued=DURING, more=[(_scope(indirect=True), True)])},
        said=doubtful("TRY_LATER"),
    ),
    "a list of authorities alone": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.crl": issuing().crl(issued=DURING, more=[(_scope(authorities=True), True)])},
        said=doubtful("TRY_LATER"),
    ),
    "a list of users alone": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.crl": issuing().crl(issued=DURING, more=[(_scope(users=True), True)])},
        said=PASSED,
    ),
    "a list for another place": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {
            "a.crl": issuing().crl(issued=DURING, more=[(_scope(place="http://x.example/"), True)])
        },
        said=doubtful("TRY_LATER"),
    ),
    "a list with a critical extension that nobody knows": Case(
        pdf=bare,
        now=DURING,
        cache=_list(
            issued=DURING,
            more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)],
        ),
        said=doubtful("TRY_LATER"),
    ),
    # revoked
    "revoked": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.crl": _revoked(SIGNED, issued=DURING)},
        said=doubtful("REVOKED_NO_POE"),
    ),
    "revoked, as an old list says": Case(
        pdf=bare,
        now=AFTER - timedelta(days=400),
        cache=lambda: {"a.crl": _revoked(SIGNED, issued=SIGNED)},
        said=doubtful("REVOKED_NO_POE"),
    ),
    "revoked, although it names no place": Case(
        pdf=lambda: bare(plain),
        now=DURING,
        cache=lambda: {"a.crl": issuing().crl(issued=DURING, revoked={plain(): SIGNED})},
        said=doubtful("REVOKED_NO_POE"),
    ),
    "revoked in the file's list, good in the folder's": Case(
        pdf=lambda: enclose(bare(), crls=[_revoked(SIGNED, issued=SIGNED)]),
        now=DURING,
        cache=_list(issued=DURING),
        said=doubtful("REVOKED_NO_POE"),
    ),
    "revoked later than it was stamped, list in the folder": Case(
        pdf=stamped,
        now=DURING,
        cache=lambda: {"a.crl": _revoked(day("2016-03-20"), issued=DURING)},
        said=PASSED,
    ),
    "revoked later than it was stamped, list in the file": Case(
        pdf=lambda: enclose(stamped(), crls=[_revoked(day("2016-03-20"), issued=DURING)]),
        now=AFTER,
        said=PASSED,
    ),
    "revoked later than it was stamped, by an answer": Case(
        pdf=lambda: enclose(
            stamped(), ocsps=[issuing().answer(signer(), issued=DURING, revoked=day("2016-03-20"))]
        ),
        now=AFTER,
        said=PASSED,
    ),
    "revoked before it was stamped": Case(
        pdf=lambda: enclose(stamped(), crls=[_revoked(day("2016-02-20"), issued=DURING)]),
        now=AFTER,
        said=doubtful("REVOKED_NO_POE"),
    ),
    "revoked before it was stamped, by an answer": Case(
        pdf=lambda: enclose(
            stamped(), ocsps=[issuing().answer(signer(), issued=DURING, revoked=day("2016-02-20"))]
        ),
        now=AFTER,
        said=doubtful("REVOKED_NO_POE"),
    ),
    "on hold": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.crl": _revoked(SIGNED, issued=DURING, reason=x509.ReasonFlags.certificate_hold)},
        said=doubtful("TRY_LATER"),
    ),
    "was on hold, and is good again": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {
            "a.crl": _revoked(
                SIGNED, issued=SIGNED, until=LONG_AFTER, reason=x509.ReasonFlags.certificate_hold
            ),
            "b.crl": issuing().crl(issued=DURING),
        },
        said=PASSED,
    ),
    "its authority was revoked": Case(
        pdf=lambda: bare(plain),
        now=DURING,
        cache=lambda: {"root.crl": root().crl(issued=DURING, revoked={issuing().credential: SIGNED})},
        said=doubtful("REVOKED_CA_NO_POE"),
    ),
    "its authority was revoked later than it was stamped": Case(
        pdf=lambda: stamped(plain),
        now=DURING,
        cache=lambda: {
            "root.crl": root().crl(issued=DURING, revoked={issuing().credential: day("2016-03-20")})
        },
        said=PASSED,
    ),
    # the past
    "ended, stamped, a list from after that in the file": Case(
        pdf=lambda: enclose(stamped(), crls=[issuing().crl(issued=SIGNED + timedelta(days=1))]),
        now=AFTER,
        said=PASSED,
    ),
    "ended, stamped, nothing about revocation": Case(pdf=stamped, now=AFTER, said=doubtful("TRY_LATER")),
    "ended, stamped, a list from before that": Case(
        pdf=lambda: enclose(stamped(), crls=[issuing().crl(issued=SIGNED - timedelta(days=1))]),
        now=AFTER,
        said=doubtful("TRY_LATER"),
    ),
    "ended, stamped, a list that may have forgotten it": Case(
        pdf=lambda: enclose(stamped(), crls=[issuing().crl(issued=day("2017-06-01"))]),
        now=AFTER,
        said=doubtful("TRY_LATER"),
    ),
    "ended, stamped, a list that forgets nothing": Case(
        pdf=lambda: enclose(
            stamped(), crls=[issuing().crl(issued=day("2017-06-01"), more=[(_remembering(), False)])]
        ),
        now=AFTER,
        said=PASSED,
    ),
    "ended, stamped, the list in the signed attribute is older than the stamp": Case(
        pdf=lambda: sign(
            signer(),
            stamp=(stamper(), SIGNED),
            archived=([issuing().crl(issued=SIGNED - timedelta(days=1))], []),
        ),
        now=AFTER,
        said=doubtful("TRY_LATER"),
    ),
    # answers
    "an answer of the authority itself": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(signer(), issued=DURING)},
        said=PASSED,
    ),
    "an answer beside the certificates": Case(
        pdf=lambda: with_cms(bare(), carry(ocsps=[issuing().answer(signer(), issued=DURING)])),
        now=DURING,
        said=PASSED,
    ),
    "an answer in a signed attribute": Case(
        pdf=lambda: sign(signer(), archived=([], [issuing().answer(signer(), issued=SIGNED)])),
        now=SIGNED,
        said=PASSED,
    ),
    "an answer of an appointed responder": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(signer(), issued=DURING, by=responder())},
        said=PASSED,
    ),
    "an answer of one who was not appointed": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(signer(), issued=DURING, by=usurper())},
        said=doubtful("TRY_LATER"),
    ),
    "an answer of another authority's responder": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(signer(), issued=DURING, by=foreign_responder())},
        said=doubtful("TRY_LATER"),
    ),
    "an answer of a revoked responder": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {
            "a.ocsp": issuing().answer(signer(), issued=DURING, by=responder()),
            "a.crl": issuing().crl(issued=SIGNED, until=SIGNED, revoked={responder(): SIGNED}),
        },
        said=doubtful("TRY_LATER"),
    ),
    "an answer that does not know": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(signer(), issued=DURING, is_unknown=True)},
        said=doubtful("TRY_LATER"),
    ),
    "an answer about somebody else": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(plain(), issued=DURING)},
        said=doubtful("TRY_LATER"),
    ),
    "an answer that has run out": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {"a.ocsp": issuing().answer(signer(), issued=SIGNED)},
        said=doubtful("TRY_LATER"),
    ),
    # stamps that are not believed prove nothing, and spoil nothing
    "stamped by one who may not, still valid": Case(
        pdf=lambda: sign(plain(), stamp=(signer(), SIGNED)), now=DURING, said=PASSED
    ),
    "ended, stamped by one who may not": Case(
        pdf=lambda: sign(plain(), stamp=(no_stamper(), SIGNED)),
        now=AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, stamped by one who may other things besides": Case(
        pdf=lambda: sign(plain(), stamp=(jack_of_all_trades(), SIGNED)),
        now=AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, stamped by one who may without emphasis": Case(
        pdf=lambda: sign(plain(), stamp=(meek_stamper(), SIGNED)),
        now=AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, stamped by a stranger": Case(
        pdf=lambda: sign(plain(), stamp=(stranger().stamper(), SIGNED)),
        now=AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, and so did the stamper": Case(
        pdf=lambda: stamped(plain), now=LONG_AFTER, said=doubtful("OUT_OF_BOUNDS_NO_POE")
    ),
    "ended, and so did the stamper of the document": Case(
        pdf=lambda: stamp(bare(plain), stamper(), SIGNED),
        now=LONG_AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, and so did the stamper, but was stamped again in time": Case(
        pdf=lambda: stamp(stamped(plain), late_stamper(), day("2022-01-01")), now=LONG_AFTER, said=PASSED
    ),
    "ended, and so did the stamper, and was stamped again too late": Case(
        pdf=lambda: stamp(stamped(plain), late_stamper(), day("2025-01-01")),
        now=LONG_AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "the list of an authority that ended, stamped in time": Case(
        pdf=lambda: stamp(
            enclose(stamped(), crls=[issuing().crl(issued=DURING)]), late_stamper(), day("2022-01-01")
        ),
        now=LONG_AFTER,
        said=PASSED,
    ),
    "the list of an authority that ended, put in after the last stamp": Case(
        pdf=lambda: enclose(
            stamp(stamped(), late_stamper(), day("2022-01-01")), crls=[issuing().crl(issued=DURING)]
        ),
        now=LONG_AFTER,
        said=doubtful("REVOCATION_OUT_OF_BOUNDS_NO_POE"),
    ),
    "an answer whose responder has ended since": Case(
        pdf=lambda: enclose(
            stamped(), ocsps=[issuing().answer(signer(), issued=SIGNED, by=brief_responder())]
        ),
        now=AFTER,
        said=doubtful("REVOCATION_OUT_OF_BOUNDS_NO_POE"),
    ),
    "an answer whose responder has ended since, stamped in time": Case(
        pdf=lambda: stamp(
            enclose(stamped(), ocsps=[issuing().answer(signer(), issued=SIGNED, by=brief_responder())]),
            stamper(),
            SIGNED + timedelta(days=2),
        ),
        now=AFTER,
        said=PASSED,
    ),
    "an answer from before its responder began": Case(
        pdf=bare,
        now=DURING,
        cache=lambda: {
            "a.ocsp": issuing().answer(signer(), issued=DURING, by=brief_responder(day("2016-04-02")))
        },
        said=doubtful("REVOCATION_OUT_OF_BOUNDS_NO_POE"),
    ),
    # lists about authorities and stampers
    "nothing about its authority": Case(
        pdf=lambda: bare(below_known), now=DURING, said=doubtful("TRY_LATER")
    ),
    "a list about its authority": Case(
        pdf=lambda: bare(below_known),
        now=DURING,
        cache=lambda: {"root.crl": root().crl(issued=DURING)},
        said=PASSED,
    ),
    "ended, stamped while the list about its authority held": Case(
        pdf=lambda: enclose(
            stamped(below_known), crls=[root().crl(issued=day("2016-03-01"), until=day("2016-06-01"))]
        ),
        now=AFTER,
        said=PASSED,
    ),
    "ended, stamped after the list about its authority had run out": Case(
        pdf=lambda: enclose(
            stamped(below_known), crls=[root().crl(issued=day("2016-02-01"), until=day("2016-03-01"))]
        ),
        now=AFTER,
        said=doubtful("TRY_LATER"),
    ),
    "ended, stamped, nothing about the stamper": Case(
        pdf=lambda: sign(plain(), stamp=(known_stamper(), SIGNED)),
        now=AFTER,
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, stamped, and the stamper was good then": Case(
        pdf=lambda: enclose(sign(plain(), stamp=(known_stamper(), SIGNED)), crls=[root().crl(issued=DURING)]),
        now=AFTER,
        said=PASSED,
    ),
    "ended, stamped, and the stamper was revoked since": Case(
        pdf=lambda: enclose(sign(plain(), stamp=(known_stamper(), SIGNED)), crls=[root().crl(issued=DURING)]),
        now=AFTER,
        cache=lambda: {"root.crl": root().crl(issued=AFTER, revoked={known_stamper(): day("2017-01-01")})},
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "ended, stamped, the stamper was revoked later, and that was stamped": Case(
        pdf=lambda: stamp(
            enclose(sign(plain(), stamp=(known_stamper(), SIGNED)), crls=[root().crl(issued=DURING)]),
            stamper(),
            DURING,
        ),
        now=AFTER,
        cache=lambda: {"root.crl": root().crl(issued=AFTER, revoked={known_stamper(): day("2017-01-01")})},
        said=PASSED,
    ),
    "ended, stamped in the future": Case(
        pdf=lambda: sign(
            Authority(credential=issuing().credential).issue("Late", until=SIGNED), stamp=(stamper(), DURING)
        ),
        now=SIGNED + timedelta(days=1),
        said=doubtful("OUT_OF_BOUNDS_NO_POE"),
    ),
    "stamps that contradict their order": Case(
        pdf=lambda: stamp(stamped(plain, day("2016-03-20")), stamper(), SIGNED),
        now=DURING,
        said=doubtful("TIMESTAMP_ORDER_FAILURE"),
    ),
    # rights and algorithms
    "a certificate for servers": Case(
        pdf=lambda: sign(issuing().issue("Server", purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))),
        now=DURING,
        said=doubtful("CHAIN_CONSTRAINTS_FAILURE"),
    ),
    "an authority that may not have this one below it": Case(
        pdf=lambda: sign(narrow().issue("Outside")), now=DURING, said=doubtful("CHAIN_CONSTRAINTS_FAILURE")
    ),
    "a signer who issues certificates": Case(
        pdf=lambda: sign(Authority(credential=plain()).issue("Self-made", key="authority-other")),
        now=DURING,
        said=doubtful("CHAIN_CONSTRAINTS_FAILURE"),
    ),
    "a certificate signed over SHA-1": Case(
        pdf=lambda: sign(weak()), now=DURING, said=doubtful("CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    ),
    "a certificate signed over SHA-1, stamped while that was good": Case(
        pdf=lambda: sign(weak(), stamp=(root().stamper(), day("2012-01-01"))), now=DURING, said=PASSED
    ),
    "another certificate than the signer named": Case(
        pdf=lambda: with_cms(bare(plain), exchange(twin())),
        now=DURING,
        said=doubtful("NO_SIGNING_CERTIFICATE_FOUND"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_signature_is_judged_as_the_standard_has_it(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    first = told(tmp_path, case.pdf(), now=case.now, cache=case.cache())[0]
    assert (first.indication, first.sub_indication) == case.said


def test_without_the_root_there_is_no_chain(tmp_path: Path) -> None:
    (report,) = told(tmp_path, bare(plain), now=DURING, roots=(stranger(),))
    assert (report.indication, report.sub_indication) == doubtful("NO_CERTIFICATE_CHAIN_FOUND")
    assert report.chain == ()


def test_the_chain_is_told_from_the_signer_to_the_root(tmp_path: Path) -> None:
    (report,) = told(tmp_path, bare(plain), now=DURING)
    assert report.chain == ("Plain signer", "Issuing", "The root")


def test_the_time_is_the_earliest_that_is_proved(tmp_path: Path) -> None:
    pdf = stamp(stamped(plain, SIGNED), stamper(), DURING)
    first, second = told(tmp_path, pdf, now=DURING)
    assert (first.signed_at, second.signed_at) == (SIGNED, DURING)


def _scope(
    *, indirect: bool = False, authorities: bool = False, users: bool = False, place: str = ""
) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(place)] if place else None,
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=authorities,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )


def _remembering() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.60"), b"\x18\x0f20100101000000Z")


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus does not lie beside the project")
def test_the_long_term_signature_of_another_program_is_believed_by_its_root(tmp_path: Path) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "root.pem").write_bytes((CORPUS / "pki" / "root.pem").read_bytes())
    pdf = (CORPUS / "signed_valid" / "peer_ph_lta.pdf").read_bytes()
    first, second = judge(pdf, Options(trust=trust, moment=day("2026-11-25"))).signatures
    assert (first.level, first.indication, second.indication) == ("B-LTA", *[Indication.PASSED] * 2)
    assert first.chain == ("Bench Signer", "Bench Issuing CA", "Bench Root CA")
