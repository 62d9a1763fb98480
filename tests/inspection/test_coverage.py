"""Promise 11: a true signature over a part of the file says nothing about the rest, so it is never valid.

Unlike a byte range that was changed afterwards, these are signed as they are: digest and value are right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

import pytest

from adapters.inspection.judge import Options, judge
from adapters.signing.cms import CmsTemplate
from adapters.signing.keys import LoadedKey, load
from gateway.model.signature import Verdict
from tests.inspection.files import signed_by_leader
from tests.pki import pki
from tests.vectors import make_pdfs as vectors

ANYBODY = Options(unsafe_accept_any_signer=True)
Span = tuple[int, int, int, int]
_BYTE_RANGE = re.compile(rb"/ByteRange ?\[ ?0 (\d+) (\d+) (\d+) *\] *")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> LoadedKey:
    return load(pki().agency("a", "A").write_pem(tmp_path_factory.mktemp("keys") / "a.pem"))


def signed_over(key: LoadedKey, change: Callable[[Span], Span]) -> bytes:
    """The leader's file, signed anew by *key* over what *change* makes of its byte range."""
    pdf = signed_by_leader()
    found = _BYTE_RANGE.search(pdf)
    assert found is not None
    before, after, rest = (int(number) for number in found.groups())
    span = change((0, before, after, rest))
    written = b"/ByteRange [%d %d %d %d]" % span
    assert len(written) <= len(found[0])
    pdf = pdf[: found.start()] + written.ljust(len(found[0])) + pdf[found.end() :]
    covered = pdf[span[0] : span[0] + span[1]] + pdf[span[2] : span[2] + span[3]]
    template = CmsTemplate(key.identity)
    attributes = template.attributes(sha256(covered).digest())
    cms = template.assemble(attributes, key.sign_now(attributes)).hex().encode()
    assert len(cms) <= after - before - 2
    return pdf[: before + 1] + cms.ljust(after - before - 2, b"0") + pdf[after - 1 :]


def test_a_signature_over_the_whole_file_is_valid(key: LoadedKey) -> None:
    assert judge(signed_over(key, lambda span: span), ANYBODY).verdict is Verdict.VALID


@pytest.mark.parametrize(
    "change",
    [
        lambda s: (s[0], s[1], s[2] + 200, s[3] - 200),
        lambda s: (s[0], s[1] - 20, s[2], s[3]),
        lambda s: (s[0], s[1], s[2], s[3] - 60),
        lambda s: (s[0] + 9, s[1] - 9, s[2], s[3]),
    ],
    ids=[
        "a gap behind Contents",
        "a gap before Contents",
        "the end is left out",
        "the beginning is left out",
    ],
)
def test_a_true_signature_over_a_part_is_never_valid(key: LoadedKey, change: Callable[[Span], Span]) -> None:
    assert judge(signed_over(key, change), ANYBODY).verdict in (Verdict.INVALID, Verdict.INDETERMINATE)


def test_an_object_in_a_later_revision_that_its_table_hides_breaks_the_signature() -> None:
    """Readers that rebuild the table would show it; the revision itself is of the harmless kind."""
    hidden = b"77 0 obj\n<< /Type /Page >>\nendobj\n"
    assert judge(vectors.hole_filled(signed_by_leader(), 99), ANYBODY).verdict is Verdict.VALID
    assert judge(vectors.hole_filled(signed_by_leader() + hidden, 99), ANYBODY).verdict is Verdict.INVALID
