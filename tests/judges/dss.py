"""EU DSS, the European Commission's library: its reports on our files, by its own default policy, offline."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.judges.outputs import Output, lists
from tests.services import ROOT
from tools import foreign

PROJECT = ROOT / "tests" / "judges" / "dss"
_REPORT = "{http://dss.esig.europa.eu/validation/simple-report}"
_POM = "{http://maven.apache.org/POM/4.0.0}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the simple report says of one signature."""

    signer: str
    level: str
    indication: str
    sub_indication: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the simple report says of a file."""

    policy: str
    judged_at: str
    signatures: tuple[Finding, ...]

    @property
    def passes(self) -> bool:
        """Whether every signature does, as B-B."""
        return bool(self.signatures) and all(
            (one.indication, one.level) == ("TOTAL_PASSED", "PAdES-BASELINE-B") for one in self.signatures
        )


def version() -> str:
    """The release of DSS that is pinned."""
    found = ElementTree.parse(PROJECT / "pom.xml").find(f"{_POM}properties/{_POM}dss.version")
    assert found is not None
    return found.text or ""


def judge(outputs: Sequence[Output], folder: Path, target: Path) -> Mapping[Output, Report]:
    """Each file's report; the XML lies beside the files, ``*.simple.xml`` and ``*.detailed.xml``.

    Raises ``SetUpError`` where there is no JVM, no Maven or no DSS to be had.
    """
    reports = ask([output.path for output in outputs], folder, target)
    return {output: reports[output.path] for output in outputs}


def ask(paths: Sequence[Path], folder: Path, target: Path) -> Mapping[Path, Report]:
    """The same for files of any kind."""
    java = foreign.java_project(PROJECT, target)
    files = [str(path) for path in paths]
    known = ",".join(str(path) for path in lists(folder))
    headless = [java[0], "-Djava.awt.headless=true", *java[1:]]
    command = [*headless, "Judge", str(folder), str(folder / "root.pem"), known, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"EU DSS failed:\n{done.stderr[-3000:]}")
    return {path: read(folder / f"{path.name.removesuffix('.pdf')}.simple.xml") for path in paths}


def read(path: Path) -> Report:
    """A simple report."""
    root = ElementTree.parse(path).getroot()
    return Report(
        policy=root.findtext(f"{_REPORT}ValidationPolicy/{_REPORT}PolicyName", ""),
        judged_at=root.get("ValidationTime", ""),
        signatures=tuple(_finding(one) for one in root.findall(f"{_REPORT}Signature")),
    )


def _finding(signature: ElementTree.Element) -> Finding:
    details = f"{_REPORT}AdESValidationDetails/{_REPORT}"
    scope = signature.find(f"{_REPORT}SignatureScope")
    return Finding(
        signer=signature.findtext(f"{_REPORT}SignedBy", ""),
        level=signature.get("SignatureFormat", ""),
        indication=signature.findtext(f"{_REPORT}Indication", ""),
        sub_indication=signature.findtext(f"{_REPORT}SubIndication", ""),
        errors=tuple(entry.text or "" for entry in signature.findall(f"{details}Error")),
        warnings=tuple(entry.text or "" for entry in signature.findall(f"{details}Warning")),
        scope=(scope.get("name") or "") if scope is not None else "",
    )
