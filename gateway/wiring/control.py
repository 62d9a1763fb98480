"""How the command line finds the running ``serve`` of a folder of data, and asks it for a reload, a drain or its end.

``serve`` holds a lock on ``run/serve.pid`` as long as it lives, so a number that a killed one left behind misleads
nobody.  Whoever wants something writes who it is and what, sends SIGHUP, and waits for the answer to itself.  A drain
is written beside a reload: one ``serve`` of the release before would take it for a reload, which harms nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from adapters.directory.development import write_private
from gateway.config import Config
from gateway.errors import ConfigError, Unavailable
from gateway.wiring.renewal import answer_file, request_file

log = structlog.get_logger("control")

PATIENCE_S = 120.0
_POLL_S = 0.05


class Presence:
    """That a ``serve`` runs on this folder of data, and who it is."""

    def __init__(self, config: Config) -> None:
        self._path = pid_file(config)
        self._file: TextIO | None = None

    def take(self) -> None:
        """Say that we are here.  Raises ``ConfigError`` where another is."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="ascii")
        if not _locked(file):
            file.seek(0)
            other = file.read(20).strip()
            file.close()
            raise ConfigError(
                f"{self._path.parent.parent}: vanthu serve đang chạy ở đây rồi · vanthu serve runs here already (pid {other})"
            )
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def leave(self) -> None:
        """Say that we are gone.  May be called twice."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None


def _locked(file: TextIO) -> bool:
    # Whoever asks whether we run holds the lock for an instant.
    for _ in range(20):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.01)
    return False


def pid_file(config: Config) -> Path:
    """Where the running ``serve`` is named."""
    return config.var / "run" / "serve.pid"


def running(config: Config) -> int | None:
    """The process id of the ``serve`` that runs on this folder of data; ``None`` where none does."""
    try:
        with pid_file(config).open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(20))
    except (OSError, ValueError):
        pass
    return None


async def ask_reload(config: Config) -> dict[str, Any] | None:
    """Have the running gateway reload its directory; how that ended, ``None`` where none runs.

    Raises ``Unavailable("gateway-away")`` where it does not answer.
    """
    request = uuid.uuid4().hex
    return await _ask(config, request, request_file(config), request, answer_file(config), PATIENCE_S)


async def ask_drain(config: Config, within_s: float, actor: str, *, resume: bool) -> dict[str, Any] | None:
    """Have the running gateway drain, or *resume*; how that ended, ``None`` where none runs.

    Raises ``Unavailable("gateway-away")`` where it does not answer.
    """
    request = uuid.uuid4().hex
    wanted = {"request": request, "resume": resume, "within_s": within_s, "actor": actor}
    patience_s = within_s + PATIENCE_S
    return await _ask(
        config, request, drain_file(config), json.dumps(wanted), drained_file(config), patience_s
    )


def drain_wanted(config: Config) -> dict[str, Any] | None:
    """The drain that somebody asks for, once; ``None`` where nobody does."""
    path = drain_file(config)
    wanted = _read(path)
    path.unlink(missing_ok=True)
    return wanted


def answer_drain(config: Config, answer: Mapping[str, Any]) -> None:
    """Tell whoever asked how it ended."""
    try:
        write_private(drained_file(config), json.dumps(answer, ensure_ascii=False) + "\n")
    except ConfigError as error:
        log.error("nobody is told of the drain", problem=str(error))


def drain_file(config: Config) -> Path:
    """Where whoever asks for a drain says who it is, and what is wanted."""
    return config.var / "run" / "drain.request"


def drained_file(config: Config) -> Path:
    """Where the parent says how the last drain ended."""
    return config.var / "run" / "drain.json"


async def _ask(
    config: Config, request: str, question: Path, text: str, answers: Path, patience_s: float
) -> dict[str, Any] | None:
    pid = running(config)
    if pid is None:
        return None
    write_private(question, text + "\n")
    try:
        os.kill(pid, signal.SIGHUP)
    except (ProcessLookupError, PermissionError) as error:
        raise Unavailable("gateway-away", f"pid {pid}: {error.strerror}") from error
    try:
        async with asyncio.timeout(patience_s):
            while running(config) == pid:
                answer = _read(answers)
                if answer is not None and answer.get("request") == request:
                    return answer
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        pass
    raise Unavailable("gateway-away", f"pid {pid}")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
