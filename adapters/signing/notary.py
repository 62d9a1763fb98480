"""The notary: evidence and heads of the log signed in the gateway's name, XAdES-B-B (``gateway.ports.Notary``).

notary = XadesNotary(ring)
xml = notary.attest(evidence)
"""

from __future__ import annotations

from adapters.signing import evidence_xml, head_xml
from adapters.signing.keyring import KeyRing
from adapters.signing.xades import Pen
from gateway.errors import ConfigError
from gateway.model.evidence import Evidence
from gateway.model.log import TreeHead

POLICY = "urn:vanthu:evidence-policy:1"
"""What we promise by our evidence: ``docs`` describe when each event is attested."""


class XadesNotary:
    """Attests with the gateway's own key, which is loaded (in development: made) at construction.

    Raises ``Unavailable`` like ``KeyRing.gateway`` where there is no usable key, and ``ConfigError`` for a
    key whose mechanism XML signatures have no common name for (RSA-PSS).
    """

    def __init__(self, ring: KeyRing, *, policy: str = POLICY) -> None:
        try:
            self._pen = Pen(ring.gateway())
        except ConfigError as error:
            raise ConfigError(f"{ring.options.gateway_key}: {error}") from None
        self._issuer = evidence_xml.issuer(ring.options.organ, ring.options.name, policy)

    def attest(self, evidence: Evidence) -> bytes:
        """The evidence as signed XML.  No I/O; time grows with the recipients that it lists."""
        unsigned = evidence_xml.unsigned(evidence, self._issuer)
        return self._pen.sign(unsigned, evidence_xml.CLOSING, evidence.event_time)

    def vouch(self, head: TreeHead) -> bytes:
        """The head as signed XML."""
        return self._pen.sign(head_xml.unsigned(head), head_xml.CLOSING, head.at)
