"""The reader of PDF files that judging and sealing share: what passed there is sealed by the same parser.

pyHanko's reader, with its slow places replaced: cross-reference tables (``tables``) and the hex digits of
signatures (``reader``).  This package knows nothing of signatures, trust or seals.
"""
