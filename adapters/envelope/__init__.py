"""edXML (QCVN 102:2016/BTTTT) behind the port ``Envelopes``, and the writing of new edXML.

Read ``edxml.py`` first.  ``parse`` and ``carve`` make a small tree of hostile bytes, ``shape`` and
``rules`` judge its form, ``edoc``, ``status`` and ``files`` read it, ``strict`` writes it.
"""

from adapters.envelope.compose import (
    Correspondent,
    NewEdoc,
    NewFile,
    NewReference,
    NewStatus,
    compose_edoc,
    compose_status,
)
from adapters.envelope.edxml import EdxmlEnvelopes, Options

__all__ = [
    "Correspondent",
    "EdxmlEnvelopes",
    "NewEdoc",
    "NewFile",
    "NewReference",
    "NewStatus",
    "Options",
    "compose_edoc",
    "compose_status",
]
