"""What waits in a signed file to be shown: the first half of a shadow attack, while nothing is broken yet.

    with pikepdf.open(BytesIO(data), inherit_page_attributes=False) as pdf:
        for what in waiting(pdf): ...

Nothing here proves an attack, so all of it is a warning.  Measured on 290 ordinary and signed files, each of
these occurs in less than one in a hundred; what is common in honest files (old revisions, fonts and
streams that an editor left behind, a signature's picture over a text) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import pikepdf

from adapters.inspection.paper.canvas import Canvas, texts_in
from adapters.inspection.paper.leaves import HIDDEN, annotations_of, box_of, inherited, looks_of, pages_of
from adapters.inspection.paper.plane import Box

_MAX_CONTENT = 1 << 18
_MAX_OBJECTS = 100_000
_MAX_FIELDS = 20_000
_BLANKS = re.compile(rb"\s+")
_OVERLAPS = ("/Widget", "/FreeText", "/Stamp")


def waiting(pdf: pikepdf.Pdf) -> list[str]:
    """Short descriptions of everything in *pdf* that a later revision could bring to light; bounded in time."""
    found: dict[str, None] = {}
    for what in (*_unreached(pdf), *_layers(pdf), *_pages(pdf)):
        found[what] = None
    return list(found)


def hiding_signatures(pdf: pikepdf.Pdf, numbers: Collection[int]) -> list[int]:
    """Those of *numbers* that are signatures' widgets whose opaque looks hide a text of their page.

    Of 222 visible signatures in honest files none does; whoever signs later may so replace what was signed.
    """
    canvas = Canvas(left=_MAX_CONTENT)
    found: list[int] = []
    for page in pages_of(pdf) if numbers else ():
        if canvas.left > 0:
            found.extend(canvas.hiding_signatures(page, numbers))
    return found


# --- objects that nothing leads to --------------------------------------------------------------------------


def _unreached(pdf: pikepdf.Pdf) -> Iterator[str]:
    reached: set[tuple[int, int]] = set()
    nodes: list[object] = [pdf.trailer]
    while nodes:
        node = nodes.pop()
        if not isinstance(node, pikepdf.Dictionary | pikepdf.Stream | pikepdf.Array):
            continue
        if node.is_indirect:
            if node.objgen in reached:
                continue
            reached.add(node.objgen)
            if len(reached) > _MAX_OBJECTS:
                return
        if isinstance(node, pikepdf.Array):
            nodes.extend(node)
        else:
            held = node.stream_dict if isinstance(node, pikepdf.Stream) else node
            nodes.extend(held.as_dict().values())
    pages = pdf.Root["/Pages"].objgen
    for one in pdf.objects:
        if not isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
            continue
        if (
            str(one.get("/Type")) == "/Catalog"
            and (tree := one.get("/Pages")) is not None
            and tree.objgen == pages
        ):
            continue  # an older catalogue of the same pages: some signers write a new one
        if isinstance(one, pikepdf.Stream):
            if "/F" in one and str(one.get("/Type")) != "/EmbeddedFile":
                yield f"the content of object {one.objgen[0]} is in another file"
            if "/Ref" in one and str(one.get("/Subtype")) == "/Form":
                yield f"form {one.objgen[0]} stands for a page of another file"
        if one.objgen not in reached and (kind := _shows(one)):
            yield f"{kind} {one.objgen[0]} is in the file and nothing leads there"


def _shows(one: pikepdf.Object) -> str:
    """What of a page *one* could be; empty for all that an honest editor leaves behind."""
    kind, subtype = str(one.get("/Type")), str(one.get("/Subtype"))
    if isinstance(one, pikepdf.Stream):
        if subtype == "/Image":
            return "picture"
        return "form" if subtype == "/Form" and texts_in(one) else ""
    if kind == "/Catalog":
        return "catalogue"
    if kind == "/Pages":
        return "page tree"
    if kind == "/Page":
        return "page"
    return "annotation" if "/Rect" in one and looks_of(one) is not None else ""


# --- what is switched off -----------------------------------------------------------------------------------


def _layers(pdf: pikepdf.Pdf) -> Iterator[str]:
    layers = pdf.Root.get("/OCProperties")
    default = layers.get("/D") if isinstance(layers, pikepdf.Dictionary) else None
    if not isinstance(default, pikepdf.Dictionary):
        return
    off = default.get("/OFF")
    if (isinstance(off, pikepdf.Array) and len(off)) or str(default.get("/BaseState")) == "/OFF":
        yield "a layer is switched off"


# --- pages --------------------------------------------------------------------------------------------------


def _pages(pdf: pikepdf.Pdf) -> Iterator[str]:
    canvas = Canvas(left=_MAX_CONTENT)
    fields = _fields(pdf)
    placed: set[tuple[int, int]] = set()
    for number, page in enumerate(pages_of(pdf), start=1):
        contents = page.get("/Contents")
        is_open = "/Contents" in page and contents is None
        if is_open or (isinstance(contents, pikepdf.Array) and any(one is None for one in contents)):
            yield f"page {number} has contents that are still to come"
        notes = page.get("/Annots")
        if isinstance(notes, pikepdf.Array) and any(one is None for one in notes):
            yield f"page {number} has annotations that are still to come"
        yield from _absent(page, number)
        yield from _annotations(page, number, fields)
        placed.update(one.objgen for one in annotations_of(page))
        if canvas.left > 0 and canvas.hidden_texts(page):
            yield f"page {number} has text under something that is drawn over it"
    for objgen in sorted(fields - placed):
        widget = pdf.get_object(objgen)
        box = box_of(widget)
        if (
            str(inherited(widget, "/FT")) != "/Sig"
            and box is not None
            and _area(box) > 1
            and looks_of(widget)
        ):
            yield f"field {objgen[0]} has looks and is on no page"


def _absent(page: pikepdf.Object, number: int) -> Iterator[str]:
    resources = inherited(page, "/Resources")
    for kind in ("/XObject", "/Font"):
        group = resources.get(kind) if isinstance(resources, pikepdf.Dictionary) else None
        if isinstance(group, pikepdf.Dictionary) and any(one is None for one in group.as_dict().values()):
            yield f"page {number} has resources that are still to come"


def _annotations(page: pikepdf.Object, number: int, fields: set[tuple[int, int]]) -> Iterator[str]:
    boxes: list[Box] = []
    for one in annotations_of(page):
        subtype, kind = str(one.get("/Subtype")), str(inherited(one, "/FT"))
        box, flags = box_of(one), one.get("/F", 0)
        if subtype == "/Widget" and one.is_indirect and one.objgen not in fields:
            yield f"page {number} has a field that the form does not know"
        if box is None or kind == "/Sig" or subtype in ("/Popup", "/Link"):
            continue
        is_hidden = isinstance(flags, int) and bool(flags & HIDDEN)
        if is_hidden and _area(box) > 1 and looks_of(one) is not None:
            yield f"page {number} has a hidden annotation"
        if not is_hidden and subtype in _OVERLAPS:
            if any(_overlap(box, other) for other in boxes):
                yield f"page {number} has fields or notes over one another"
            boxes.append(box)
        if kind in ("/Tx", "/Ch") and _looks_otherwise(one):
            yield f"page {number} has a field that does not show its value"
        if kind == "/Btn" and _is_turned_over(one):
            yield f"page {number} has a box that does not show its value"


def _looks_otherwise(widget: pikepdf.Object) -> bool:
    """Whether a text field shows a text that is not its value; ``False`` where the two can't be compared."""
    value, looks = inherited(widget, "/V"), looks_of(widget)
    if not isinstance(value, pikepdf.String) or looks is None:
        return False
    shown = _BLANKS.sub(b"", texts_in(looks))
    wanted = _BLANKS.sub(b"", str(value).encode("utf-8"))
    # other letters, or a font with codes of its own: who knows what they look like
    return bool(shown and wanted) and _is_printable(shown + wanted) and shown != wanted


