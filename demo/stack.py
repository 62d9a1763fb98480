"""The system under demonstration: one subprocess, started as an operator starts it, and ended with us.

However the demo ends, the stack does not outlive it: it is asked to stop (SIGTERM), and the kernel asks
it in our place should we be killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Self

SERVE = (sys.executable, "-m", "gateway.cli", "serve")
READY_WITHIN_S = 240.0
STOP_WITHIN_S = 120.0
_MARKER = ".made-by-vanthu-demo"
_PR_SET_PDEATHSIG = 1


class StackFailed(Exception):
    """The stack did not come up, or did not stay up; the text says where to read more."""


@contextlib.contextmanager
def fresh_folder(var: Path) -> Iterator[None]:
    """*var*, empty and ours alone while we run; what an earlier demo left there is removed.

    Raises ``StackFailed`` where the folder is somebody else's, or another demo runs in it.
    """
    var.parent.mkdir(parents=True, exist_ok=True)
    with (var.parent / f"{var.name}.lock").open("w") as lock:
        _lock(lock, var)
        if var.exists() and any(var.iterdir()) and not (var / _MARKER).exists():
            raise StackFailed(f"{var} không phải do demo tạo ra · is not ours: move it away or remove it.")
        if var.exists():
            shutil.rmtree(var)
        var.mkdir(parents=True)
        (var / _MARKER).touch()
        yield


def _lock(lock: IO[str], var: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise StackFailed(f"Một demo khác đang chạy · another demo is running in {var}.") from exc


class Stack:
    """``vanthu serve`` on *var*, up between ``start`` and ``stop``."""

    def __init__(
        self,
        var: Path,
        *,
        workers: int | None,
        config: Path | None = None,
        command: Sequence[str] = SERVE,
        patience_s: float = READY_WITHIN_S,
    ) -> None:
        self._patience_s = patience_s
        self._var = var
        self._command = [*command, "--var", str(var)]
        if workers is not None:
            self._command += ["--workers", str(workers)]
        if config is not None:
            self._command += ["--config", str(config)]
        self._log = var / "gateway.log"
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[str] | None = None

    @property
    def access_file(self) -> Path:
        """Where the clients find their access."""
        return self._var / "dev" / "access.json"

    @property
    def pid(self) -> int | None:
        """Of the process that started all others; ``None`` before it runs."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def trust(self, pem: bytes) -> None:
        """Put a root into the trust folder, as the operator does."""
        folder = self._var / "dev" / "trust"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "leaders.pem").write_bytes(pem)

    async def start(self) -> str:
        """Bring it up; the line with its addresses.  Raises ``StackFailed``."""
        self._ready = asyncio.get_running_loop().create_future()
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours; the stack is told to stop in its turn
                preexec_fn=_die_with(os.getpid()),
            )
        self._reader = asyncio.create_task(self._read(), name="stack output")
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._ready
        except TimeoutError:
            raise StackFailed(f"not ready within {self._patience_s:.0f} s; see {self._log}") from None

    async def stop(self) -> int:
        """Ask it to stop, and wait until it has; its exit code.  A second time is harmless."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await process.wait()
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
                raise
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        return process.returncode or 0

    async def died(self) -> None:
        """Return only if the stack ends by itself, by raising ``StackFailed``."""
        assert self._process is not None
        code = await self._process.wait()
        raise StackFailed(f"the gateway ended by itself (exit {code}); see {self._log}")

    async def _read(self) -> None:
        process, ready = self._process, self._ready
        assert process is not None
        assert process.stdout is not None
        assert ready is not None
        with self._log.open("ab") as log:
            async for line in process.stdout:
                log.write(line)
                log.flush()
                if line.startswith(b"ready") and not ready.done():
                    ready.set_result(line.decode("utf-8", "replace").strip())
        if not ready.done():
            code = await process.wait()
            ready.set_exception(StackFailed(f"serve ended with {code}; see {self._log}:\n{self._tail()}"))

    def _tail(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-8:])


def _die_with(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask
