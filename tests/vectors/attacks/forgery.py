"""Universal signature forgery and its kin: the signature itself is taken apart.

See "1 Trillion Dollar Refund" (CCS 2019), class USF.  ``OF_A_SIGNED_FILE`` change one that a leader has
signed; ``TRUE_BUT_ODD`` are true signatures (digest and value are right) that do not say what they seem to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.inspection.files import leader
from tests.signing.pdfs import a_pdf
from tests.vectors.attacks import papers
from tests.vectors.attacks.revisions import (
    ROOM,
    Span,
    byte_range,
    changed,
    cms_of,
    gap_of,
    number_of_field,
    number_of_signature,
    prepared,
    signed_by_hand,
    size_of,
    stream,
    text,
    updated,
    with_keys,
)

_SUB_FILTER = b"/SubFilter /adbe.pkcs7.detached"


def range_written(line: bytes) -> Callable[[bytes], bytes]:
    """The value of /ByteRange is *line* (``%d`` are the true second to fourth numbers)."""

    def attack(signed: bytes) -> bytes:
        *_, found = byte_range(signed)
        given = tuple(int(n) for n in found.groups())[: line.count(b"%d")]
        other = b"/ByteRange " + line % given
        if len(other) > len(found[0]):
            # the padding behind it is ours to use
            blank = signed[found.end() : found.end() + 60]
            assert blank.startswith(b" " * (len(other) - len(found[0])))
            return signed[: found.start()] + other + signed[found.start() + len(other) :]
        return signed[: found.start()] + other.ljust(len(found[0])) + signed[found.end() :]

    return attack


def contents_written(value: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The value of /Contents is what *value* makes of the true hex digits, in the same room."""

    def attack(signed: bytes) -> bytes:
        before, after = gap_of(signed)
        other = value(signed[before + 1 : after - 1])
        assert len(other) <= after - before
        return signed[:before] + other.ljust(after - before) + signed[after:]

    return attack


def key_renamed(key: bytes, other: bytes) -> Callable[[bytes], bytes]:
    """A key of the signature dictionary is called otherwise: it is missing."""

    def attack(signed: bytes) -> bytes:
        at = signed.rindex(key, 0, gap_of(signed)[0] + 1 if key == b"/Contents" else len(signed))
        return signed[:at] + other + signed[at + len(key) :]

    return attack


def dictionary_changed(keys: Mapping[str, bytes | None]) -> Callable[[bytes], bytes]:
    """A later revision holds the signature dictionary with *keys* otherwise."""
    return lambda signed: changed(signed, {number_of_signature(signed, "Leader"): keys})


def field_points_to_a_copy(signed: bytes) -> bytes:
    """A later revision leads the field to a copy of the signature dictionary with another reason."""
    number, copy = number_of_signature(signed, "Leader"), size_of(signed)
    return changed(
        signed,
        {number_of_field(signed, "Leader"): {"/V": b"%d 0 R" % copy}},
        {copy: with_keys(signed, number, {"/Reason": b"(Another reason)"})},
    )


def a_second_field_with_the_same_signature(signed: bytes) -> bytes:
    """A later revision has one more field that shows the leader's signature as its own, on another page."""
    form, new = papers.FIELDS, size_of(signed)
    leader_field = number_of_field(signed, "Leader")
    widget = (
        b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (Copy) /V %d 0 R /Rect [72 72 300 200] /F 4 /P 10 0 R"
    )
    return updated(
        signed,
        {
            form: b"[20 0 R 22 0 R 25 0 R 26 0 R %d 0 R %d 0 R]" % (leader_field, new),
            papers.SECOND_PAGE: with_keys(signed, papers.SECOND_PAGE, {"/Annots": b"[%d 0 R]" % new}),
            new: widget % number_of_signature(signed, "Leader") + b" >>",
        },
    )


