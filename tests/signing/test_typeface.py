"""The typeface of appendices: found, refused with a reason, and cut the same way every time."""

from __future__ import annotations

from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from adapters.signing import LookOptions
from adapters.signing.visible.typeface import Typeface, find_font
from gateway.config import load
from gateway.errors import ConfigError, Unavailable
from gateway.wiring.sealing import look
from tests.signing.pdfs import a_pdf
from tests.signing.test_looks import APPENDIX, a_sealer, sealed_by


def test_the_machines_font_is_found() -> None:
    assert find_font(None).name == "LiberationSerif-Regular.ttf"


@pytest.fixture
def without_vietnamese(tmp_path: Path) -> Path:
    """The machine's font as it was before 2.0."""
    file = tmp_path / "old.ttf"
    with TTFont(find_font(None)) as font:
        for table in font["cmap"].tables:
            table.cmap = {code: name for code, name in table.cmap.items() if code < 0x100}
        font.save(file)
    return file


def test_a_font_without_vietnamese_letters_is_refused(without_vietnamese: Path) -> None:
    with pytest.raises(ConfigError, match=r"seal\.font: .*old\.ttf: .*Vietnam"):
        find_font(without_vietnamese)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "not there"), (b"", "no TrueType font"), (b"\0\1\0\0" + bytes(500), "seal.font"), (b"OTTO" * 99, "no TrueType")],
)  # fmt: skip
def test_start_up_and_check_config_name_a_font_that_cannot_be_used(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    font = tmp_path / "font.ttf"
    if content is not None:
        font.write_bytes(content)
    (tmp_path / "gateway.toml").write_text('[seal]\nfont = "font.ttf"\n')
    with pytest.raises(ConfigError) as caught:
        look(load(tmp_path / "gateway.toml"))
    assert str(caught.value).startswith(f"seal.font: {font}")
    assert told in str(caught.value)


def test_without_anything_to_see_no_font_is_needed(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[seal]\nvisible = false\nfont = "font.ttf"\n')
    assert look(load(tmp_path / "gateway.toml")) == LookOptions(visible=False)


async def test_an_appendix_waits_where_the_font_has_gone_since_start_up(tmp_path: Path) -> None:
    sealer = a_sealer(tmp_path, font=tmp_path / "gone.ttf")
    with pytest.raises(Unavailable) as caught:
        await sealed_by(sealer, a_pdf(), APPENDIX)
    assert caught.value.reason == "seal-failed"
    assert "gone.ttf" in str(caught.value)


def test_the_same_text_is_set_in_the_same_bytes() -> None:
    first, second = (Typeface(find_font(None)).set(["1/QĐ"], 50_000) for _ in range(2))
    assert first == second


def test_what_is_common_takes_a_small_cut_and_what_is_not_a_larger_one() -> None:
    typeface = Typeface(find_font(None))
    common, wide = typeface.set(["15/2026/QĐ-UBND"], 50_000).cut, typeface.set(["Ằ"], 50_000).cut
    assert len(common.program) < 10_000
    assert len(common.program) < len(wide.program) < 40_000
    assert typeface.set(["16/2026/QĐ-UBND"], 50_000).cut is common
