"""What is judged of our evidence: one piece, a head of the log, a container, and a container with a file altered."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from zipfile import ZipFile

from tests.evidence.parcels import an_office, repacked, taken_apart
from tests.judges import dss
from tests.judges.programs import Word

LEVEL = "XAdES-BASELINE-B"
ALTERED = "altered.asice"


async def make(folder: Path) -> Mapping[str, Path]:
    """The files, by what they are."""
    office, document = await an_office(folder / "office")
    container = await office.export(document)
    files = taken_apart(container)
    bodies = {
        "one piece of evidence": ("evidence.xml", files["evidence/00-SubmissionAcceptance.xml"]),
        "a head of the log": ("head.xml", files["log/head.xml"]),
        "a container": ("container.asice", container),
        "a container, the document altered": (
            ALTERED,
            await repacked({**files, "document/received.xml": b"<edXML/>"}),
        ),
    }
    for name, body in bodies.values():
        (folder / name).write_bytes(body)
    return {what: folder / name for what, (name, _) in bodies.items()}


def by_dss(reports: Mapping[Path, dss.Report], path: Path) -> Word:
    """What EU DSS says, in one word."""
    said = [(one.indication, one.level) for one in reports[path].signatures]
    return Word.VALID if said == [("TOTAL_PASSED", LEVEL)] else Word.INVALID


def by_xmlsec(path: Path, root: Path) -> Word:
    """What xmlsec1 says: of a container, of the seal over every file."""
    folder, name = path.parent, path.name
    if path.suffix == ".asice":
        folder, name = path.with_suffix(""), "META-INF/signatures.xml"
        with ZipFile(path) as archive:
            archive.extractall(folder)
    command = ["xmlsec1", "--verify", "--trusted-pem", str(root.absolute()), "--enabled-key-data", "x509"]
    command += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return Word.VALID if done.returncode == 0 else Word.INVALID


def expected(path: Path) -> Word:
    """What they must say."""
    return Word.INVALID if path.name == ALTERED else Word.VALID


def section(words: Mapping[str, tuple[Word, Word]]) -> Iterator[str]:
    """The part of the page."""
    yield "## Evidence"
    yield ""
    yield (
        "By EU DSS as above, offline (*valid*: TOTAL-PASSED as XAdES-BASELINE-B; containers as ASiC-E), and by `xmlsec1` "
        "with the root alone."
    )
    yield ""
    yield "| what | EU DSS | xmlsec1 |"
    yield "|---|---|---|"
    for what, (of_dss, of_xmlsec) in words.items():
        yield f"| {what} | {of_dss} | {of_xmlsec} |"
    yield ""
