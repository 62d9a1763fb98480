"""Faults that the harness must find: without them, a clean run would prove nothing.

Each is a reader with a mistake that real readers have made, put before the judge (or converter) through the parameter
that every target has for it.  None is met by a seed: only a certain structure leads there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from adapters.inspection.judge import Options, judge
from gateway.model.signature import Indication, Inspection, Verdict
from tests.fuzz.envelopes import loses

_START = re.compile(rb"startxref\s+(\d{1,9})")
_PREV = re.compile(rb"/Prev\s+(\d{1,9})")
_CONTENTS = re.compile(rb"/Contents ?<([0-9A-Fa-f]+)>")


def hang(data: bytes, options: Options) -> Inspection:
    """Follows /Prev from table to table, and does not remember where it has been."""
    starts = _START.findall(data)
    at = int(starts[-1]) if starts else -1
    while 0 <= at < len(data) and data[at : at + 4] == b"xref":
        previous = _PREV.search(data, at)
        at = int(previous[1]) if previous else -1
    return judge(data, options)


def hang_in_cms(data: bytes, options: Options) -> Inspection:
    """Goes from element to element by their lengths, and takes an indefinite one for no way at all."""
    found = _CONTENTS.search(data)
    contents = bytes.fromhex(found[1].decode()) if found and len(found[1]) % 2 == 0 else b""
    at = 0
    while at + 1 < len(contents) and contents[at]:
        tag, length = contents[at], contents[at + 1]
        if tag & 0x20 and length != 0x80:
            at += 2 + (length & 0x7F if length > 0x80 else 0)  # look inside
        elif length != 0x80:
            at += 2 + length
    return judge(data, options)


def crash(data: bytes, options: Options) -> Inspection:
    """Believes that every ByteRange has four numbers."""
    for found in re.finditer(rb"/ByteRange ?\[([^\]]*)\]", data):
        _, _, _, _ = found[1].split()
    return judge(data, options)


def false_valid(data: bytes, options: Options) -> Inspection:
    """Takes a signature over other bytes for a signature over these."""
    inspection = judge(data, options)
    reports = tuple(
        replace(report, indication=Indication.PASSED, sub_indication="")
        if report.sub_indication == "HASH_FAILURE"
        else report
        for report in inspection.signatures
    )
    if reports == inspection.signatures or any(one.indication is not Indication.PASSED for one in reports):
        return inspection
    return replace(inspection, verdict=Verdict.VALID, signatures=reports)


ALL: dict[str, tuple[str, Callable[..., Any]]] = {
    "hang": ("pdf", hang),
    "hang-in-cms": ("cms", hang_in_cms),
    "crash": ("pdf", crash),
    "valid": ("pdf", false_valid),
    "loss": ("edxml", loses),
}
"""By name: the target that it is planted in, and the judge (the converter) with the fault."""
