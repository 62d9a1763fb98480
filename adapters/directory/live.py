"""The directory that is in force, and may be exchanged for another while everybody goes on asking it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adapters.directory.directory import OrganDirectory
from gateway.model.ids import ClientId, OrganCode, PartyKey
from gateway.model.party import Client, Found, Party


class LiveDirectory:
    """``gateway.ports.Directory`` over whichever directory is in force.

    ``swap`` is one assignment: every question before it is answered by the old one, every question after it by
    the new one, none by a mixture.
    """

    def __init__(self, current: OrganDirectory) -> None:
        self._current = current

    @property
    def current(self) -> OrganDirectory:
        """The directory in force."""
        return self._current

    def swap(self, fresh: OrganDirectory) -> None:
        """*fresh* is in force from now on."""
        self._current = fresh

    def find(self, code: OrganCode, at: datetime) -> Found:
        """``Directory.find``."""
        return self._current.find(code, at)

    def party(self, key: PartyKey) -> Party | None:
        """``Directory.party``."""
        return self._current.party(key)

    def predecessors(self, key: PartyKey, at: datetime) -> Sequence[PartyKey]:
        """``Directory.predecessors``."""
        return self._current.predecessors(key, at)

    def parties(self) -> Sequence[Party]:
        """``Directory.parties``."""
        return self._current.parties()

    def client(self, client: ClientId) -> Client | None:
        """``Directory.client``."""
        return self._current.client(client)

    def clients(self) -> Sequence[Client]:
        """``Directory.clients``."""
        return self._current.clients()
