"""A small generator of official documents: a writer, its fonts, and the page as NĐ 30/2020 wants it.

from demo.pdf import Fonts, typeset
typeset(paper, Fonts.load(cache)).pdf
"""

from demo.pdf.fonts import FontMissing, Fonts
from demo.pdf.layout import Box, Paper, Run, Typeset, typeset

__all__ = ["Box", "FontMissing", "Fonts", "Paper", "Run", "Typeset", "typeset"]