def _is_printable(text: bytes) -> bool:
    return all(32 < letter < 127 for letter in text)


def _is_turned_over(widget: pikepdf.Object) -> bool:
    """Whether a check box has one state and shows another of those that it can show."""
    value, state, looks = inherited(widget, "/V"), widget.get("/AS"), widget.get("/AP")
    normal = looks.get("/N") if isinstance(looks, pikepdf.Dictionary) else None
    if not isinstance(value, pikepdf.Name) or state is None or not isinstance(normal, pikepdf.Dictionary):
        return False
    return str(value) in normal and str(state) != str(value)


def _fields(pdf: pikepdf.Pdf) -> set[tuple[int, int]]:
    form = pdf.Root.get("/AcroForm")
    top = form.get("/Fields") if isinstance(form, pikepdf.Dictionary) else None
    seen: set[tuple[int, int]] = set()
    nodes: list[object] = list(top) if isinstance(top, pikepdf.Array) else []
    while nodes and len(seen) < _MAX_FIELDS:
        node = nodes.pop()
        if not isinstance(node, pikepdf.Dictionary) or (node.is_indirect and node.objgen in seen):
            continue
        seen.add(node.objgen)
        kids = node.get("/Kids")
        if isinstance(kids, pikepdf.Array):
            nodes.extend(kids)
    return seen


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: Box, other: Box) -> bool:
    """Whether the two share more than half of the smaller one."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width > 1 and height > 1 and width * height > 0.5 * min(_area(one), _area(other))
