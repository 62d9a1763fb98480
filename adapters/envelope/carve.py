"""Takes the attachments' base64 out of an edXML before it is parsed: 98 % of the bytes are theirs.

Strategy: find the text of each ``ContentTransferEncoded`` by its tags, decode it on its way, and put a token
in its place; what is left is small whatever the document carries, and is parsed once.  The document may
come in pieces of any size: the outcome does not depend on where it is cut.  The text is taken out of bytes,
before anything knows what is comment, CDATA or element.  That is sound because

- what was taken holds only base64 letters and blanks (also written as ``&#13;``), so that the rest is
  well-formed exactly where the whole is (a text that is no base64 is taken, too, and refused whatever the
  rest says);
- the token holds the document's own SHA-256, which no document can contain;
- the reader accepts the outcome only if every token turns up as the whole text of an attachment; else the
  document is parsed as it came (``CarvedWrongly``), or refused where it is too large for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pybase64 import b64decode

from adapters.envelope.content import Content, Spool
from gateway.errors import Refused

_TAG = b"ContentTransferEncoded"
_TAG_REST = 1024  # the start tag ends within so many bytes: prefix declarations stand there
_SHORT = 512  # shorter texts are left where they are
_CHUNK = 3 * 1024 * 1024  # decoding keeps the GIL: less than 1 ms a piece, 3 ms with blanks
_BLANKS = b" \t\r\n"
# .NET writes CR so
_BLANK_REFERENCES = tuple(
    f"&#{blank};".encode() for blank in ("13", "10", "9", "32", "xD", "xd", "xA", "xa", "x9", "x20")
)
_LONGEST_REFERENCE = max(map(len, _BLANK_REFERENCES))
_SLICE = 128 * 1024  # exchanging them keeps the GIL: up to 8 ms a slice


class CarvedWrongly(Exception):
    """A token did not come back as an attachment's text: comments or CDATA looked like one."""


class Carver:
    """Takes up to *at_most* base64 texts out of a document whose SHA-256 is *digest*, fed in pieces.

    *spool* makes the place for one file's bytes.  Raises ``Refused("xml-too-costly")`` as soon as more than
    *rest_bytes* are left over.
    """

    def __init__(self, digest: str, *, at_most: int, rest_bytes: int, spool: Callable[[], Spool]) -> None:
        self._digest = digest
        self._most = at_most
        self._rest_bytes = rest_bytes
        self._spool = spool
        self._bodies: dict[str, Content | None] = {}
        self._rest: list[bytes] = []
        self._rest_size = 0
        self.before = 0
        """How many bytes of the rest stand before the first text: as they stood in the document."""
        self._tries = 0
        self._behind = b""  # the end of the last piece, where a tag may have begun
        self._text: _Text | None = None

    def feed(self, piece: bytes) -> None:
        """Go on with *piece*, not empty."""
        data = self._behind + piece if self._behind else piece
        self._behind = b""
        self._go(data, is_last=False)

    def end(self) -> tuple[bytes, Mapping[str, Content | None]]:
        """The document without its base64, and what each token in it stands for (``None``: no base64)."""
        data, self._behind = self._behind, b""
        self._go(data, is_last=True)
        if self._text is not None:
            self._close(self._text)  # a document that ends within the text of an element is not well-formed
        return b"".join(self._rest), self._bodies

    def _go(self, data: bytes, *, is_last: bool) -> None:
        view = memoryview(data)
        at = 0
        while True:
            if self._text is None:
                at = self._seek(data, view, at, is_last=is_last)
            if self._text is None:
                return
            end = data.find(b"<", at)
            until = len(data) if end < 0 else end
            self._text.take(
                view[at:until],
                has_references=data.find(b"&", at, until) >= 0,
                room=self._rest_bytes - self._rest_size,
            )
            if end < 0:
                return
            self._close(self._text)
            at = end

    def _seek(self, data: bytes, view: memoryview, at: int, *, is_last: bool) -> int:
        """Look for the next text from *at* on; where it begins, or whatever if there is none in *data*."""
        seek = at
        while len(self._bodies) < self._most and self._tries < 4 * self._most + 8:
            tag = data.find(_TAG, seek)
            if tag < 0:
                if is_last:
                    break
                self._leave(view, at, max(at, seek, len(data) - len(_TAG) + 1))
                return 0
            begin = data.find(b">", tag, tag + _TAG_REST) + 1
            if begin == 0 and len(data) < tag + _TAG_REST and not is_last:
                self._leave(view, at, tag)
                return 0
            self._tries += 1
            if begin == 0:
                seek = tag + len(_TAG)
                continue
            self._keep(view[at:begin])
            self.before = self.before or self._rest_size
            self._text = _Text(self._spool)
            return begin
        self._keep(view[at:])
        return 0

    def _leave(self, view: memoryview, at: int, until: int) -> None:
        """The rest of this piece is looked at again with the next one."""
        self._keep(view[at:until])
        self._behind = bytes(view[until:])

    def _close(self, text: _Text) -> None:
        self._text = None
        raw = text.short()
        if raw is None:
            token = f"{self._digest}:{len(self._bodies)}"
            self._bodies[token] = text.content()
            self._keep(token.encode())
        else:
            for piece in raw:
                self._keep(piece)

    def _keep(self, piece: bytes | memoryview) -> None:
        self._rest.append(bytes(piece))  # a view would keep all that the piece was cut from
        self._rest_size += len(piece)
        if self._rest_size > self._rest_bytes:
            raise Refused("xml-too-costly", f"more than {self._rest_bytes} bytes beside the attachments")


