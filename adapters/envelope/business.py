"""The element ``Bussiness`` (sic): what an edoc does to the documents before it, and to which ones.

Producers name the original in different places.  A recall of the national SDK has no ``Bussiness/DocumentId`` and is
otherwise a copy of what it recalls: it carries its number, and its ``ResponseFor`` may be that of the original, which
names something else.  So every name is kept, the surest first; the core takes the first that the sender has used.

spec: edXML facts §3
"""

from __future__ import annotations

from datetime import date

from adapters.envelope.dates import read_date
from adapters.envelope.parse import Node
from adapters.envelope.rules import Findings
from gateway.model.envelope import Amendment, Business, DocumentReference, Organ, Replaced
from gateway.model.ids import OfficialId, OrganCode, composed

_HEADER = "edXMLEnvelope/edXMLHeader"
_WHERE = f"{_HEADER}/TraceHeaderList/Bussiness"
_REMOVED, _ADDED = "0", "1"


def read_business(
    root: Node, message: Node, found: Findings, own: DocumentReference | None
) -> tuple[Business, Amendment] | None:
    """The kind of business and what it says; ``None`` where the kind is none.

    *own* is how the document names itself, ``None`` where it has no name.
    """
    node = _business(root)
    if node is None:
        return Business.NEW, Amendment()
    business = business_of(root)
    if business is None:
        found.add("EDX-052", f"{_WHERE}/BussinessDocType", node.value("BussinessDocType"))
        return None
    named = official_id(node)
    reason = node.value("BussinessDocReason")
    sender = message.first("From")
    organ = OrganCode("" if sender is None else sender.value("OrganId"))
    first = (DocumentReference(organ=organ, official_id=named),) if named else ()
    match business:
        case Business.NEW:  # its DocumentId means nothing
            return business, Amendment()
        case Business.RECALL:
            answered = () if named else tuple(filter(None, map(refer, message.all("ResponseFor"))))
            if not first and not answered:
                found.add("EDX-053", _WHERE)
            itself = () if named or own is None else (own,)
            return business, Amendment(originals=(*first, *answered, *itself), reason=reason)
        case Business.UPDATE:
            infos = node.all("BussinessDocumentInfo")
            if not named or not infos:
                found.add("EDX-054", _WHERE)
            added, removed = _receivers(infos)
            return business, Amendment(originals=first, reason=reason, added=added, removed=removed)
        case Business.REPLACE:
            replaces = _replaced(node, organ)
            named_ones = tuple(one for one in replaces if one.original.official_id)
            if not named_ones or len(named_ones) < len(replaces):
                found.add("EDX-055", _WHERE)
            return business, Amendment(reason=reason, replaces=named_ones)


def business_of(root: Node) -> Business | None:
    """The kind of business of the document *root*: new where nothing is said, ``None`` where it is no kind."""
    node = _business(root)
    text = "" if node is None else node.value("BussinessDocType")
    return Business(int(text or "0")) if text in ("", "0", "1", "2", "3") else None


def refer(node: Node) -> DocumentReference | None:
    """What a ResponseFor names; ``None`` where it names no organ."""
    organ = node.value("OrganId")
    if not organ:
        return None
    return DocumentReference(
        organ=OrganCode(organ),
        code=node.value("Code"),
        dated=read_date(node.value("PromulgationDate")),
        official_id=official_id(node),
    )


def official_id(node: Node) -> OfficialId:
    """The DocumentId in *node*, NFC."""
    return OfficialId(composed(node.value("DocumentId")))


def itself(organ: str, node: Node, code: str, dated: date | None) -> DocumentReference | None:
    """How the document with the header *node* names itself."""
    named = official_id(node)
    if not named and (not code or dated is None):
        return None
    return DocumentReference(organ=OrganCode(organ), code=code, dated=dated, official_id=named)


def _receivers(infos: list[Node]) -> tuple[tuple[Organ, ...], tuple[Organ, ...]]:
    """Who is added and who is removed; who is both is added.  What has no code or kind was noted by ``compare``."""
    by_type: dict[str, dict[str, Organ]] = {_ADDED: {}, _REMOVED: {}}
    lists = [listed for info in infos for listed in info.all("ReceiverList")]
    for node in [node for listed in lists for node in listed.all("Receiver")]:
        code, kind = node.value("OrganId"), node.value("ReceiverType")
        if code and kind in by_type:
            by_type[kind][code] = Organ(code=OrganCode(code))
    added, removed = by_type[_ADDED], by_type[_REMOVED]
    return tuple(added.values()), tuple(organ for code, organ in removed.items() if code not in added)


def _replaced(node: Node, organ: OrganCode) -> tuple[Replaced, ...]:
    infos = [info for listed in node.all("ReplacementInfoList") for info in listed.all("ReplacementInfo")]
    organs_of: dict[OfficialId, dict[OrganCode, None]] = {}
    is_for_all: set[OfficialId] = set()
    for info in infos:
        organs = info.first("OrganIdList")
        codes = [] if organs is None else [OrganCode(o.text) for o in organs.all("OrganId") if o.text]
        name = official_id(info)
        organs_of.setdefault(name, {}).update(dict.fromkeys(codes))
        if not codes:
            is_for_all.add(name)
    return tuple(
        Replaced(
            original=DocumentReference(organ=organ, official_id=name),
            organs=() if name in is_for_all else tuple(codes),
        )
        for name, codes in organs_of.items()
    )


def _business(root: Node) -> Node | None:
    node: Node | None = root
    for name in (*_HEADER.split("/"), "TraceHeaderList", "Bussiness"):
        node = None if node is None else node.first(name)
    return node
