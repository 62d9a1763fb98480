"""Files without a name: there while somebody holds them, and nowhere afterwards."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.loose import LooseFile, unlinked
from gateway.errors import Unavailable


def test_what_is_written_is_read_from_anywhere(tmp_path: Path) -> None:
    for file in (LooseFile.in_folder(tmp_path), LooseFile.in_memory()):
        file.write(b"abc")
        file.write(memoryview(b"def"))
        assert (file.size, file.read(2, 3), file.read(4, 100), file.read(9, 1)) == (6, b"cde", b"ef", b"")


def test_it_has_no_name_and_its_descriptor_goes_with_it(tmp_path: Path) -> None:
    file = LooseFile.in_folder(tmp_path)
    descriptor = file.fileno()
    file.write(bytes(1000))
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(descriptor).st_size == 1000
    del file
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_where_there_are_no_nameless_files_one_loses_its_name_at_once(tmp_path: Path) -> None:
    file = LooseFile(unlinked(str(tmp_path)))
    file.write(b"abc")
    assert (file.read(0, 9), list(tmp_path.iterdir())) == (b"abc", [])


def test_they_leave_half_of_the_descriptors_to_others(tmp_path: Path) -> None:
    """Somebody who sends many large files at once makes the large ones wait, and nothing else fail."""
    script = """
import resource, sys
from pathlib import Path
from adapters.loose import LooseFile
from gateway.errors import Unavailable
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(LooseFile.in_folder(Path(sys.argv[1])))
except Unavailable as busy:
    print(busy.reason, len(held))
del held[0]
held.append(LooseFile.in_folder(Path(sys.argv[1])))
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == ["too-busy", "32"], told.stderr
    assert told.returncode == 0, told.stderr


def test_a_full_disk_and_a_missing_folder_are_said_so(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
from adapters.loose import LooseFile
from gateway.errors import Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
file = LooseFile.in_folder(Path(sys.argv[1]))
try:
    for _ in range(3):
        file.write(bytes(400_000))
except Unavailable as full:
    print(full.reason, file.size)
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == ["disk-full", "1000000"], told.stderr
    with pytest.raises(Unavailable, match="store-away"):
        LooseFile.in_folder(tmp_path / "gone")
    with pytest.raises(Unavailable, match="disk-full"):
        LooseFile.in_folder(tmp_path, leaving=2**60)
