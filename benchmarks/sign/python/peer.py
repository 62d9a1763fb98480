"""One Python library as the benchmark asks for it, in a virtual environment of its own.

    python peer.py pdfsignerpy|endesive IN.pdf KEY.p12 PASSPHRASE OUT.pdf

For every line with a number on standard input that many signatures, answered for each with its milliseconds by the
clock and of processor, and whether the thread lost the processor meanwhile; the last signed file stays.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import types
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def pdfsignerpy(source: Path, keys: Path, passphrase: str, out: Path) -> Callable[[], None]:
    """A library in Rust.  It takes files and gives files, and opens the key each time."""
    import pdfsigner  # type: ignore[import-not-found]  # it is in the peers' environment

    return lambda: pdfsigner.sign_pdf(str(source), str(out), str(keys), passphrase, level="bb")


def endesive(source: Path, keys: Path, passphrase: str, out: Path) -> Callable[[], None]:
    """A library in Python.  The key stays loaded, and room is reserved, which spares it a second signature."""
    from cryptography.hazmat.primitives.serialization import pkcs12

    cms = _signing_half_of_endesive()
    key, certificate, above = pkcs12.load_key_and_certificates(keys.read_bytes(), passphrase.encode())
    pdf = source.read_bytes()

    def sign() -> None:
        now = datetime.now(UTC).strftime("D:%Y%m%d%H%M%S+00'00'")
        wish = {
            "aligned": 16384,
            "sigflags": 3,
            "sigfield": "Signature1",
            "contact": "",
            "location": "",
            "reason": "",
            "signingdate": now,
        }
        out.write_bytes(pdf + cms.sign(pdf, wish, key, certificate, above, "sha256"))

    return sign


def _signing_half_of_endesive() -> Any:
    # Its package loads the verifying half, too, and that a library which does not start where OpenSSL's
    # version ends in two digits (3.0.17).  Signing needs none of it.
    found = find_spec("endesive")
    assert found is not None
    assert found.submodule_search_locations is not None
    package = types.ModuleType("endesive.pdf")
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / "pdf")]
    sys.modules["endesive.pdf"] = package
    from endesive.pdf import cms  # type: ignore[import-not-found]  # it is in the peers' environment

    return cms


def interruptions() -> int:
    """How often this thread lost the processor to somebody else."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw


def main() -> None:
    """The command."""
    name, *given = sys.argv[1:]
    source, keys, passphrase, out = Path(given[0]), Path(given[1]), given[2], Path(given[3])
    sign = {"pdfsignerpy": pdfsignerpy, "endesive": endesive}[name](source, keys, passphrase, out)
    for order in sys.stdin:
        took = []
        for _ in range(int(order)):
            before, cpu, began = interruptions(), time.process_time(), time.perf_counter()
            sign()
            ms, cpu_ms = (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000
            took.append((ms, cpu_ms, interruptions() > before))
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
