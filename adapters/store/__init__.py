"""The state: ledger, lives, inboxes and records in SQL (SQLite or PostgreSQL), payloads in a file vault.

    async with await Store.open(Options(url="sqlite:///var/store/ledger.sqlite", realm="H53")) as store:
        await store.ledger.commit(change)

``writer`` is the heart: one thread that groups whatever waits into one commit.  ``changes`` is what it does
with a group; ``tables`` what it writes to.  ``vault`` and ``uploads`` have nothing to do with either.
"""

from adapters.store.changes import Retention
from adapters.store.shelves import FileShelves
from adapters.store.store import Options, Store
from adapters.store.uploads import FileUploads, UploadOptions
from adapters.store.vault import FileVault, VaultOptions

__all__ = [
    "FileShelves",
    "FileUploads",
    "FileVault",
    "Options",
    "Retention",
    "Store",
    "UploadOptions",
    "VaultOptions",
]
