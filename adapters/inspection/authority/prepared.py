"""Names in certificates, prepared for their comparison once and not anew in each signature.

asn1crypto looks at every letter of a name in a dozen tables (60 µs a string), and an issuer's name comes again with
each document.  It offers no seam for that: its method is exchanged for one that remembers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from asn1crypto import x509  # type: ignore[import-untyped]  # it has no stubs

_LONGEST = 256
"""Letters of a string that is remembered; the standard's bounds (RFC 5280, Appendix A.1) are below."""

_prepare = x509.NameTypeAndValue._ldap_string_prep


@lru_cache(maxsize=2048)
def _remembered(string: str) -> str:
    return str(_prepare(None, string))  # the method does not look at its object


def _prepared(self: Any, string: Any) -> Any:
    if isinstance(string, str) and len(string) <= _LONGEST:
        return _remembered(string)
    return _prepare(self, string)


def remember() -> None:
    """From now on, in the whole process.  A second time changes nothing."""
    x509.NameTypeAndValue._ldap_string_prep = _prepared
