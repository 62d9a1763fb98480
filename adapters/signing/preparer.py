"""The process behind ``apart``: prepares one file under limits, and leaves the processors to everybody else.

python -P -m adapters.signing.preparer      (the order on standard input, the answer on standard output)
"""

from __future__ import annotations

import sys

from adapters.limits import GIVES_WAY, allow_cpu, give_way, restrict
from adapters.signing import apart
from adapters.signing.pdf import Wish, prepare_here
from gateway.errors import Refused


def main() -> None:
    """Prepare, and answer."""
    give_way(GIVES_WAY)
    wish, cpu, pdf = apart.order_in(sys.stdin.buffer.read())
    assert isinstance(wish, Wish)
    restrict(apart.MEMORY_BYTES)
    allow_cpu(cpu.total_seconds())
    sys.stdout.buffer.write(_answer(wish, pdf))
    sys.stdout.buffer.flush()


def _answer(wish: Wish, pdf: bytes) -> bytes:
    try:
        draft = prepare_here(pdf, wish)
    except Refused as refusal:
        return apart.encoded_refusal(refusal)
    told = apart.Told(
        hole=draft.hole,
        field_name=draft.field_name,
        digest=draft.digest,
        was_odd=draft.was_odd,
        shown=draft.shown,
        hidden=draft.hidden,
    )
    return apart.encoded(told, bytes(draft.update))


if __name__ == "__main__":
    main()
