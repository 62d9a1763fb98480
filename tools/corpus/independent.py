"""What programs that share no code with us say of a sealed file: poppler, MuPDF and OpenSSL.

Each answers with an empty text where it accepts the seal, else with its own words.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {"pdfsig": "poppler-utils", "mutool": "mupdf-tools", "openssl": "openssl"}
"""The programs, and the Debian packages that have them."""

WITHIN_S = 120.0
_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed file, who sealed it in which field, and the file with the root to trust."""

    path: Path
    field: str
    signer: str
    root: Path


def missing() -> Mapping[str, str]:
    """The programs that this machine has not, and their packages."""
    return {name: package for name, package in PACKAGES.items() if shutil.which(name) is None}


async def accepted(sealed: Sealed) -> Mapping[str, str]:
    """What each program has against the seal."""
    pdfsig, mutool, openssl = await asyncio.gather(_pdfsig(sealed), _mutool(sealed), _openssl(sealed))
    return {"pdfsig": pdfsig, "mutool sign -v": mutool, "openssl cms -verify": openssl}


async def _pdfsig(sealed: Sealed) -> str:
    _, told = await _run("pdfsig", "-nocert", str(sealed.path))
    ours = [one for one in told.split("Signature #")[1:] if f"Signature Field Name: {sealed.field}\n" in one]
    if len(ours) != 1:
        return f"finds {len(ours)} signatures in {sealed.field}: {_last_line(told)}"
    if "Signature Validation: Signature is Valid." not in ours[0]:
        return _last_line(ours[0])
    return "" if "Total document signed" in ours[0] else "the seal does not cover the file"


async def _mutool(sealed: Sealed) -> str:
    _, told = await _run("mutool", "sign", "-v", str(sealed.path))
    signed = [one for one in told.split("Verifying signature ")[1:] if f"cn={sealed.signer}," in one]
    if not signed:
        return f"finds no signature of {sealed.signer}: {_last_line(told)}"
    last = signed[-1]
    # the certificate is not its matter: it has no place where our root could be put
    return "" if "unchanged since signing" in last and "Digest error" not in last else _last_line(last)


async def _openssl(sealed: Sealed) -> str:
    data = await asyncio.to_thread(sealed.path.read_bytes)
    ranges = list(_BYTE_RANGE.finditer(data))
    if not ranges:
        return "no ByteRange"
    first, before, after, rest = (int(number) for number in ranges[-1].groups())
    hole = data[first + before : after]
    if first or after + rest != len(data) or hole[:1] != b"<" or hole[-1:] != b">":
        return "the last ByteRange does not cover the file"
    cms, content = sealed.path.with_suffix(".cms"), sealed.path.with_suffix(".content")
    try:
        cms.write_bytes(bytes.fromhex(hole[1:-1].decode()))
        with content.open("wb") as file:
            file.write(memoryview(data)[:before])
            file.write(memoryview(data)[after:])
        code, told = await _run(
            *("openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", str(cms)),
            *("-content", str(content), "-CAfile", str(sealed.root), "-out", os.devnull),
        )
    finally:
        cms.unlink(missing_ok=True)
        content.unlink(missing_ok=True)
    return "" if code == 0 else _last_line(told)


async def _run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            out, _ = await process.communicate()
    except TimeoutError:
        return -1, f"no answer within {WITHIN_S:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, out.decode("utf-8", "replace")


def _last_line(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "says nothing"
