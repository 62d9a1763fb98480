"""What a file calls its things, made fit for reports, logs, stores and XML."""

from __future__ import annotations

import re

# spec: XML 1.0 §2.2 - control characters and lone surrogates are no characters; besides, what turns the
# direction of text makes one name look like another
_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def shown(text: str, *, most: int) -> str:
    """The first *most* characters of *text*, with U+FFFD in the place of each that nobody should print."""
    return _UNFIT.sub("\ufffd", text[:most])
