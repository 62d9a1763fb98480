"""Seals on PDFs and signatures on evidence, and the keys for both.

ring = KeyRing(Options(...), directory=directory, clock=clock)
sealer = PadesSealer(ring, vault=vault, clock=clock)        # gateway.ports.Sealer
notary = XadesNotary(ring)                                  # gateway.ports.Notary
"""

from adapters.signing.evidence_check import EvidenceCheck, Standing, broken_link, load_roots, verify_evidence
from adapters.signing.head_check import HeadCheck, verify_head
from adapters.signing.keyring import KeyRing, Options
from adapters.signing.notary import XadesNotary
from adapters.signing.sealer import PadesSealer
from adapters.signing.visible.looks import Options as LookOptions

__all__ = [
    "EvidenceCheck",
    "HeadCheck",
    "KeyRing",
    "LookOptions",
    "Options",
    "PadesSealer",
    "Standing",
    "XadesNotary",
    "broken_link",
    "load_roots",
    "verify_evidence",
    "verify_head",
]
