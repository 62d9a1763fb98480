"""PDFs that hold something besides paper and no script: content elsewhere, content hidden, links, too many pages.

The hostile ones are in ``make_pdfs``, which writes these as files, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.signing.pdfs import a_pdf

_LAYER = b"<< /Type /OCG /Name (Dau) >>"


def stream_in_another_file() -> bytes:
    """A content stream whose data are those of another file."""
    return a_pdf(extra={20: b"<< /Length 0 /F (noi-dung.bin) >>\nstream\n\nendstream"})


def reference_xobject() -> bytes:
    """A form that shows the page of another file in its place."""
    return a_pdf(extra={20: _form(b"/Ref << /F << /Type /Filespec /F (khac.pdf) >> /Page 0 >>")})


def opi_proxy() -> bytes:
    """A form that stands for what a printing house has."""
    return a_pdf(extra={20: _form(b"/OPI << /2.0 << /Type /OPI /Version 2.0 /F (anh.tif) >> >>")})


def hidden_layer() -> bytes:
    """A layer that is not shown when the file is opened."""
    return a_pdf(catalog=_layers(b"/OFF [20 0 R]"), extra={20: _LAYER})


def layers_off_unless_named() -> bytes:
    """Every layer is off but those that are named."""
    return a_pdf(catalog=_layers(b"/BaseState /OFF"), extra={20: _LAYER})


def shown_layers() -> bytes:
    """A drawing with layers, all of them shown."""
    return a_pdf(catalog=_layers(b"/ON [20 0 R]"), extra={20: _LAYER})


def hidden_annotation() -> bytes:
    """A stamp that nobody sees, as long as its flag stands."""
    return a_pdf(extra={20: b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 99 99] /F 2 >>"})


def annotation_without_a_view() -> bytes:
    """A text that is printed and not shown."""
    return a_pdf(extra={20: b"<< /Type /Annot /Subtype /FreeText /Rect [0 0 99 99] /F 36 >>"})


def invisible_field() -> bytes:
    """The hidden widget of an unseen signature field, as many programs make it: ordinary."""
    field = b"<< /FT /Sig /T (Sig1) /Type /Annot /Subtype /Widget /Rect [0 0 0 0] /F 2 >>"
    return a_pdf(catalog=b"/AcroForm << /Fields [20 0 R] >>", extra={20: field})


def hiding_action() -> bytes:
    """A link that takes something away."""
    return a_pdf(extra={20: _link(b"/S /Hide /T (Chu ky)")})


def layer_switch() -> bytes:
    """A link that switches a layer."""
    return a_pdf(catalog=_layers(b""), extra={20: _LAYER, 21: _link(b"/S /SetOCGState /State [/OFF 20 0 R]")})


def link_to_a_file() -> bytes:
    """A link to a place in another file."""
    return a_pdf(extra={20: _link(b"/S /GoToR /F (phu-luc.pdf) /D [0 /Fit]")})


def link_to_an_embedded_file() -> bytes:
    """A link to a place in an embedded file."""
    return a_pdf(extra={20: _link(b"/S /GoToE /D [0 /Fit] /T << /R /C /N (a.pdf) >>")})


def link_to_a_file_by_address() -> bytes:
    """An address that is a file's."""
    return a_pdf(extra={20: _link(b"/S /URI /URI (FILE:///etc/passwd)")})


def link_to_the_web() -> bytes:
    """An address on the web: ordinary."""
    return a_pdf(extra={20: _link(b"/S /URI /URI (https://tayninh.gov.vn/)")})


def link_with_a_script() -> bytes:
    """An address that is a script, spelt so that a reader who is in a hurry does not see it."""
    return a_pdf(extra={20: _link(b"/S /URI /URI (  Java\\tscript:alert\\(1\\))")})


def portfolio() -> bytes:
    """A collection of files with a cover."""
    return a_pdf(
        catalog=b"/Collection << /View /D >> /Names << /EmbeddedFiles << /Names [] >> >>",
    )


def rich_media() -> bytes:
    """A film on the page."""
    return a_pdf(extra={20: b"<< /Type /Annot /Subtype /RichMedia /Rect [0 0 99 99] >>"})


def pages(count: int) -> bytes:
    """*count* pages of nothing."""
    kids = b" ".join(b"%d 0 R" % (100 + number) for number in range(count))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>"
    return a_pdf(
        extra={
            2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
            **dict.fromkeys(range(100, 100 + count), page),
        }
    )


def _layers(default: bytes) -> bytes:
    return b"/OCProperties << /OCGs [20 0 R] /D << %s >> >>" % default


def _form(entries: bytes) -> bytes:
    return (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 99 99] %s /Length 0 >>\nstream\n\nendstream" % entries
    )


def _link(action: bytes) -> bytes:
    return b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << %s >> >>" % action


BESIDES: Mapping[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        stream_in_another_file,
        reference_xobject,
        opi_proxy,
        hidden_layer,
        layers_off_unless_named,
        shown_layers,
        hidden_annotation,
        annotation_without_a_view,
        invisible_field,
        hiding_action,
        layer_switch,
        link_to_a_file,
        link_to_an_embedded_file,
        link_to_a_file_by_address,
        link_to_the_web,
        link_with_a_script,
        portfolio,
        rich_media,
    )
}
"""The vectors of this file, by name."""
