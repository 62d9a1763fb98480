"""What is fuzzed, and what must hold whatever the bytes are.

``check`` answers with a word or two about what became of the input, and raises ``Flaw`` where a promise is
broken.  Any other exception is a crash; taking too long or too much memory is seen from outside.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pikepdf
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.inspection.judge import Options, judge
from adapters.inspection.processes import wire
from adapters.memory import FixedClock, MemoryDirectory
from adapters.signing import KeyRing, PadesSealer
from adapters.signing import Options as SealingOptions
from adapters.signing import cms as our_cms
from adapters.signing.der import MalformedDer
from adapters.signing.keys import load
from gateway.errors import Refused, Unavailable
from gateway.model.finding import Severity
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.signature import Indication, Inspection, SealKind, SealOrder, Verdict
from gateway.stages.sign import unsound
from tests.fuzz import bend, bend_pdf, forge, seeds, tlv
from tests.fuzz.flaw import Flaw
from tests.inspection.files import Shelf

Judge = Callable[[bytes, Options], Inspection]

_BLANKS = b" \t\r\n\x0c\x00"
_LONGEST_ANSWER = 256 * 1024
"""The gateway's loop decodes an answer: what is longer holds it for more than a few milliseconds."""


class Pdf:
    """The judge on PDFs, signed and unsigned."""

    name = "pdf"

    def __init__(self, folder: Path, judge: Judge = judge) -> None:
        self._judge = judge
        self._options = Options(unsafe_accept_any_signer=True, moment=forge.NOW)

    def seeds(self) -> list[bytes]:
        """Files of every kind."""
        return [*seeds.signed_ones(), *seeds.ordinary(), *seeds.attacked()[::4]]

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bent as a PDF."""
        return bend_pdf.pdf(chance, data, others)

    def check(self, data: bytes) -> str:
        """Judge it."""
        inspection = self._judge(data, self._options)
        check_answer(inspection)
        if inspection.verdict is Verdict.VALID:
            check_valid(data, inspection)
        return outcome(inspection)


class Cms:
    """The judge on CMS values in the Contents of a PDF that is otherwise whole, and our own reader of them."""

    name = "cms"

    def __init__(self, folder: Path, judge: Judge = judge) -> None:
        self._judge = judge
        self._options = (
            Options(unsafe_accept_any_signer=True, moment=forge.NOW),
            Options(trust=a_trust_folder(folder), moment=forge.NOW),
        )

    def seeds(self) -> list[bytes]:
        """True signatures of every kind."""
        return seeds.cms_values()

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bent as DER, behind its selector."""
        return bend_selected(chance, data, others, 20)

    def check(self, data: bytes) -> str:
        """Read it with our reader, then judge a file that has it."""
        selector, der = data[0], data[1:]
        with suppress(MalformedDer):
            our_cms.read_back(der)
        pdf, start, end = seeds.cms_template(selector % len(seeds.CMS_KINDS))
        digits = der[: (end - start - 2) // 2].hex().encode().ljust(end - start - 2, b"0")
        pdf = pdf[: start + 1] + digits + pdf[end - 1 :]
        inspection = self._judge(pdf, self._options[selector >> 4 & 1])
        check_answer(inspection)
        if inspection.verdict is Verdict.VALID:
            check_valid(pdf, inspection)
        return outcome(inspection)


class Sealing:
    """The sealer on PDFs: a file that the judge lets pass is refused, or sealed so that the judge agrees."""

    name = "seal"

    def __init__(self, folder: Path, judge: Judge = judge) -> None:
        self._judge = judge
        self._options = Options(unsafe_accept_any_signer=True, moment=forge.NOW)
        party = PartyKey("000.00.13.H53")
        keys = folder / "keys"
        keys.mkdir(parents=True, exist_ok=True)
        (keys / f"{party}.pem").write_bytes(forge.leader().pem())
        clock = FixedClock(forge.NOW)
        ring = KeyRing(
            SealingOptions(keys=keys, organ=OrganCode("000.00.00.H53"), name="Vanthu"),
            directory=MemoryDirectory(),
            clock=clock,
        )
        self._sealer = PadesSealer(ring, vault=Shelf(), clock=clock)
        self._order = SealOrder(party=party, kind=SealKind.MAIN, signed_at=forge.NOW)
        self._loop = asyncio.new_event_loop()

    def seeds(self) -> list[bytes]:
        """Files of every kind; ordinary ones first."""
        return [*seeds.ordinary(), *seeds.signed_ones()]

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bent as a PDF."""
        return bend_pdf.pdf(chance, data, others)

    def check(self, data: bytes) -> str:
        """Seal it; judge it before and after."""
        try:
            sealing = self._sealer.seal(PayloadRef.of(data), self._order)
            done = self._loop.run_until_complete(sealing)
            sealed = done.payload.body
        except (Refused, Unavailable) as exc:
            if exc.reason == "seal-failed":
                raise Flaw("our-fault", str(exc)) from exc
            return f"not sealed: {exc.reason}"
        assert sealed is not None
        if not sealed.startswith(data):
            raise Flaw("not-verbatim")
        if len(sealed) not in forge.true_ends(sealed):
            raise Flaw("seal-not-true", "no byte range with our signature reaches the end")
        before = self._judge(data, self._options)
        if before.verdict in (Verdict.REFUSED, Verdict.INVALID):
            return "sealed, but by policy the original is refused: " + outcome(before)
        after = self._judge(sealed, self._options)
        if done.was_odd and unsound(before, after, done.seal):
            return "not sealed: seal-unsound"  # as the pipeline says
        if after.verdict is Verdict.REFUSED and any(f.code == "pdf-unreadable" for f in before.findings):
            # two readers did not agree about the damaged original either
            return "sealed, but damaged before and refused after"
        known = {report.field for report in before.signatures}
        ours = [report for report in after.signatures if report.field not in known]
        if len(ours) != 1 or ours[0].indication is not Indication.PASSED or ours[0].coverage != "whole-file":
            raise Flaw("seal-not-accepted", outcome(before), outcome(after), _details(after))
        for old, new in zip(before.signatures, after.signatures, strict=False):
            if old.indication is Indication.PASSED and new.indication is not Indication.PASSED:
                raise Flaw("seal-breaks-signature", outcome(before), outcome(after), _details(after))
        if before.verdict in (Verdict.UNSIGNED, Verdict.VALID) and after.verdict is not Verdict.VALID:
            raise Flaw("sealed-not-valid", outcome(before), outcome(after), _details(after))
        return f"sealed: {outcome(before)} -> {outcome(after)}"


class Certificates:
    """The judge on certificates, CRLs and OCSP answers inside a signed PDF, and on folders of roots and keys."""

    name = "certificate"

    def __init__(self, folder: Path, judge: Judge = judge) -> None:
        self._judge = judge
        self._trusting = Options(trust=a_trust_folder(folder), moment=forge.NOW)
        self._scratch = folder / "scratch"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._certified = {signer.certificate.tbs_certificate_bytes for signer in forge.everybody()}
        self._told = {
            tlv.Node.parse(seeds.crl()).kids[0].encoded(),
            seeds.answered(seeds.ocsp_answer(is_good=True)),
        }

    def seeds(self) -> list[bytes]:
        """Certificates and what is said of them."""
        return seeds.certificate_values()

    def bent(self, chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
        """Bent as DER, behind its selector."""
        return bend_selected(chance, data, others, len(seeds.CERTIFICATE_USES))

    def check(self, data: bytes) -> str:
        """Put it where its selector says."""
        use, value = seeds.CERTIFICATE_USES[data[0] % len(seeds.CERTIFICATE_USES)], data[1:]
        options = self._trusting
        match use:
            case "pem":
                path = self._scratch / "key.key"
                path.write_bytes(value)
                try:
                    load(path)
                except Unavailable as exc:
                    return f"key: {exc.reason}"
                return "key: usable"
            case "root":
                (self._scratch / "root.pem").write_bytes(value)
                pdf = seeds.signed_with(forge.leader())
                options = Options(trust=self._scratch, moment=forge.NOW)
            case "leaf":
                pdf = seeds.signed_with(forge.leader(), certificate=value)
            case "stamp":
                pdf = seeds.signed_with(forge.clock(), certificate=value)
            case _:
                kind = {"other": b"Certs", "crl": b"CRLs", "ocsp": b"OCSPs"}[use]
                pdf = seeds.with_store(seeds.signed_with(forge.clerk()), {kind: [value]})
        inspection = self._judge(pdf, options)
        check_answer(inspection)
        if inspection.verdict is Verdict.VALID:
            # what authorities sign is a part of the value, and around it readers let much pass
            if use in ("leaf", "stamp") and not any(body in value for body in self._certified):
                raise Flaw("false-signer", "believed, though the root never certified it")
            if use in ("crl", "ocsp") and not any(told in value for told in self._told):
                raise Flaw("false-answer", "believed, though the root never said so")
        return f"{use}: {outcome(inspection)}"


ALL: dict[str, type[Pdf | Cms | Sealing | Certificates]] = {
    one.name: one for one in (Pdf, Cms, Sealing, Certificates)
}


def bend_selected(chance: random.Random, data: bytes, others: Sequence[bytes], selectors: int) -> bytes:
    """*data* bent behind its first byte, rarely with another first byte."""
    first = bytes((chance.randrange(selectors),)) if chance.random() < 0.05 else data[:1]
    return first + bend.der(chance, data[1:], [other[1:] for other in others])


def a_trust_folder(folder: Path) -> Path:
    """A folder of roots that holds ours."""
    trust = folder / "trust"
    trust.mkdir(parents=True, exist_ok=True)
    (trust / "root.pem").write_bytes(forge.root().certificate.public_bytes(Encoding.PEM))
    return trust


# --- what must hold ---------------------------------------------------------------------------------------


def check_answer(inspection: Inspection) -> None:
    """The answer can cross the line between the processes, and is short."""
    raw = wire.encode_inspection(inspection)
    if len(raw) > _LONGEST_ANSWER:
        raise Flaw("long-answer", len(raw))
    if wire.decode_inspection(raw) != inspection:
        raise Flaw("answer-changes-on-the-wire")


def check_valid(data: bytes, inspection: Inspection) -> None:
    """``valid`` is said only of what one of our keys has signed, and of what shows what was signed."""
    ends = forge.true_ends(data)
    if not ends:
        raise Flaw("false-valid", "none of our keys has signed any byte range of this file")
    known = {sha256(signer.der).hexdigest() for signer in forge.everybody()}
    for report in inspection.signatures:
        if report.certificate_sha256 not in known:
            raise Flaw("false-signer", report.signer)
    if any(finding.severity is not Severity.INFO for finding in inspection.findings):
        return
    if not data[min(ends) :].strip(_BLANKS):
        return
    signed, now = view(data[: min(ends)]), view(data)
    if signed is not None and now is not None and signed != now:
        raise Flaw("false-valid-view", "what the pages show is not what was signed")


def view(data: bytes) -> object:
    """What the pages show, as qpdf reads them; ``None`` where it has to guess."""
    try:
        with pikepdf.open(BytesIO(data), suppress_warnings=True) as pdf:
            pages = [
                [_frozen(page.obj.get(key), 0) for key in ("/MediaBox", "/CropBox", "/Rotate", "/Resources")]
                + [_frozen(page.obj.get("/Contents"), 0), _annotations(page.obj)]
                for page in pdf.pages
            ]
            return None if pdf.get_warnings() else pages
    except (pikepdf.PdfError, ValueError, RuntimeError, TypeError):
        return None


def _annotations(page: pikepdf.Object) -> list[object]:
    annotations = page.get("/Annots")
    if not isinstance(annotations, pikepdf.Array):
        return []
    return [
        _frozen(one, 0)
        for one in annotations
        if not (isinstance(one, pikepdf.Dictionary) and one.get("/FT") == pikepdf.Name.Sig)
    ]


def _frozen(value: object, depth: int) -> object:
    if depth > 8:
        return "deep"
    if isinstance(value, pikepdf.Stream):
        entries = {key: _frozen(value.get(key), depth + 1) for key in value.keys()}  # noqa: SIM118
        return entries, sha256(value.read_raw_bytes()).digest()
    if isinstance(value, pikepdf.Dictionary):
        up = ("/Parent", "/P", "/V")
        return {key: _frozen(value.get(key), depth + 1) for key in value.keys() if key not in up}  # noqa: SIM118
    if isinstance(value, pikepdf.Array):
        return [_frozen(one, depth + 1) for one in list(value)[:200]]
    return str(value)


def outcome(inspection: Inspection) -> str:
    """Verdict, reason codes and sub-indications: what can be told of a file without its details."""
    codes = sorted({finding.code for finding in inspection.findings})
    kinds = sorted(
        {f"{s.sub_indication or s.indication.value}/{s.changes or '-'}" for s in inspection.signatures}
    )
    return " ".join((inspection.verdict.value, *codes, *kinds))


def _details(inspection: Inspection) -> list[str]:
    return [f"{finding.code}: {finding.detail}" for finding in inspection.findings]