class _Text:
    """One text: what came of it while it may have to go back to the rest, and its bytes."""

    def __init__(self, spool: Callable[[], Spool]) -> None:
        self._new = spool
        self._raw: list[bytes | memoryview] | None = []
        self._size = 0
        self._decoder: Base64 | None = None
        self._behind = b""  # the beginning of a reference
        self._has_references = False
        self._is_odd = False

    def take(self, piece: memoryview, *, has_references: bool, room: int) -> None:
        """Go on with *piece*; raises ``Refused`` where it must go back to the rest, which has *room* left."""
        self._size += len(piece)
        self._has_references = self._has_references or has_references
        if self._raw is not None:
            self._raw.append(piece)
        if self._decoder is not None:
            self._decode(piece, has_references=has_references)
        elif self._size >= _SHORT and not self._is_odd:
            self._decoder = Base64(self._new())
            raw = self._raw or []
            self._decode(raw[0] if len(raw) == 1 else b"".join(raw), has_references=self._has_references)
        if self._size > max(room, _SHORT):
            self._raw = None
        if self._is_odd and self._raw is None:
            raise Refused("xml-too-costly", "references within base64")

    def short(self) -> Sequence[bytes | memoryview] | None:
        """The text as it came, where it is none to be taken out; else ``None``."""
        if self._size >= _SHORT and not self._is_odd and not self._behind:
            return None
        if self._raw is None:
            raise Refused("xml-too-costly", "references within base64")
        return self._raw

    def content(self) -> Content | None:
        """The bytes that it stands for; ``None`` where it is no base64."""
        return None if self._decoder is None else self._decoder.content()

    def _decode(self, piece: bytes | memoryview, *, has_references: bool) -> None:
        decoder = self._decoder
        assert decoder is not None
        if not has_references and not self._behind:
            decoder.feed(piece)
            return
        for start in range(0, len(piece), _SLICE):
            data = self._behind + piece[start : start + _SLICE]
            for blank in _BLANK_REFERENCES:
                data = data.replace(blank, b" ")
            found = data.find(b"&")
            if found >= 0 and len(data) - found >= _LONGEST_REFERENCE:
                self._is_odd = True  # what XML alone can read goes back to the rest
                self._decoder = None
                return
            self._behind, data = (b"", data) if found < 0 else (data[found:], data[:found])
            decoder.feed(data)


class Base64:
    """Strict base64, blanks allowed, decoded piece by piece into *spool*."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._left = b""
        self._has_blanks = False
        self._has_ended = False
        self._is_broken = False

    def feed(self, text: bytes | memoryview) -> None:
        """Go on with *text*."""
        for start in range(0, len(text), _CHUNK):
            if self._is_broken:
                return
            self._feed(text[start : start + _CHUNK])

    def content(self) -> Content | None:
        """The bytes; ``None`` where it was no base64."""
        if self._is_broken or self._left:
            return None
        return self._spool.content()

    def _feed(self, text: bytes | memoryview) -> None:
        part: bytes | memoryview = self._left + text if self._left else text
        if not self._has_blanks and not self._has_ended:
            usable = len(part) - len(part) % 4
            tail = bytes(part[usable:])
            if not any(blank in tail for blank in _BLANKS):
                decoded = _strictly(part[:usable])
                if decoded is not None:
                    self._take(part[:usable], tail, decoded)
                    return
        self._has_blanks = True
        part = bytes(part).translate(None, _BLANKS)
        if self._has_ended and part:
            self._is_broken = True  # padding, and then more
            return
        usable = len(part) - len(part) % 4
        decoded = _strictly(part[:usable])
        if decoded is None:
            self._is_broken = True
            return
        self._take(part[:usable], part[usable:], decoded)

    def _take(self, text: bytes | memoryview, left: bytes, decoded: bytes) -> None:
        self._spool.write(decoded)
        self._left = left
        self._has_ended = self._has_ended or bytes(text[-1:]) == b"="


def before_base64(head: bytes) -> int:
    """How many bytes stand before the first text that would be taken out (``Carver.before``); 0 where *head* does not
    tell."""
    tag = head.find(_TAG)
    return head.find(b">", tag, tag + _TAG_REST) + 1 if tag >= 0 else 0


def has_many_references(document: bytes, most: int) -> bool:
    """Whether more than *most* references stand in *document* behind where its first base64 may begin."""
    first = document.find(b"&", document.find(_TAG) + 1)
    return first >= 0 and document.count(b"&", first) > most


def decode(text: bytes, spool: Spool) -> Content | None:
    """What *text* (base64, blanks allowed) stands for; ``None`` where it is not base64."""
    decoder = Base64(spool)
    decoder.feed(text)
    return decoder.content()


def _strictly(text: bytes | memoryview) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None
