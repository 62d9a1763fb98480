"""The in-memory twin of every port: what the pipeline runs on in tests and in simulation."""

from adapters.memory.broker import DeadLetter, Letter, MemoryBroker, MemoryOutlet
from adapters.memory.clock import CountingIds, FixedClock
from adapters.memory.directory import MemoryDirectory
from adapters.memory.envelope import MemoryEnvelopes, write_edoc, write_status
from adapters.memory.inspection import MemoryInspector
from adapters.memory.log import MemoryLog
from adapters.memory.signing import MemoryNotary, MemorySealer
from adapters.memory.store import MemoryStore
from adapters.memory.uploads import MemoryUploads
from adapters.memory.vault import MemoryVault

__all__ = [
    "CountingIds",
    "DeadLetter",
    "FixedClock",
    "Letter",
    "MemoryBroker",
    "MemoryDirectory",
    "MemoryEnvelopes",
    "MemoryInspector",
    "MemoryLog",
    "MemoryNotary",
    "MemoryOutlet",
    "MemorySealer",
    "MemoryStore",
    "MemoryUploads",
    "MemoryVault",
    "write_edoc",
    "write_status",
]
