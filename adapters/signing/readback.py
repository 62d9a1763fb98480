"""A sealed file, read back before it leaves.

Nothing that the writing side knew is believed: the ByteRange comes from the file's own bytes, the digest
is taken again, and the signature value is checked with the public key of the certificate in the CMS.  Of the
original, which stands at the file's beginning byte for byte, the hash is used that was taken when it came.
The hashing also yields the file's own SHA-256.
"""

from __future__ import annotations

import math
import re
import time
from hashlib import new as new_hash
from hashlib import sha256

from adapters.pdf.reader import OutOfMoment
from adapters.signing import apart, cms, der
from adapters.signing.cms import CmsTemplate
from adapters.signing.pdf import MOMENT, fields_of
from gateway.model.payload import Hashed, PayloadRef

_BYTE_RANGE = re.compile(rb"/ByteRange ?\[0 (\d+) (\d+) (\d+)\]")
_HEX = re.compile(rb"[0-9a-fA-F]+")


class NotWhatWeSealed(ValueError):
    """The output does not bear the seal that it should; the text says where it fails."""


def read_back(
    original: bytes, sealed: bytes, template: CmsTemplate, hashed: Hashed | None = None
) -> PayloadRef:
    """The reference of *sealed*, if it is *original*, through which *hashed* has gone, plus one whole and true
    signature of *template*.

    Raises ``NotWhatWeSealed``.
    """
    if not sealed.startswith(original):
        raise NotWhatWeSealed("the original was altered")
    whole = _examined(original, sealed[len(original) :], template, hashed)
    return PayloadRef(sha256=whole.hexdigest(), size=len(sealed), body=sealed, hashed=whole)


def read_back_apart(
    original: bytes, update: bytes, template: CmsTemplate, hashed: Hashed | None = None
) -> PayloadRef:
    """The same for a file that is too large to be put together in memory; its bytes do not ride along."""
    whole = _examined(original, update, template, hashed)
    return PayloadRef(sha256=whole.hexdigest(), size=len(original) + len(update))


def _examined(original: bytes, update: bytes, template: CmsTemplate, hashed: Hashed | None) -> Hashed:
    """SHA-256 of *original* and *update* together."""
    base = len(original)
    ranges = list(_BYTE_RANGE.finditer(update))
    if len(ranges) != 1:
        raise NotWhatWeSealed(f"{len(ranges)} ByteRanges in the update")
    before, after, rest = (int(number) for number in ranges[0].groups())
    # the two ranges cover everything but the hole, which lies in the update
    if not (base < before < after and after + rest == base + len(update)):
        raise NotWhatWeSealed("the ByteRange does not cover the file")
    hole = update[before - base : after - base]
    if hole[:1] != b"<" or hole[-1:] != b">" or not _HEX.fullmatch(hole, 1, len(hole) - 1):
        raise NotWhatWeSealed("the hole holds more than Contents")

    # One pass over the original serves both hashes where they are the same function.
    tail = memoryview(update)
    whole = sha256(original) if hashed is None else hashed.copy()
    whole.update(tail[: before - base])
    covered: Hashed = whole.copy()
    whole.update(tail[before - base :])
    identity = template.identity
    digest_name = identity.scheme.digest.value
    if digest_name != "sha256":
        covered = new_hash(digest_name, original)
        covered.update(tail[: before - base])
    covered.update(tail[after - base :])

    contents = bytes.fromhex(hole[1:-1].decode())
    try:
        parts = cms.read_back(contents)
    except der.MalformedDer as exc:
        raise NotWhatWeSealed("the CMS cannot be read") from exc
    length = der.element_at(contents).end
    if contents[length:].strip(b"\0"):
        raise NotWhatWeSealed("something follows the CMS")
    if parts.message_digest != covered.digest():
        raise NotWhatWeSealed("the digest is not the file's")
    if identity.der not in parts.certificates:
        raise NotWhatWeSealed("the certificate is missing")
    if not identity.verifies(parts.signature, parts.attributes):
        raise NotWhatWeSealed("the signature value is wrong")
    if template.assemble(parts.attributes, parts.signature) != contents[:length]:
        raise NotWhatWeSealed("the CMS is not the template's")
    return whole


def read_back_as_pdf(sealed: bytes, field_name: str) -> None:
    """Whether a reader that starts from nothing finds our signature, and that it covers the whole file.

    For files that only the tolerant reader could read.  May take long; what is not done in a ``MOMENT`` is done in a process
    of its own.  Raises ``NotWhatWeSealed``, and what ``apart.fault_of`` raises.
    """
    try:
        read_back_here(sealed, field_name, until=time.thread_time() + MOMENT.total_seconds())
    except OutOfMoment:
        if fault := apart.fault_of(sealed, field_name):
            raise NotWhatWeSealed(fault) from None


def read_back_here(sealed: bytes, field_name: str, *, until: float = math.inf) -> None:
    """Like ``read_back_as_pdf``, whatever it takes; raises ``OutOfMoment`` once ``time.thread_time()`` is beyond *until*."""
    try:
        found = {name: (ranges, contents) for name, ranges, contents in fields_of(sealed, until=until)}
    except Exception as exc:
        raise NotWhatWeSealed("the sealed file cannot be read as a PDF") from exc
    if field_name not in found:
        raise NotWhatWeSealed("a reader does not find our signature")
    ranges, contents = found[field_name]
    match ranges:
        case [0, before, after, rest] if after + rest == len(sealed):
            if sealed[before + 1 : after - 1].lower() != contents.hex().encode():
                raise NotWhatWeSealed("a reader finds other Contents")
        case _:
            raise NotWhatWeSealed("a reader finds another ByteRange")
