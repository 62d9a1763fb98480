"""The process behind ``glance``: looks at one file under limits, and says what the policy makes of it.

python -m adapters.inspection.processes.onlooker CPU_SECONDS MEMORY_BYTES ORDER FILE
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from adapters.inspection.paper import structure
from adapters.inspection.paper.besides import Remark, remarks
from adapters.inspection.processes import wire
from adapters.limits import allow_cpu, restrict
from gateway.model.finding import Severity
from gateway.model.policy import Acceptance

_MAX_OBJECTS = 500_000
_MAX_STREAM_BYTES = 512 * 1024 * 1024


def main() -> None:
    """Look, and write what there is to say as one line."""
    cpu_s, memory_bytes, order, file = sys.argv[1:]
    _, acceptance = wire.decode_order(order.encode())
    restrict(int(memory_bytes))
    allow_cpu(float(cpu_s))
    told = [(one.code, one.severity.value, one.detail) for one in _seen(Path(file), acceptance)]
    print(json.dumps(told), flush=True)


def _seen(file: Path, acceptance: Acceptance) -> Sequence[Remark]:
    try:
        found = structure.examine(file, max_objects=_MAX_OBJECTS, max_stream_bytes=_MAX_STREAM_BYTES)
    except (MemoryError, RecursionError, structure.TooCostly) as exc:
        return [_error("pdf-too-costly", str(exc))]
    except structure.Encrypted:
        return [_error("pdf-encrypted")]
    except structure.Unreadable as exc:
        return [_error("pdf-unreadable", str(exc))]
    size = file.stat().st_size
    too_large = [_error("pdf-too-large", f"{size} bytes, {acceptance.max_bytes} at most")]
    return [*(too_large if size > acceptance.max_bytes else []), *remarks(found, acceptance)]


def _error(code: str, detail: str = "") -> Remark:
    return Remark(code=code, severity=Severity.ERROR, detail=detail)


if __name__ == "__main__":
    main()
