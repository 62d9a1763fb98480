"""Signature wrapping: the signed bytes are moved away, and others are read in their place.

See "1 Trillion Dollar Refund" (CCS 2019), class SWA.  The byte range, which no digest protects against
being read elsewhere, is stretched; what is put into the gap is what a reader finds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pikepdf

from tests.inspection.files import leader
from tests.signing.pdfs import a_pdf
from tests.vectors.attacks import papers
from tests.vectors.attacks.revisions import (
    ROOM,
    Span,
    byte_range,
    gap_of,
    number_of_signature,
    opening,
    prepared,
    signed_by_hand,
    start_of,
    stream,
    text,
    with_keys,
)

_OTHER = stream(text(b"Something else"))


def moved(inserted: Callable[[int, bytes], bytes]) -> Callable[[bytes], bytes]:
    """The second signed part stands later by what *inserted* makes (of the place, and of the signed file).

    The old dictionary is signed as it was, so its range cannot say so: the range in the gap does.
    """

    def attack(signed: bytes) -> bytes:
        after = gap_of(signed)[1]
        smuggled = inserted(after, signed)
        return signed[:after] + smuggled + signed[after:]

    return attack


def _a_table(at: int, signed: bytes) -> bytes:
    """A content of its own and a table that leads there."""
    body = b"\n4 0 obj\n%s\nendobj\n" % _OTHER
    table = (
        b"xref\n4 1\n%010d 00000 n \ntrailer\n<< /Size 99 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
    )
    return body + table % (at + 1, start_of(signed), at + len(body))


def range_stretched(signed: bytes) -> bytes:
    """The range in the dictionary is changed to skip what was put in."""
    before, after, found = byte_range(signed)
    smuggled = _a_table(after, signed)
    longer = signed[:after] + smuggled + signed[after:]
    line = b"/ByteRange [0 %d %d %d]" % (before, after + len(smuggled), len(signed) - after)
    blank = signed[found.end() : found.end() + 20]
    room = len(found[0]) + len(blank) - len(blank.lstrip(b" "))
    return longer[: found.start()] + line.ljust(room) + longer[found.start() + room :]


def wrapped(signed: bytes) -> bytes:
    """The attack of the paper: digest and value are right, and another page is shown.

    The gap holds empty contents, all objects with another page content, a copy of the signature dictionary whose range
    skips the whole gap, and a table just where the signed startxref points to.
    """
    before, after, _ = byte_range(signed)
    digits, start = signed[before : after - 1].rstrip(b"0") + b"0>", start_of(signed)
    signature = number_of_signature(signed, "Leader")
    with opening(signed) as opened:
        objects = {
            one.objgen[0]: _body(one)
            for one in opened.objects
            if isinstance(one, pikepdf.Dictionary | pikepdf.Array | pikepdf.Stream)
        }
        root = opened.Root.objgen[0]
    objects[papers.CONTENT] = _OTHER
    room = b"/ByteRange [0 %010d %010d %010d]"
    kind = with_keys(signed, signature, {"/ByteRange": None, "/Contents": None}).rstrip(b"> ")
    objects[signature] = kind + b" " + room % (0, 0, 0) + b" /Contents " + digits + b" >>"
    smuggled = bytearray(b"<> >>\nendobj\n")
    places = {}
    for number, body in objects.items():
        places[number] = before + len(smuggled)
        smuggled += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    assert start >= before + len(smuggled)
    smuggled = smuggled.ljust(start - before)
    smuggled += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in sorted(places.items()):
        smuggled += b"%d 1\n%010d 00000 n \n" % (number, place)
    smuggled += b"trailer\n<< /Size %d /Root %d 0 R >>\n" % (max(places) + 1, root)
    second = before + len(smuggled)
    line = room % (before, second, len(signed) - after)
    return signed[:before] + bytes(smuggled).replace(room % (0, 0, 0), line) + signed[after:]


def _body(one: pikepdf.Object) -> bytes:
    if not isinstance(one, pikepdf.Stream):
        return one.unparse(resolved=True)
    return one.stream_dict.unparse(resolved=True) + b"\nstream\n" + one.read_raw_bytes() + b"\nendstream"


def second_range(signed: bytes) -> bytes:
    """A second /ByteRange and /Contents stand in the gap, behind a bracket that closes too early."""
    before, after = gap_of(signed)
    digits = signed[before + 1 : after - 1].rstrip(b"0")
    extra = b"<00> /ByteRange [0 %d %d %d] /Contents <%s>" % (before, after, len(signed) - after, digits)
    room = after - before
    if len(extra) > room:
        extra = extra[:room]
    return signed[:before] + extra.ljust(room) + signed[after:]


def _wide_gap(smuggle: Callable[[int, int], bytes], *, is_last: bool = False) -> Callable[[], bytes]:
    """Signed so from the start: the gap is wider than /Contents, and holds something to be found."""

    def make() -> bytes:
        pdf = prepared(papers.rich())
        after = gap_of(pdf)[1]
        smuggled = smuggle(after, start_of(pdf))
        pdf = pdf[:after] + smuggled + pdf[after:]
        # the table and the startxref have moved
        moved_by = len(smuggled)
        at = start_of(pdf)
        pdf = pdf[: pdf.rindex(b"startxref")] + b"startxref\n%d\n%%%%EOF\n" % (
            after + smuggled.rindex(b"xref\n", 0, smuggled.rindex(b"trailer")) if is_last else at + moved_by
        )
        change: Callable[[Span], Span] = lambda s: (s[0], s[1], s[2] + moved_by, s[3] - moved_by)  # noqa: E731
        return signed_by_hand(pdf, leader(), change=change)

    return make


def _an_object(at: int, _: int) -> bytes:
    del at
    return b" /Smuggled (%s)" % (b"x" * 40)


def _objects_and_table(at: int, old: int) -> bytes:
    del old
    body = b">>\nendobj\n4 0 obj\n%s\nendobj\n" % _OTHER
    table_at = at + len(body)
    return body + b"xref\n4 1\n%010d 00000 n \ntrailer\n<< /Size 99 /Root 1 0 R /Prev %d >>\n" % (
        at + 10,
        table_at,
    )


def _contents_twice() -> bytes:
    """Two /Contents in one dictionary: the range leaves out the second, readers may take the first."""
    pdf = prepared(a_pdf(), contents=b"/Contents <00> /Contents <%s>" % (b"0" * 2 * ROOM))
    return signed_by_hand(pdf, leader())


def _range_twice() -> bytes:
    """Two /ByteRange in one dictionary."""
    pdf = prepared(a_pdf(), entries=b"/SubFilter /adbe.pkcs7.detached /ByteRange [0 9 20 9]")
    return signed_by_hand(pdf, leader())


def _signature_within_a_comment(signed: bytes) -> bytes:
    """The range is commented out and given anew behind it."""
    *_, found = byte_range(signed)
    return re.sub(re.escape(found[0]), b"%" + found[0][1:], signed)


OF_A_SIGNED_FILE: Mapping[str, Callable[[bytes], bytes]] = {
    "objects and a table in the gap": moved(_a_table),
    "an object in the gap": moved(lambda *_: b"\n4 0 obj\n%s\nendobj\n" % _OTHER),
    "blanks in the gap": moved(lambda *_: b" " * 100),
    "wrapped as in the paper": wrapped,
    "the range skips what was put into the gap": range_stretched,
    "a second range in the gap": second_range,
    "the range within a comment": _signature_within_a_comment,
}
"""From a file that ``leader`` alone signed to one that must not be valid."""

TRUE_BUT_ODD: Mapping[str, Callable[[], bytes]] = {
    "a key in the gap": _wide_gap(_an_object),
    "blanks in the gap behind the contents": _wide_gap(lambda *_: b" " * 50),
    "a comment in the gap": _wide_gap(lambda *_: b"%" + b"x" * 50 + b"\n"),
    "objects and a table in the gap, unused": _wide_gap(_objects_and_table),
    "objects and a table in the gap, used": _wide_gap(_objects_and_table, is_last=True),
    "two contents": _contents_twice,
    "two ranges": _range_twice,
}
"""Signed as they are: the arithmetic is right, and they must not be valid all the same."""
