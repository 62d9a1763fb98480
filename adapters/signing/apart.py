"""A file that takes long to read is prepared, or read back, in a process of its own, which leaves the processors to everybody
else.

Strategy: a thread that reads for seconds takes the interpreter from everything else that its worker does, and cannot be
ended.  A process can: the kernel ends it where it takes too much, and no more than a few of its kind are waited for.
What it answers is parsed as data, for it has read what anybody may have sent.  Why so:
``docs/adr/0024-slow-files-give-way.md``.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import timedelta

from adapters.processors import as_we_began
from gateway.errors import Refused, Unavailable

CPU = timedelta(seconds=20)
"""Processor time for one file: twice what judging it may take, for it may have to be read twice."""

MEMORY_BYTES = 512 * 1024 * 1024
"""What one file may take above an idle process."""

_WITHIN = timedelta(minutes=20)
"""By the clock: it rests while others are at work, and shares its turns with all others that do."""

_AT_ONCE = 2
"""Each is waited for in one of the five threads, or more, that a worker has for whatever takes time."""

_SIZE = struct.Struct("!Q")
_places = threading.BoundedSemaphore(_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Of a ``Draft`` what the process says besides the update."""

    hole: tuple[int, int]
    field_name: str
    digest: bytes
    was_odd: bool
    shown: str
    hidden: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """An order to read a sealed file back: whether this field bears its seal."""

    name: str


def prepared(wish: object, pdf: bytes, *, cpu: timedelta = CPU) -> tuple[Told, bytes]:
    """What ``preparer`` makes of *wish* and *pdf* for *cpu* at most, and the update.  Waits for it.

    Raises what ``prepare_here`` raises, ``Refused("pdf-too-costly")`` where it takes too much time or memory, and
    ``Unavailable``: ``too-busy`` where the machine has no time for it now, ``seal-failed`` where it dies.
    """
    return decoded(_answer(wish, pdf, cpu))


def fault_of(sealed: bytes, field_name: str, *, cpu: timedelta = CPU) -> str:
    """What ``readback.read_back_as_pdf`` has against *sealed*, in a sentence; empty where it is as it should be.

    Waits for it.  Raises ``Refused("pdf-too-costly")`` and ``Unavailable`` as ``prepared`` does.
    """
    answer = _answer(Field(name=field_name), sealed, cpu)
    try:
        return str(json.loads(answer)["fault"])
    except (ValueError, KeyError, TypeError) as exc:
        raise Unavailable("seal-failed", "the process that reads the file back said nothing of use") from exc


def _answer(order: object, pdf: bytes, cpu: timedelta) -> bytes:
    """What the process says."""
    if not _places.acquire(blocking=False):
        raise Unavailable("too-busy", f"{_AT_ONCE} files that take long are being prepared")
    try:
        # An order is pickled by us for us; it holds nothing of the file.
        head = pickle.dumps((order, cpu))
        code, answer = _run(b"".join((_SIZE.pack(len(head)), head, pdf)))
    except subprocess.TimeoutExpired as exc:
        raise Unavailable("too-busy", "the machine has no time for a slow file") from exc
    except OSError as exc:
        raise Unavailable("seal-failed", exc.strerror or type(exc).__name__) from exc
    finally:
        _places.release()
    if code == -signal.SIGPROF:
        raise Refused("pdf-too-costly", "it took too much processor time to seal")
    if code:
        raise Unavailable("seal-failed", f"the process that prepares the file ended with {code}")
    return answer


def _run(order: bytes) -> tuple[int, bytes]:
    with as_we_began():
        process = subprocess.Popen(
            # Giving way comes before all else: to load the libraries takes half a second of a processor.
            [sys.executable, "-P", "-m", "adapters.giving_way", "adapters.signing.preparer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)),
        )
    with process:
        try:
            answer, _ = process.communicate(order, timeout=_WITHIN.total_seconds())
        except BaseException:
            process.kill()
            raise
    return process.returncode, answer


def order_in(raw: bytes) -> tuple[object, timedelta, bytes]:
    """The wish or field, the processor time and the file that were sent."""
    (size,) = _SIZE.unpack_from(raw)
    order, cpu = pickle.loads(raw[_SIZE.size : _SIZE.size + size])
    return order, cpu, raw[_SIZE.size + size :]


def encoded(told: Told, update: bytes) -> bytes:
    """An answer: a line of JSON, and the update."""
    return json.dumps(asdict(told) | {"digest": told.digest.hex()}).encode() + b"\n" + update


def encoded_refusal(refusal: Refused) -> bytes:
    """An answer, too."""
    return json.dumps({"refused": refusal.reason, "detail": refusal.detail}).encode() + b"\n"


def encoded_fault(fault: str) -> bytes:
    """An answer to a ``Field``."""
    return json.dumps({"fault": fault}).encode() + b"\n"


def decoded(answer: bytes) -> tuple[Told, bytes]:
    """The inverse of ``encoded``; raises the ``Refused`` of ``encoded_refusal``, and ``Unavailable("seal-failed")``
    for anything else."""
    head, _, update = answer.partition(b"\n")
    try:
        given = json.loads(head)
        if "refused" in given:
            raise Refused(str(given["refused"]), str(given["detail"]))
        start, end = given["hole"]
        return (
            Told(
                hole=(int(start), int(end)),
                field_name=str(given["field_name"]),
                digest=bytes.fromhex(given["digest"]),
                was_odd=bool(given["was_odd"]),
                shown=str(given["shown"]),
                hidden=str(given["hidden"]),
            ),
            update,
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise Unavailable("seal-failed", "the process that prepares the file said nothing of use") from exc
