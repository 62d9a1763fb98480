"""What is logged: no content of any document, whatever fails; and no dump of a process that holds one."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from adapters.store.engine import open_writer, parse
from gateway.config import LogSection
from gateway.errors import ConfigError, Refused
from gateway.wiring import logs
from gateway.wiring.logs import set_up

SECRET = "nội dung mật 7c1f"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """A log as a worker's; what was set before comes back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.get_config()
    set_up(LogSection(), tmp_path / "worker.log")
    structlog.configure(
        cache_logger_on_first_use=False
    )  # a logger of the gateway would keep this file for good
    yield tmp_path / "worker.log"
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = before[0], before[1]
    structlog.configure(**before[2])


def raise_with_content() -> None:
    int(SECRET)


def lines(log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_an_exception_tells_where_and_what_but_not_what_it_quotes(log: Path) -> None:
    try:
        raise_with_content()
    except ValueError:
        structlog.get_logger("worker").exception("errand failed", work="document:1")
    (line,) = lines(log)
    assert SECRET not in str(line)
    assert "builtins.ValueError" in line["exception"]
    assert "raise_with_content" in line["exception"]
    assert (line["event"], line["work"]) == ("errand failed", "document:1")


def test_neither_do_its_causes_nor_the_members_of_a_group(log: Path) -> None:
    try:
        try:
            raise_with_content()
        except ValueError as cause:
            refused = Refused("xml-malformed", SECRET)
            raise ExceptionGroup(SECRET, [RuntimeError(SECRET), refused]) from cause
    except ExceptionGroup:
        structlog.get_logger("adapters.x").exception("failed")
    (line,) = lines(log)
    assert SECRET not in str(line)
    for kind in ("ValueError", "ExceptionGroup", "RuntimeError", "Refused: xml-malformed"):
        assert kind in line["exception"]


def test_our_own_words_and_the_systems_are_told(log: Path) -> None:
    for raised in (ConfigError("http.port: taken"), OSError(28, "No space left on device")):
        try:
            raise raised
        except Exception:
            structlog.get_logger("service").exception("failed")
    first, second = lines(log)
    assert "ConfigError: http.port: taken" in first["exception"]
    assert "OSError: 28 No space left on device" in second["exception"]


def test_a_folder_that_was_removed_stops_nobody_and_comes_back(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOKS_EVERY_S", 0.0)
    logger = structlog.get_logger("worker")
    logger.info("first")
    shutil.rmtree(log.parent)
    logger.info("lost")
    logger.info("third")
    assert [line["event"] for line in lines(log)] == ["third"]


def test_what_libraries_fill_in_is_not_logged(log: Path) -> None:
    logging.getLogger("aiormq").warning("Unhandled frame %r", SECRET)
    logging.getLogger("some.library").error("strange file\n%s", SECRET)
    assert [line["event"] for line in lines(log)] == ["Unhandled frame %r", "strange file"]


async def test_a_task_that_nobody_waits_for_tells_no_content(log: Path) -> None:
    async def fails() -> None:
        raise_with_content()

    task = asyncio.get_running_loop().create_task(fails())
    while not task.done():
        await asyncio.sleep(0)
    del task
    (line,) = lines(log)
    assert SECRET not in str(line)
    assert line["event"] == "Task exception was never retrieved"


def test_a_databases_error_names_no_values(tmp_path: Path) -> None:
    engine = open_writer(parse(f"sqlite:///{tmp_path / 'x.sqlite'}"))
    with pytest.raises(StatementError) as raised, engine.connect() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": SECRET})
    assert SECRET not in str(raised.value)
    engine.dispose()


_DYING = """
import ctypes, json, resource, sys, threading
from pathlib import Path
from gateway.config import LogSection
from gateway.wiring.logs import hear_what_dies, set_up
from gateway.wiring.secrecy import keep_memory_private

keep_memory_private()
set_up(LogSection(), Path(sys.argv[1]))
hear_what_dies()
print(json.dumps([*resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)]), flush=True)
thread = threading.Thread(target=int, args=(sys.argv[2],))
thread.start()
thread.join()
int(sys.argv[2])
"""


def test_a_process_that_dies_leaves_neither_dump_nor_words(tmp_path: Path) -> None:
    """spec: prctl(2) - PR_GET_DUMPABLE is 3."""
    log = tmp_path / "worker.log"
    died = subprocess.run(
        [sys.executable, "-c", _DYING, str(log), SECRET], capture_output=True, text=True, check=False
    )
    assert json.loads(died.stdout) == [0, 0, 0]
    assert died.returncode == 1
    assert SECRET not in died.stderr
    assert [line["event"] for line in lines(log)] == ["thread died", "process died"]
    assert SECRET not in log.read_text(encoding="utf-8")


def test_a_log_that_was_moved_away_is_begun_anew(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOKS_EVERY_S", 0.0)
    structlog.get_logger("worker").warning("before")
    log.rename(tmp_path / "worker.log.1")
    structlog.get_logger("worker").warning("after")
    logging.getLogger("a.library").warning("hers")
    assert [line["event"] for line in lines(tmp_path / "worker.log.1")] == ["before"]
    assert [line["event"] for line in lines(log)] == ["after", "hers"]


def test_a_log_that_was_moved_away_is_written_on_until_it_is_looked_for(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look costs more than to write a line."""
    monkeypatch.setattr(logs, "LOOKS_EVERY_S", 3600.0)
    logger = structlog.get_logger("worker")
    logger.warning("before")
    log.rename(tmp_path / "worker.log.1")
    logger.warning("after")
    assert [line["event"] for line in lines(tmp_path / "worker.log.1")] == ["before", "after"]
    monkeypatch.setattr(logs, "LOOKS_EVERY_S", 0.0)
    logger.warning("anew")
    assert [line["event"] for line in lines(log)] == ["anew"]


def test_what_is_below_the_level_is_not_written(log: Path) -> None:
    structlog.get_logger("pipeline").debug("stage", document="d")
    structlog.get_logger("adapters.x").info("started")
    assert [line["event"] for line in lines(log)] == ["started"]
