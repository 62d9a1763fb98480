"""The nouns: frozen data without I/O, one idea per file."""
