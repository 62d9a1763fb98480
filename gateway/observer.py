"""Logs and counts what the pipeline does: one line per stage, fixed text, values in fields, never content."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
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

    @contextmanager
    def stage(self, stage: str, document: DocumentId) -> Iterator[None]:
        """Time one stage of one document."""
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            self._numbers.stage(stage, seconds)
            log.debug("stage", document=document, stage=stage, duration_ms=round(seconds * 1000, 2))

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
