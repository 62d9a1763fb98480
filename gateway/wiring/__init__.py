"""The only place that knows both the core and the adapters: puts the gateway together.

``ground`` has what every process stands on, ``process`` one worker, ``stack`` the parent of ``serve``,
``desk`` what the command line asks.
"""

from gateway.wiring.desk import Letter, check, note, open_store, send, verify
from gateway.wiring.process import work
from gateway.wiring.stack import Stack

__all__ = ["Letter", "Stack", "check", "note", "open_store", "send", "verify", "work"]
