"""Sets logging up: structured lines to a file, or to standard error.

Strategy: no document's content in a line, whatever goes wrong.  Our own calls name what they tell.  An exception
tells its type and where it was raised, and its words only where they are ours: ``invalid literal for int():
'…'`` quotes what somebody sent, and that may be a state secret.  Of what libraries log, the first line of the
unfilled form is kept.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from logging.handlers import WatchedFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from gateway.config import LogSection
from gateway.errors import ConfigError, GatewayError, Refused, Unavailable

_LONGEST_FOREIGN = 200
_FRAMES = 30
LOOKS_EVERY_S = 0.2
"""How often a log file is looked for: after it was moved away, lines still go to it that long."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def quiet() -> None:
    """Log next to nothing: a verb itself tells people what they should know, and programs may read its output."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn of odd files; our findings say what matters
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def set_up(section: LogSection, file: Path | None) -> None:
    """Log to *file* (``None``: standard error) at the configured level; libraries from warnings on."""
    level = _LEVELS.get(section.level)
    if level is None:
        raise ConfigError(f"log.level: one of {', '.join(_LEVELS)}")
    if section.form not in ("json", "text"):
        raise ConfigError("log.form: json or text")
    handler: logging.StreamHandler[Any] = logging.StreamHandler(sys.stderr)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(file, encoding="utf-8")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[structlog.typing.Processor] = [
        structlog.processors.ExceptionRenderer(_told),
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if section.form == "json"
        else structlog.dev.ConsoleRenderer(colors=False),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _first_line],
            use_get_message=False,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    for old in root.handlers:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    # Our own lines do not pass through the standard library's records, which cost three times as much: several
    # lines are written for each document.  What is below the level costs nothing at all.
    structlog.configure(
        processors=[*shared, *renderers],
        logger_factory=lambda name="": _Lines(name, handler),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


class _Lines:
    """Writes finished lines where *handler* writes those of the libraries."""

    def __init__(self, name: str, handler: logging.StreamHandler[Any]) -> None:
        self.name = name
        self._handler = handler

    def msg(self, line: str) -> None:
        """Write one line."""
        handler = self._handler
        with handler.lock or nullcontext():
            try:
                if isinstance(handler, _LogFile):
                    handler.follow()
                handler.stream.write(line + "\n")
                handler.flush()
            except OSError:  # a full disk, or a folder that is gone, must stop no document
                return

    debug = info = warning = error = critical = exception = log = msg


class _LogFile(WatchedFileHandler):
    """A file that may be moved or removed; it is looked for now and then, as that costs more than to write a line."""

    _looked_at = -math.inf

    def follow(self) -> None:
        """Have the file open that bears the name.  Raises ``OSError`` where its folder is gone; the next line makes it."""
        now = time.monotonic()
        stream: Any = self.stream
        if stream is None:  # it could not be opened for the last line, and the library does not try again
            file = Path(self.baseFilename)
            file.parent.mkdir(parents=True, exist_ok=True)
            self.stream = file.open("a", encoding="utf-8")
        elif now - self._looked_at < LOOKS_EVERY_S:
            return
        self.reopenIfNeeded()
        self._looked_at = now


def _first_line(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    lines = str(event["event"]).splitlines() or [""]
    return {**event, "event": lines[0][:_LONGEST_FOREIGN]}


def _told(exc_info: structlog.typing.ExcInfo) -> str:
    """An exception and what led to it: types, places, and words that are ours."""
    return "\n".join(_lines(exc_info[1], set()))


def _lines(exc: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(exc))
    before = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "which led to"
    for frame in traceback.extract_tb(exc.__traceback__)[-_FRAMES:]:
        yield f"  {frame.filename}:{frame.lineno} {frame.name}"
    yield f"{type(exc).__module__}.{type(exc).__qualname__}{_words(exc)}"
    if isinstance(exc, BaseExceptionGroup):
        for one in exc.exceptions:
            yield from _lines(one, seen)


def _words(exc: BaseException) -> str:
    match exc:
        case Refused() | Unavailable():
            return f": {exc.reason}"  # the detail of a refusal may quote the peer
        case GatewayError():
            return f": {exc}"
        case OSError(errno=int(number)):
            return f": {number} {exc.strerror}"
    return ""


def hear_what_dies() -> None:
    """What nobody caught goes to the log as well, and not with all its words to standard error."""
    log = structlog.get_logger("service")

    def main(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("process died", exc_info=exc.with_traceback(trace))

    def thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            log.critical(
                "thread died", thread=told.thread.name if told.thread else "", exc_info=told.exc_value
            )

    def nowhere(told: sys.UnraisableHookArgs) -> None:
        if told.exc_value is not None:
            log.error("exception that nobody could take", exc_info=told.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = main, thread, nowhere
