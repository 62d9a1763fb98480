"""A status' tree into a ``StatusReport``.  Codes that the standard does not define are passed on as text:
the core refuses them."""

from __future__ import annotations

from adapters.envelope.business import refer
from adapters.envelope.edoc import one_sender
from adapters.envelope.parse import Node
from adapters.envelope.rules import Findings
from gateway.model.envelope import StatusReport

_HEADER = "edXMLEnvelope/edXMLHeader/MessageHeader"
_REFUSED, _TAKE_BACK, _MISTAKEN = "02", "13", "14"
_UNEXPLAINED = {_REFUSED: "EDX-085", _TAKE_BACK: "EDX-086"}
_DEFINED = frozenset({"01", "02", "03", "04", "05", "06", "13", "15", "16"})


def read_status(message: Node, found: Findings) -> StatusReport | None:
    """The report, or ``None`` where nobody reports or nothing is reported on.  spec: edXML facts §4"""
    reporter = one_sender(message, found)
    abouts = message.all("ResponseFor")
    about = refer(abouts[0]) if len(abouts) == 1 else None
    if about is None:
        found.add("EDX-081", f"{_HEADER}/ResponseFor", f"{len(abouts)}")
    elif not about.code and not about.official_id:
        found.add("EDX-082", f"{_HEADER}/ResponseFor")
    code = message.value("StatusCode")
    _code(code, found)
    description = message.value("Description")
    if not description:
        found.add(_UNEXPLAINED.get(code, "EDX-046"), f"{_HEADER}/Description", code)
    if message.first("StaffInfo") is None:
        found.add("EDX-045", f"{_HEADER}/StaffInfo")
    if not message.value("Timestamp"):
        found.add("EDX-087", f"{_HEADER}/Timestamp")
    if reporter is None or about is None:
        return None
    return StatusReport(reporter=reporter, about=about, code=code, description=description)


def _code(code: str, found: Findings) -> None:
    where = f"{_HEADER}/StatusCode"
    if len(code) != 2 or not code.isascii() or not code.isdigit():
        found.add("EDX-083", where, code)
    elif code == _MISTAKEN:  # spec: edXML facts §4 - one client writes 14 and means 15
        found.add("EDX-080", where, code)
    elif code not in _DEFINED:
        found.add("EDX-084", where, code)
