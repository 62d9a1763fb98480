"""``docs/judged-by-dss.md``: who judged what, and one report of EU DSS in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.judges import dss
from tests.judges.outputs import Output
from tests.judges.programs import Word

KEPT = "judged-by-dss.xml"


def write(
    words: Mapping[Output, Mapping[str, Word]],
    reports: Mapping[Output, dss.Report],
    versions: Mapping[str, str],
    kept: Output,
) -> str:
    """The page.  *kept* is the file whose simple report stands beside it."""
    return "\n".join([*_page(words, reports, versions, kept), ""])


def word(report: dss.Report, output: Output) -> Word:
    """What EU DSS says of the file, in one word."""
    is_whole = len(report.signatures) == output.signatures
    return Word.VALID if report.passes and is_whole else Word.INVALID


def _page(
    words: Mapping[Output, Mapping[str, Word]],
    reports: Mapping[Output, dss.Report],
    versions: Mapping[str, str],
    kept: Output,
) -> Iterator[str]:
    policy = reports[kept].policy
    yield "# Our seals, judged by programs that share no code with ours"
    yield ""
    yield "Written by `make judge-dss`, which makes every file anew, asks all judges and fails where one of them disagrees."
    yield ""
    yield (
        f"- **EU DSS {dss.version()}** (Bouncy Castle, PDFBox), the European Commission's library, by its default policy "
        f"“{policy}”, offline: it trusts the tests' root and is given that authority's revocation lists."
    )
    yield f"- **pdfsig** ({versions['pdfsig']}; poppler, NSS): cryptography and coverage."
    yield f"- **mutool sign -v** ({versions['mutool']}; MuPDF): cryptography, and changes after signing."
    yield (
        f"- **openssl cms -verify -cades** ({versions['openssl']}): the CMS over its byte range, the signing certificate, "
        "the chain to the root at the time of sealing."
    )
    yield ""
    yield from _table(words, reports)
    yield ""
    yield (
        "*valid*: every signature in the file; for EU DSS TOTAL-PASSED as PAdES-BASELINE-B. *can't*: MuPDF reads the CMS with "
        "functions of OpenSSL that know no RSA-PSS. The last line is the control: a judge that can't say no proves nothing."
    )
    yield ""
    yield f"## One report: {kept.scheme}, {kept.kind}"
    yield ""
    yield f"The simple report itself is [{KEPT}]({KEPT}); judged at {reports[kept].judged_at}."
    yield ""
    yield "| signature of | level | indication | covers | errors | warnings |"
    yield "|---|---|---|---|---|---|"
    for one in reports[kept].signatures:
        indication = f"{one.indication} {one.sub_indication}".strip()
        yield (
            f"| {one.signer} | {one.level} | {indication} | {one.scope} | {_said(one.errors)} | {_said(one.warnings)} |"
        )
    yield ""
    yield (
        "*Elements overlap*: the seal covers a third of the signer's picture, because the law says so (NĐ 30/2020, Annex I). "
        "The other warnings are about the tests' certificates, which name no address for the issuer's certificate or for "
        "revocation: nothing is fetched here. Under *qualification* the report says that the chain leads to no European "
        "trusted list, which is true of a Vietnamese authority and no part of the verdict."
    )


def _table(words: Mapping[Output, Mapping[str, Word]], reports: Mapping[Output, dss.Report]) -> Iterator[str]:
    judges: Sequence[str] = list(next(iter(words.values())))
    yield "| key | file | signatures | EU DSS | " + " | ".join(judges) + " |"
    yield "|---|---|---:|" + "---|" * (len(judges) + 1)
    for output in sorted(words, key=lambda output: output.is_altered):
        said = [word(reports[output], output), *words[output].values()]
        yield f"| {output.scheme} | {output.kind} | {output.signatures} | " + " | ".join(said) + " |"


def _said(sentences: Sequence[str]) -> str:
    return " ".join(sentences) or "none"
