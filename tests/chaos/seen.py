"""What the agencies saw: each message that they sent, took, or were told.  No word of the gateway's is in it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.chaos.plan import What


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Something sent, and confirmed: by the broker, or with 202.

    ``number`` is the step's; statuses have none (0).  ``files`` are name, SHA-256 and size of each attachment.
    ``answer`` is the reason of an HTTP refusal.
    """

    organ: str
    message: str
    what: What | None
    sha256: str
    number: int = 0
    recipients: tuple[str, ...] = ()
    files: tuple[tuple[str, str, int], ...] = ()
    about: str = ""
    """A status: our id of the document that it reports on."""
    code: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A delivery as it came.  ``says_so``: it is marked as a repeat, by us or by the broker.

    ``files`` are name, SHA-256, and SHA-256 of as many first bytes as the sender's file has.
    """

    organ: str
    delivery: str
    document: str
    is_status: bool
    sha256: str
    told_sha256: str
    says_so: bool
    number: int = 0
    files: tuple[tuple[str, str, str], ...] = ()
    reporter: str = ""
    code: str = ""
    is_rejected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A receipt as it came; ``sha256`` is that of its body."""

    organ: str
    evidence: str
    message: str
    event: str
    document: str
    recipient: str
    reason: str
    sequence: int
    sha256: str


@dataclass(slots=True)
class Seen:
    """Everything, in the order in which it was seen; ``faults`` are breaches of the contract that a client noticed."""

    sent: list[Sent] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    events: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    """Of each message (organ, id): which event was told about which recipient."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Of each file by name, as its sender made it."""

    def told_of(self, told: Told) -> None:
        """Note a receipt."""
        self.told.append(told)
        self.events[told.organ, told.message].add((told.event, told.recipient))

    def is_done(self, sent: Sent) -> bool:
        """Whether the sender knows what became of *sent*: refused, or of every copy whether it is there."""
        heard = self.events[sent.organ, sent.message]
        if any(event == "SubmissionRejection" for event, _ in heard):
            return True
        about = {recipient for event, recipient in heard if recipient}
        return about >= set(sent.recipients) and bool(heard)
