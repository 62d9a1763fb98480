"""Alembic's migrations, numbered in order: each number is greater than that of the one it follows.

Expand, then contract: a migration may add tables, indexes and nullable columns (or ones with a default); it
takes away only what the release before it no longer used.
"""

HEAD = "0009"
"""The newest migration: a start that finds it in the database runs none."""
