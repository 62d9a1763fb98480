"""The process behind ``apart``: prepares one file, or reads it back, under limits.

python -P -m adapters.giving_way adapters.signing.preparer      (the order on standard input, the answer on standard output)
"""

from __future__ import annotations

import os
import sys

from adapters.limits import allow_cpu, restrict
from adapters.signing import apart
from adapters.signing.pdf import Wish, prepare_here
from adapters.signing.readback import NotWhatWeSealed, read_back_here
from gateway.errors import Refused


def main() -> None:
    """Do what was ordered, and answer."""
    order, cpu, pdf = apart.order_in(sys.stdin.buffer.read())
    restrict(apart.MEMORY_BYTES)
    allow_cpu(cpu.total_seconds())
    if isinstance(order, apart.Field):
        answer = _read_back(order, pdf)
    else:
        assert isinstance(order, Wish)
        answer = _prepare(order, pdf)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    # To let go of what is left of the file, piece by piece, takes 0.08 s of a processor in which nothing can rest.
    os._exit(0)


def _read_back(field: apart.Field, sealed: bytes) -> bytes:
    try:
        read_back_here(sealed, field.name)
    except NotWhatWeSealed as fault:
        return apart.encoded_fault(str(fault))
    return apart.encoded_fault("")


def _prepare(wish: Wish, pdf: bytes) -> bytes:
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
