"""Sets logging up: structured lines to a file, or to standard error."""

from __future__ import annotations

import logging
import sys
import warnings
from logging.handlers import WatchedFileHandler
from pathlib import Path

import structlog

from gateway.config import LogSection
from gateway.errors import ConfigError

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
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = WatchedFileHandler(file, encoding="utf-8")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if section.form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    for name in ("worker", "pipeline", "stack", "supervisor", "service", "adapters"):
        logging.getLogger(name).setLevel(level)
