"""A PDF of 100,000,001 bytes, sealed by a process that does nothing else: how much memory that takes.

    python -m benchmarks.sign.huge FOLDER SIZE SHA256 OUT   (started by ``measure``)

The file comes from a vault and the sealed one goes back into it, as in the gateway; its seal is visible.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.store import FileVault, VaultOptions
from benchmarks.papers import page
from benchmarks.sign import materials, ours
from benchmarks.sign.peers import pdfsig_finds_valid
from gateway.config import LogSection
from gateway.model.payload import PayloadRef
from gateway.wiring import logs


def measure(folder: Path, size: int) -> dict[str, Any]:
    """Peak memory of the sealing process over the size of the file, and what ``pdfsig`` says of the output.

    ``peak_before`` is the same process with everything loaded, before it takes the file.
    """
    vault, out = folder / "huge-vault", folder / "huge.pdf"
    pdf = page(3, size).pdf
    if len(pdf) != size:
        raise AssertionError(f"{len(pdf)} bytes instead of {size}")
    digest = sha256(pdf).hexdigest()
    asyncio.run(_put(vault, pdf))
    del pdf
    command = [sys.executable, "-m", "benchmarks.sign.huge", str(folder), str(size), digest, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the sealing process failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    told["bytes"] = size
    told["ratio"] = told["peak_bytes"] / size
    told["pdfsig_valid"] = pdfsig_finds_valid(out)
    shutil.rmtree(vault)
    out.unlink()
    return told


async def _put(folder: Path, pdf: bytes) -> None:
    vault = FileVault(VaultOptions(folder=folder))
    await vault.put(pdf)
    await vault.close()


async def _seal(folder: Path, ref: PayloadRef, out: Path) -> dict[str, Any]:
    vault = FileVault(VaultOptions(folder=folder / "huge-vault"))
    sealer = ours.sealer(folder / "keys", vault)
    small = PayloadRef.of((folder / materials.PDF_NAME).read_bytes())
    await sealer.seal(small, ours.order())
    before, began = _peak(), time.perf_counter()
    sealed = await sealer.seal(ref, ours.order())
    took = time.perf_counter() - began
    # many bytes lie in a file without a name, few ride along
    kept = await vault.put(sealed.payload.body or vault.open(sealed.payload))
    peak = _peak()
    with out.open("wb") as file:
        async for chunk in vault.open(kept.bare()):
            file.write(chunk)
    await vault.close()
    return {"peak_bytes": peak, "peak_before": before, "seconds": took}


def _peak() -> int:
    # Not getrusage: its maximum is inherited from whoever started the process.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) * 1024


def main() -> None:
    """The sealing process."""
    folder, size, digest, out = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    logs.set_up(LogSection(), None)  # as `vanthu work` logs
    print(json.dumps(asyncio.run(_seal(folder, PayloadRef(sha256=digest, size=size), out))))


if __name__ == "__main__":
    main()