def copied_to_another_file(signed: bytes) -> bytes:
    """The leader's CMS object stands in a file that the leader never saw."""
    before, after = gap_of(signed)
    digits = signed[before + 1 : after - 1].rstrip(b"0")
    other = prepared(
        a_pdf(extra={4: stream(text(b"Something else"))}),
        field="Leader",
        entries=_SUB_FILTER,
        contents=b"/Contents <%s>" % (digits + b"0" * (32768 - len(digits))),
    )
    start, end = gap_of(other)
    place = other.rindex(b"/ByteRange [0 **********")
    line = b"/ByteRange [0 %d %d %d]" % (start, end, len(other) - end)
    return other[:place] + line.ljust(47) + other[place + 47 :]


def _no_digits(_: bytes) -> bytes:
    return b"<>"


OF_A_SIGNED_FILE: Mapping[str, Callable[[bytes], bytes]] = {
    # /Contents
    "contents are empty": contents_written(_no_digits),
    "contents are one zero byte": contents_written(lambda _: b"<00>"),
    "contents are null": contents_written(lambda _: b"null"),
    "contents are zeros": contents_written(lambda digits: b"<%s>" % (b"0" * len(digits))),
    "contents are a name": contents_written(lambda _: b"/None"),
    "contents are a number": contents_written(lambda _: b"-1"),
    "contents are a reference to nothing": contents_written(lambda _: b"999 0 R"),
    "contents are a reference to a page": contents_written(lambda _: b"3 0 R"),
    "contents are an array": contents_written(lambda digits: b"[<%s>]" % digits.rstrip(b"0")[:-1]),
    "contents are a dictionary": contents_written(lambda _: b"<< >>"),
    "contents are missing": key_renamed(b"/Contents", b"/Kontents"),
    "contents are the first half": contents_written(lambda digits: b"<%s>" % digits[:2000]),
    "contents are in a second key": contents_written(
        lambda digits: b"<00> /Contents <%s>" % digits.rstrip(b"0").ljust(len(digits) - 60, b"0")
    ),
    # /ByteRange
    "range is missing": key_renamed(b"/ByteRange", b"/ByteRang_"),
    "range is null": range_written(b"null"),
    "range is empty": range_written(b"[]"),
    "range is a number": range_written(b"0"),
    "range has one number": range_written(b"[0]"),
    "range has two numbers": range_written(b"[0 %d]"),
    "range has three numbers": range_written(b"[0 %d %d]"),
    "range has five numbers": range_written(b"[0 %d %d %d 0]"),
    "range has six numbers": range_written(b"[0 %d %d %d 0 0]"),
    "range is zeros": range_written(b"[0 0 0 0]"),
    "range is negative": range_written(b"[0 -%d %d %d]"),
    "range begins below zero": range_written(b"[-1 %d %d %d]"),
    "range is huge": range_written(b"[0 99999999999 9 9]"),
    "range has text": range_written(b"[0 %d %d (%d)]"),
    "range has names": range_written(b"[/a /b /c /d]"),
    "range has nulls": range_written(b"[null null null null]"),
    "range is a reference": range_written(b"999 0 R"),
    "range has references": range_written(b"[0 999 0 R %d %d]"),
    "range ends later than the file": range_written(b"[0 %d %d 9%d]"),
    "range is turned round": range_written(b"[%d 0 0 %d]"),
    # the kind
    "kind is missing": key_renamed(b"/SubFilter", b"/SubFilte_"),
    "kind is unknown": lambda signed: signed.replace(b"/ETSI.CAdES.detached", b"/ETSI.CAdES.detache_"),
    "kind is old": lambda signed: signed.replace(b"/ETSI.CAdES.detached", b"/adbe.pkcs7.sha1    "),
    "kind is a time-stamp": lambda signed: signed.replace(b"/ETSI.CAdES.detached", b"/ETSI.RFC3161       "),
    # by a later revision
    "dictionary without contents": dictionary_changed({"/Contents": None}),
    "dictionary with null contents": dictionary_changed({"/Contents": b"null"}),
    "dictionary with empty contents": dictionary_changed({"/Contents": b"<>"}),
    "dictionary without a range": dictionary_changed({"/ByteRange": None}),
    "dictionary with a null range": dictionary_changed({"/ByteRange": b"null"}),
    "dictionary with another reason": dictionary_changed({"/Reason": b"(Another reason)"}),
    "dictionary with another name": dictionary_changed({"/Name": b"(Somebody else)"}),
    "dictionary with another time": dictionary_changed({"/M": b"(D:20300101000000Z)"}),
    "dictionary with another kind": dictionary_changed({"/SubFilter": b"/adbe.pkcs7.detached"}),
    "dictionary without its reference": dictionary_changed({"/Reference": None}),
    "dictionary is another's copy": field_points_to_a_copy,
    "one signature in two fields": a_second_field_with_the_same_signature,
    "copied to another file": copied_to_another_file,
}
"""From a file that ``leader`` signed to one that must not be valid."""


