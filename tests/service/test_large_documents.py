"""Ten files of 50 MB pass, and the worker does not grow with them."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

MB = 1_000_000


async def test_ten_files_of_50_mb_pass_and_the_process_grows_by_60_mb_at_most(tmp_path: Path) -> None:
    """From the upload to the fetch of the claim; half are PDFs, which are judged; some are raw, some in ZIPs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.service.large", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    told = json.loads(said)
    assert told["document"] > 660 * MB
    assert told["peak"] - told["idle"] <= 60 * MB
    assert told["held_s"] < 0.1
    assert told["leftovers"] == []
    await asyncio.to_thread(shutil.rmtree, tmp_path)
