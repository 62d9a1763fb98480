"""pdfsig (poppler, NSS), mutool (MuPDF) and openssl: what each says of a sealed file, in our words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from enum import StrEnum

from tests.judges.outputs import Output
from tests.pki import NOW


class Word(StrEnum):
    """What a judge says of a file."""

    VALID = "valid"
    INVALID = "INVALID"
    UNABLE = "can't"
    """It does not know the algorithm, and says so."""


def pdfsig(output: Output) -> Word:
    """Every signature's cryptography, and that the last one covers the whole file."""
    said = _said("pdfsig", "-nocert", str(output.path))
    verdicts = re.findall(r"Signature Validation: (.*)", said)
    is_whole = said.rstrip().rpartition("Signature #")[2].find("Total document signed") >= 0
    good = sum(verdict.startswith("Signature is Valid") for verdict in verdicts)
    return Word.VALID if good == len(verdicts) == output.signatures and is_whole else Word.INVALID


def mutool(output: Output) -> Word:
    """Every signature's digest and value, and that nothing was changed after the last one."""
    said = _said("mutool", "sign", "-v", str(output.path))
    if "Digest error: Unknown error" in said and "PSS" in output.scheme:
        return Word.UNABLE  # MuPDF asks OpenSSL's older PKCS#7 functions, which know no PSS
    whole = said.count("The document is unchanged since signing.")
    earlier = said.count("The signature is valid but there have been edits since signing.")
    return Word.VALID if (whole, earlier) == (1, output.signatures - 1) else Word.INVALID


def openssl(output: Output) -> Word:
    """Each CMS over its byte range, with CAdES' signing certificate, up to the root, at the time of sealing."""
    pdf, folder = output.path.read_bytes(), output.path.parent
    found = re.findall(rb"/ByteRange ?\[ ?0 (\d+) (\d+) (\d+) ?\]", pdf)
    good = 0
    for numbers in found:
        before, after, rest = (int(number) for number in numbers)
        cms, content = folder / "cms.der", folder / "content"
        cms.write_bytes(bytes.fromhex(pdf[before + 1 : after - 1].decode("ascii")))
        content.write_bytes(pdf[:before] + pdf[after : after + rest])
        command = ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", str(cms)]
        command += ["-content", str(content), "-CAfile", str(folder / "root.pem"), "-out", "/dev/null"]
        command += ["-attime", str(int(NOW.timestamp()))]
        good += subprocess.run(command, capture_output=True, check=False).returncode == 0
    return Word.VALID if good == len(found) == output.signatures else Word.INVALID


PROGRAMS: Mapping[str, Callable[[Output], Word]] = {"pdfsig": pdfsig, "mutool": mutool, "openssl": openssl}


def versions() -> Mapping[str, str]:
    """Which programs these are."""
    asked = {"pdfsig": "-v", "mutool": "-v", "openssl": "version"}
    return {
        name: _said(name, option).splitlines()[0].partition("(")[0].strip() for name, option in asked.items()
    }


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout + done.stderr
