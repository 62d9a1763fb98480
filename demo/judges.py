"""What was sealed, and what two judges say of it: ours, by its command, and poppler's ``pdfsig``.

A sealed PDF must be the signed one with the seal added behind it: its first bytes are those that the leader
signed.  All recipients of a document must hold the very same bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from demo.edxml import File, Letter, Received

JUDGE_WITHIN_S = 300.0
SIGNATURES = 2  # the leader's and the agency's seal


class JudgeMissing(Exception):
    """A judge is not on this machine or does not answer; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed PDF as it was delivered."""

    path: Path
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one file before the judges; ``judges`` has each one's word."""

    sealed: Sealed
    judges: Mapping[str, str]

    @property
    def verdict(self) -> str:
        """``valid`` where all judges say so, else the first other word."""
        return next((word for word in self.judges.values() if word != "valid"), "valid")


@dataclass(slots=True)
class Archive:
    """Where the PDFs out of the deliveries are put aside."""

    folder: Path
    sealed: list[Sealed] = field(default_factory=list)
    _announced: dict[str, Letter] = field(default_factory=dict)
    _digests: dict[tuple[str, int], str] = field(default_factory=dict)

    def announce(self, letter: Letter) -> None:
        """This is about to be sent."""
        self._announced[letter.document_id] = letter

    async def keep(self, document: str, received: Received) -> Sequence[str]:
        """Put the PDFs of *received* aside; what is wrong with it, in words."""
        letter = self._announced.get(received.reference.document_id)
        if letter is None or letter.sender.code != received.sender:
            return [f"{document}: nobody sent {received.reference.document_id}"]
        faults = []
        if (letter.code, letter.subject, letter.priority) != (
            received.code,
            received.subject,
            received.priority,
        ):
            faults.append(f"{document}: its header is not as it was sent")
        if len(received.hops) < 2:
            faults.append(f"{document}: the gateway's TraceHeader is missing")
        if [file.name for file in letter.files] != [file.name for file in received.files]:
            return [*faults, f"{document}: its attachments are not those that were sent"]
        for index, (sent, came) in enumerate(zip(letter.files, received.files, strict=True)):
            faults += await self._keep_file(document, index, sent, came)
        return faults

    async def _keep_file(self, document: str, index: int, sent: File, came: File) -> list[str]:
        if not sent.body.startswith(b"%PDF-"):
            return [] if came.body == sent.body else [f"{document}: {sent.name} arrived changed"]
        digest = sha256(came.body).hexdigest()
        known = self._digests.setdefault((document, index), digest)
        if known != digest:
            return [f"{document}: two recipients hold different bytes of {sent.name}"]
        path = self.folder / f"{document}-{index + 1}.pdf"
        if any(sealed.path == path for sealed in self.sealed):
            return []
        self.sealed.append(Sealed(path=path, document=document))
        await asyncio.to_thread(path.write_bytes, came.body)
        if not came.body.startswith(sent.body):
            return [f"{document}: the bytes that the leader signed did not arrive verbatim"]
        return [] if len(came.body) > len(sent.body) else [f"{document}: {sent.name} carries no seal"]


async def judge(sealed: Sequence[Sealed], var: Path) -> list[Verdict]:
    """Every file before both judges; raises ``JudgeMissing``."""
    ours, theirs = await asyncio.gather(_ours(sealed, var), _pdfsig(sealed))
    return [
        Verdict(sealed=one, judges={"vanthu": ours[one.path], "pdfsig": theirs[one.path]}) for one in sealed
    ]


async def _ours(sealed: Sequence[Sealed], var: Path) -> Mapping[Path, str]:
    words: dict[Path, str] = {}
    if not sealed:
        return words
    files = [str(one.path) for one in sealed]
    command = (sys.executable, "-m", "gateway.cli", "verify", "--var", str(var), "--json")
    out = await _run(*command, *files)
    for line in out.splitlines():
        entry = json.loads(line)
        words[Path(entry["file"])] = str(entry["verdict"])
    return {one.path: words.get(one.path, "unheard") for one in sealed}


async def _pdfsig(sealed: Sequence[Sealed]) -> Mapping[Path, str]:
    places = asyncio.Semaphore(4)

    async def ask(path: Path) -> tuple[Path, str]:
        async with places:
            return path, _read(await _run("pdfsig", "-nocert", str(path)))

    return dict(await asyncio.gather(*(ask(one.path) for one in sealed)))


def _read(answer: str) -> str:
    """``valid``: as many signatures as there must be, each valid, the last one over the whole file."""
    signatures = answer.split("Signature #")[1:]
    if len(signatures) != SIGNATURES:
        return f"{len(signatures)} signatures instead of {SIGNATURES}"
    if not all("Signature Validation: Signature is Valid." in one for one in signatures):
        return "a signature is not valid"
    return "valid" if "- Total document signed" in signatures[-1] else "the seal does not cover the file"


async def _run(*command: str) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as exc:
        raise JudgeMissing(
            f"{command[0]} is missing: install the Debian package poppler-utils "
            "(apt-get install poppler-utils)"
        ) from exc
    try:
        async with asyncio.timeout(JUDGE_WITHIN_S):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if not out:
        raise JudgeMissing(f"{' '.join(command[:4])} said nothing: {err.decode(errors='replace')[-500:]}")
    return out.decode("utf-8", "replace")
