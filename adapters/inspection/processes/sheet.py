"""The sheet on which a file of ordinary size lies while it is judged: memory that both sides see.

    sheet = Sheet.new()                     # here
    sheet.lay(body)
    …                                       # and there, from the descriptor that was handed over:
    body = Sheet.at(descriptor).read(size)

A file that goes through a socket is copied four times, and wakes both sides several times on its way.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import Self

SIZE = 1024 * 1024
"""Bytes of a sheet; larger files take another way.  Only what was used of it is memory."""


class Sheet:
    """Memory that is ours to write; whoever has it from its descriptor can read it and no more."""

    def __init__(self, descriptor: int, memory: mmap.mmap) -> None:
        self._descriptor = descriptor
        self._memory = memory

    @classmethod
    def new(cls) -> Self:
        """An empty sheet.  Raises ``OSError``."""
        descriptor = os.memfd_create("sheet", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, SIZE)
            # Nobody may take away what is under our feet: to write where there is nothing would end us.
            fcntl.fcntl(
                descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            )
            return cls(descriptor, mmap.mmap(descriptor, SIZE))
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def at(cls, descriptor: int) -> Self:
        """The sheet of another process, of which we were handed the *descriptor*; it is ours to close."""
        return cls(descriptor, mmap.mmap(descriptor, SIZE, prot=mmap.PROT_READ))

    def fileno(self) -> int:
        """The descriptor, to be handed over."""
        return self._descriptor

    def lay(self, body: bytes) -> None:
        """Put *body*, of ``SIZE`` bytes at most, on the sheet."""
        self._memory[: len(body)] = body

    def read(self, size: int) -> bytes:
        """The first *size* bytes, a copy."""
        return self._memory[:size]

    def close(self) -> None:
        """Let go of it."""
        self._memory.close()
        os.close(self._descriptor)
