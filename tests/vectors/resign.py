"""A file whose signature dictionary was moved by a tool is signed again where it stands now."""

from __future__ import annotations

import hashlib
import re

from adapters.signing.cms import CmsTemplate
from adapters.signing.keys import assemble
from tests.pki import Credential

_RANGE = re.compile(rb"/ByteRange \[ ?0 [0-9 ]+\]")
_CONTENTS = re.compile(rb"/Contents <[0-9a-fA-F]+>")


def resign(pdf: bytes, credential: Credential) -> bytes:
    """*pdf* with the byte range and contents of its only signature made anew, at the same length."""
    key = assemble(credential.key, [credential.certificate, *credential.above], name="test")
    template = CmsTemplate(key.identity)
    hole = max(_CONTENTS.finditer(pdf), key=lambda found: found.end() - found.start())
    start, end = hole.start() + len(b"/Contents "), hole.end()
    place = _RANGE.search(pdf)
    assert place is not None
    numbers = b"/ByteRange [0 %d %d %d" % (start, end, len(pdf) - end)
    room = place.end() - place.start()
    assert len(numbers) < room, "the new byte range is longer than the old one"
    whole = pdf[: place.start()] + numbers.ljust(room - 1) + b"]" + pdf[place.end() :]
    attributes = template.attributes(hashlib.sha256(whole[:start] + whole[end:]).digest())
    digits = template.assemble(attributes, key.sign_now(attributes)).hex().encode()
    return whole[: start + 1] + digits.ljust(end - start - 2, b"0") + whole[end - 1 :]