def _over(change: Callable[[Span], Span]) -> Callable[[], bytes]:
    return lambda: signed_by_hand(prepared(papers.rich()), leader(), change=change)


def _holding(filled: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: signed_by_hand(prepared(papers.rich()), leader(), filled=filled)


def _described(entries: bytes) -> Callable[[], bytes]:
    return lambda: signed_by_hand(prepared(papers.rich(), entries=entries), leader())


def _carries_its_content() -> bytes:
    return signed_by_hand(prepared(a_pdf()), leader(), is_detached=False)


def _contents_elsewhere() -> bytes:
    """/Contents is a reference; the object that it leads to is the gap."""
    pdf = prepared(papers.rich(), contents=b"/Contents %d 0 R" % (size_of(papers.rich()) + 2))
    number = size_of(pdf)
    pdf = updated(pdf, {number: b"<%s>" % (b"0" * 2 * ROOM)})
    place = re.search(rb"<0{%d}>" % (2 * ROOM), pdf)
    assert place is not None
    before, after = place.span()
    line = b"/ByteRange [0 %d %d %d]" % (before, after, len(pdf) - after)
    at = pdf.rindex(b"/ByteRange [0 **********")
    pdf = pdf[:at] + line.ljust(47) + pdf[at + 47 :]
    digits = cms_of(pdf[:before] + pdf[after:], leader()).hex().encode()
    return pdf[: before + 1] + digits.ljust(2 * ROOM, b"0") + pdf[after - 1 :]


TRUE_BUT_ODD: Mapping[str, Callable[[], bytes]] = {
    "covers nothing but its own dictionary": _over(lambda s: (s[1] - 100, 100, s[2], s[3])),
    "covers the first byte alone": _over(lambda s: (0, 1, s[2], s[3])),
    "covers nothing": _over(lambda s: (0, 0, 0, 0)),
    "covers the beginning alone": _over(lambda s: (0, s[1])),
    "covers the beginning and nothing": _over(lambda s: (0, s[1], s[2], 0)),
    "covers the page's text twice": _over(lambda s: (0, s[1], 0, s[1])),
    "covers its parts the wrong way round": _over(lambda s: (s[2], s[3], 0, s[1])),
    "covers all but the cross-reference": _over(lambda s: (0, s[1], s[2], s[3] - 200)),
    "covers all but the last line": _over(lambda s: (0, s[1], s[2], s[3] - 6)),
    "leaves a byte before the gap": _over(lambda s: (0, s[1] - 1, s[2], s[3])),
    "leaves a byte behind the gap": _over(lambda s: (0, s[1], s[2] + 1, s[3] - 1)),
    "covers the brackets": _over(lambda s: (0, s[1] + 1, s[2] - 1, s[3] + 1)),
    "has three parts": _over(lambda s: (0, 100, 100, s[1] - 100, s[2], s[3])),
    "has an empty third part": _over(lambda s: (0, s[1], s[2], s[3], 0, 0)),
    "has parts that overlap": _over(lambda s: (0, s[1], s[1] - 10, s[3])),
    "is followed by another in the gap": _holding(lambda cms: cms + cms),
    "carries its content with it": _carries_its_content,
    "has its contents elsewhere": _contents_elsewhere,
    "has no kind": _described(b""),
    "has an empty kind": _described(b"/SubFilter /"),
    "has a kind of text": _described(b"/SubFilter (adbe.pkcs7.detached)"),
    "claims to be a time-stamp": _described(b"/SubFilter /ETSI.RFC3161"),
    "has another's kind": _described(b"/SubFilter /adbe.x509.rsa_sha1"),
}
"""Signed as they are: the arithmetic is right, and they must not be valid all the same."""
