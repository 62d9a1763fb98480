"""Heads of the evidence log as XML, written at once in exclusive canonical form (``schemas/head.xsd``)."""

from __future__ import annotations

from adapters.signing.evidence_xml import instant, text
from gateway.model.log import TreeHead

NAMESPACE = "urn:vanthu:log:1"
HASHING = "urn:ietf:rfc:9162:sha-256"
"""Leaves are the bytes of the evidence as issued, behind 0x00; nodes stand behind 0x01."""
CLOSING = "</TreeHead>"


def unsigned(head: TreeHead) -> str:
    """Everything but the signature, which goes before the closing tag."""
    return (
        f'<TreeHead xmlns="{NAMESPACE}" version="1"><Log>{text(head.log)}</Log>'
        f"<Time>{instant(head.at)}</Time><Size>{head.size}</Size>"
        f'<Root Algorithm="{HASHING}">{head.root}</Root>{CLOSING}'
    )
