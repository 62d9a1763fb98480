"""The world: one folder per part of it.  Folders do not import each other; the core sees only ports."""
