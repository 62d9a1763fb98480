"""Evidence checked by hand, from the bytes that the sender holds: who follows whom, and that nobody is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from xml.etree import ElementTree

from adapters.memory import Letter
from gateway.model.evidence import EvidenceRecord
from gateway.model.ids import DocumentId, evidence_id


def field(body: bytes, name: str) -> str:
    """The text of the element *name* of an evidence; empty where there is none."""
    return ElementTree.fromstring(body).findtext(name, "")


def fields(body: bytes, name: str) -> list[str]:
    """The texts of all elements *name*."""
    return [element.text or "" for element in ElementTree.fromstring(body).findall(name)]


def check_letters(receipts: Iterable[Letter]) -> None:
    """Check the chains in the *receipts* of one document, each evidence taken once."""
    once = {r.message_id: r for r in receipts}
    check([(str(r.headers.get("vanthu-recipient", "")), r.body) for r in once.values()])
    for letter in once.values():
        assert field(letter.body, "EvidenceIdentifier") == letter.message_id
        assert field(letter.body, "Sequence") == str(letter.headers["vanthu-sequence"])
        assert field(letter.body, "MessageIdentifier") == letter.correlation_id
        assert field(letter.body, "ERDSEventId").endswith(f"/{letter.headers['vanthu-event']}")


def check_records(document: DocumentId, issued: Iterable[EvidenceRecord]) -> None:
    """Check the chains in what the store holds of *document*."""
    issued = list(issued)
    check([(str(e.recipient or ""), e.body) for e in issued])
    for one in issued:
        assert one.id == evidence_id(document, one.recipient, one.sequence)
        assert one.sha256 == sha256(one.body).hexdigest()


def check(bodies: Iterable[tuple[str, bytes]]) -> None:
    """Each evidence names the SHA-256 of the one before; sequences run 0, 1 … n; the acceptance is the root."""
    chains: dict[str, list[bytes]] = defaultdict(list)
    for recipient, body in bodies:
        chains[recipient].append(body)
    (root,) = chains.pop("")
    assert field(root, "Sequence") == "0"
    assert field(root, "Previous") == ""
    for chain in chains.values():
        chain.sort(key=lambda body: int(field(body, "Sequence")))
        assert [field(body, "Sequence") for body in chain] == [str(n + 1) for n in range(len(chain))]
        before = root
        for body in chain:
            assert field(body, "Previous") == sha256(before).hexdigest()
            before = body
