"""The day's accounts: what had to come, what came, and what of it came twice.

Who sends writes down first what must follow; whoever takes something writes it down, too.  In the evening
every line must be struck out: a line that is left is *lost*, a second delivery id for a line is *doubled*,
and what nobody expected is *unexpected*.  The same id again is only a *repeat*, as the contract allows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that must reach *party*.

    ``message`` is the message id under which the document was submitted.  ``what`` is ``edoc`` (``other``
    is empty), ``status`` (``other`` reports ``word``) or ``receipt`` (``other`` is the recipient concerned,
    ``word`` the event, with ``:reason`` where something failed).
    """

    what: str
    party: str
    message: str
    other: str = ""
    word: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.message, self.word, self.other) if part) + (
            f" → {self.party}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A delivery as a client took it.  ``document`` is the one concerned, for a status the one reported on."""

    delivery: str
    party: str
    what: str
    document: str
    other: str = ""
    word: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as a client took it."""

    evidence: str
    party: str
    message: str
    event: str
    document: str
    recipient: str = ""
    reason: str = ""
    sequence: int = 0
    at: datetime | None = None

    @property
    def is_refusal(self) -> bool:
        """Whether the gateway says no."""
        return self.event in ("SubmissionRejection", "ContentConsignmentFailure", "ContentHandoverFailure")

    @property
    def word(self) -> str:
        """The event, with the reason where there is one to tell."""
        says_why = self.is_refusal or self.event == "ConsignmentRejection"
        return f"{self.event}:{self.reason}" if says_why else self.event


@dataclass(slots=True)
class Books:
    """The accounts of one day."""

    lost_after_s: float = 60.0
    taken: list[Taken] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    repeats: int = 0
    doubled: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    _open: set[Line] = field(default_factory=set)
    _struck: set[Line] = field(default_factory=set)
    _surplus: list[Line] = field(default_factory=list)
    _ids: set[str] = field(default_factory=set)
    _evidence: Counter[str] = field(default_factory=Counter)
    _messages: dict[str, str] = field(default_factory=dict)
    _parked: list[Taken] = field(default_factory=list)
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    # --- writing --------------------------------------------------------------------------------------

    def expect(self, *lines: Line) -> None:
        """These must come.  Write them down before sending."""
        for line in lines:
            if line in self._open or line in self._struck:
                raise ValueError(f"expected twice: {line}")
            self._open.add(line)

    def took(self, taken: Taken) -> bool:
        """A client took a delivery; whether it is the first time under this id."""
        self._stirred.set()
        if taken.delivery in self._ids:
            self.repeats += 1
            return False
        self._ids.add(taken.delivery)
        self.taken.append(taken)
        if taken.document in self._messages:
            self._strike(self._line(taken))
        else:
            self._parked.append(taken)  # the acceptance that names the document is still on its way
        return True

    def got(self, receipt: Receipt) -> bool:
        """A client got a receipt; whether it is the first time under this id."""
        self._stirred.set()
        self._evidence[receipt.evidence] += 1
        if self._evidence[receipt.evidence] > 1:
            return False
        self.receipts.append(receipt)
        if receipt.is_refusal:
            self.refused[receipt.reason] += 1
        self._strike(
            Line(
                what="receipt",
                party=receipt.party,
                message=receipt.message,
                other=receipt.recipient,
                word=receipt.word,
            )
        )
        if receipt.event == "SubmissionAcceptance":
            self._messages[receipt.document] = receipt.message
            waiting, self._parked = self._parked, []
            for taken in waiting:
                if taken.document == receipt.document:
                    self._strike(self._line(taken))
                else:
                    self._parked.append(taken)
        return True

    def fault(self, text: str) -> None:
        """Something is not as the contract says."""
        self.faults.append(text)
        self._stirred.set()

    def _line(self, taken: Taken) -> Line:
        return Line(
            what=taken.what,
            party=taken.party,
            message=self._messages[taken.document],
            other=taken.other,
            word=taken.word,
        )

    def _strike(self, line: Line) -> None:
        if line in self._open:
            self._open.remove(line)
            self._struck.add(line)
        elif line in self._struck:
            self.doubled.append(str(line))
        else:
            self._surplus.append(line)

    # --- reading --------------------------------------------------------------------------------------

    @property
    def lost(self) -> list[str]:
        """What had to come and did not."""
        return sorted(map(str, self._open))

    @property
    def unexpected(self) -> list[str]:
        """What came though nobody expected it."""
        strays = [f"{t.what} {t.delivery} of an unknown document {t.document}" for t in self._parked]
        return sorted(map(str, self._surplus)) + strays

    @property
    def messages(self) -> Mapping[str, str]:
        """The accepted documents and statuses: our message id by the gateway's document id."""
        return self._messages

    def times_seen(self, evidence: str) -> int:
        """How often an evidence came."""
        return self._evidence[evidence]

    def has(self, line: Line) -> bool:
        """Whether *line* is struck out."""
        return line in self._struck

    def receipts_of(self, message: str) -> list[Receipt]:
        """All receipts for what was sent under *message*."""
        return [receipt for receipt in self.receipts if receipt.message == message]

    # --- waiting --------------------------------------------------------------------------------------

    async def all_struck(self, lines: Iterable[Line] | None = None) -> bool:
        """Wait until *lines* (all, if none are named) are struck out, as long as anything comes at all."""
        wanted = None if lines is None else frozenset(lines)
        return await self.until(lambda: not (self._open if wanted is None else self._open & wanted))

    async def until(self, is_met: Callable[[], bool]) -> bool:
        """Wait for a condition; ``False`` where nothing at all has come for ``lost_after_s``."""
        while not is_met():
            self._stirred.clear()
            try:
                async with asyncio.timeout(self.lost_after_s):
                    await self._stirred.wait()
            except TimeoutError:
                return is_met()
        return True

    async def silence(self, seconds: float) -> None:
        """Wait until nothing has come for *seconds*: a second copy would come soon or never."""
        while True:
            self._stirred.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._stirred.wait()
            except TimeoutError:
                return
