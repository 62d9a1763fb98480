"""Logs and counts what the pipeline does: one line per stage, fixed text, values in fields, never content."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from gateway.model.evidence import EventName
from gateway.model.ids import DocumentId

log = structlog.get_logger("pipeline")


class Numbers(Protocol):
    """Where numbers go (``adapters.http.metrics``)."""

    def document(self, outcome: str, reason: str = "") -> None:
        """A document was accepted, refused, repeated or put off."""
        ...

    def hand_over(self, link: str, outcome: str, reason: str = "") -> None:
        """An attempt to hand a copy over ended."""
        ...

    def receipt(self, event: str) -> None:
        """A receipt was issued."""
        ...

    def stage(self, stage: str, seconds: float) -> None:
        """A document went through a stage."""
        ...


class LoggingObserver:
    """Implements ``gateway.ports.Observer``."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def stage(self, stage: str, document: DocumentId) -> AbstractContextManager[None]:
        """Time one stage of one document."""
        return _Timed(self._numbers, stage, document)

    def document(self, outcome: str, document: DocumentId | None, reason: str = "") -> None:
        """A submission was decided."""
        self._numbers.document(outcome, reason)
        log.info("document", document=document, outcome=outcome, reason=reason or None)

    def hand_over(self, document: DocumentId, link: str, outcome: str, reason: str = "") -> None:
        """An outlet answered."""
        self._numbers.hand_over(link, outcome, reason)
        log.debug("hand-over", document=document, outcome=outcome, reason=reason or None)

    def receipt(self, event: EventName) -> None:
        """Evidence was issued."""
        self._numbers.receipt(event)


class _Timed:
    """The time between the beginning and the end of a stage.  A class: seven of them are made for a document,
    and a generator costs three times as much."""

    __slots__ = ("_began", "_document", "_numbers", "_stage")

    def __init__(self, numbers: Numbers, stage: str, document: DocumentId) -> None:
        self._numbers = numbers
        self._stage = stage
        self._document = document

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._began
        self._numbers.stage(self._stage, seconds)
        log.debug("stage", document=self._document, stage=self._stage, duration_ms=seconds * 1000)
