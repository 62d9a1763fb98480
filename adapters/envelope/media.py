"""What a file is, by its bytes where they tell, else by the label that it came with.

spec: edXML facts §1 - trust the bytes, not the label
"""

from __future__ import annotations

import re

from adapters.envelope.attachments import PDF_TYPE, ZIP_TYPE, is_pdf

ANY_TYPE = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_COMPOUND = "application/x-ole-storage"

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"{\\rtf", "application/rtf"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _COMPOUND),
)
_WITHIN = ((b"word/", f"{_OFFICE}.wordprocessingml.document"), (b"xl/", f"{_OFFICE}.spreadsheetml.sheet"),
           (b"ppt/", f"{_OFFICE}.presentationml.presentation"))  # fmt: skip
_BY_NAME = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
}
_SEEN_BY_BYTES = frozenset(
    {PDF_TYPE, ZIP_TYPE, *(kind for _, kind in _BEGINNINGS), *(kind for _, kind in _WITHIN)}
)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,80}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}", re.ASCII)
_DIRECTORY = 64 * 1024


def media_type(head: bytes, tail: bytes, name: str, label: str) -> str:
    """The type of the file called *name* that begins with *head* (1 KiB or more) and ends with *tail*
    (64 KiB, or all of a shorter file), which was sent as *label*.

    A label that the bytes belie counts for nothing.
    """
    if is_pdf(head):
        return PDF_TYPE
    if head.startswith(b"PK\x03\x04"):
        return _zipped(head, tail)
    for magic, kind in _BEGINNINGS:
        if head.startswith(magic):
            return _BY_NAME.get(name[-4:].lower(), kind) if kind == _COMPOUND else kind
    claimed = label.partition(";")[0].strip().lower()
    if (
        head.removeprefix(b"\xef\xbb\xbf").startswith(b"<?xml")
        and "xml" not in claimed
        and "html" not in claimed
    ):
        return "application/xml"
    if not _MEDIA_TYPE.fullmatch(claimed) or claimed in _SEEN_BY_BYTES:
        return ANY_TYPE
    return claimed


def type_of(body: bytes, name: str, label: str) -> str:
    """``media_type`` of a file at hand."""
    return media_type(body[:1024], body[-_DIRECTORY:], name, label)


def _zipped(head: bytes, tail: bytes) -> str:
    # spec: OpenDocument 1.2 part 3 §3.3 - the first entry, stored, is called mimetype and holds the type
    if head[30:38] == b"mimetype":
        size = int.from_bytes(head[22:26], "little")
        extra = int.from_bytes(head[28:30], "little")
        told = head[38 + extra : 38 + extra + min(size, 160)].decode("ascii", "replace").strip()
        return told if size and _MEDIA_TYPE.fullmatch(told) else ZIP_TYPE
    if b"[Content_Types].xml" in head or b"[Content_Types].xml" in tail:
        return next((kind for folder, kind in _WITHIN if folder in tail), ZIP_TYPE)
    return ZIP_TYPE
