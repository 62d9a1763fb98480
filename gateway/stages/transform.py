"""transform: wrap, never rebuild.  Signed bytes travel verbatim; only our TraceHeader is new."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.document import Outbound, Routed, Signed
from gateway.model.payload import PayloadRef


def replacements(signed: Signed) -> Mapping[int, PayloadRef]:
    """Which attachments travel in their sealed form, by index."""
    return {index: sealed.payload for index, sealed in signed.sealed}


def wrap(routed: Routed, rendered: PayloadRef) -> Outbound:
    """The document as every recipient will get it: rendered once, not once per recipient."""
    return Outbound(routed=routed, rendered=rendered)
