"""What a start finds of earlier lives: the leases of those whose processes are gone are free at once, and all is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from adapters.store import Options, Store
from gateway.config import load
from gateway.model.change import Change
from gateway.model.ids import Owner
from gateway.wiring.recovery import forget_life, note_life, recover, told_recovered
from tests.contract.conftest import store_file  # noqa: F401 - fixture
from tests.contract.entries import some_work


def a_gone_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


async def test_what_the_killed_had_in_hand_is_free_at_once_and_what_the_living_have_is_not(
    store_file: Path,  # noqa: F811 - fixture
    tmp_path: Path,
) -> None:
    shutil.copy(store_file, tmp_path / "ledger.sqlite")
    config = load(None, var=tmp_path)
    killed, living = Owner(f"{a_gone_process()}-killed"), Owner(f"{os.getpid()}-living")
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "u.part").touch()
    async with await Store.open(Options(url=f"sqlite:///{tmp_path}/ledger.sqlite", realm="H53")) as store:
        left = await recover(config, store, tmp_path / "nothing")
        assert told_recovered(left) == "không có gì dở dang · nothing was left by earlier lives"
        for owner in (killed, living):
            note_life(config, owner)
            await store.lives.beat(owner, timedelta(hours=1))
        work = [some_work(f"receipt:{n}", owner=killed) for n in range(3)]
        work += [some_work("delivery:1", owner=living), some_work("delivery:2")]
        await store.ledger.commit(Change(work=tuple(work)))

        left = await recover(config, store, tmp_path / "uploads")
        assert (left.killed, left.freed, left.held, left.uploads) == (1, 3, 1, 1)
        assert await store.records.leased() == {living: 1}
        told = told_recovered(left)
        assert "3 biên nhận · receipts" in told
        assert "3 leases freed" in told
        assert "1 tệp tải dở · unfinished uploads" in told

        assert (await recover(config, store, tmp_path / "uploads")).killed == 0, "once is enough"
        forget_life(config, living)
        forget_life(config, living)
        assert (await recover(config, store, tmp_path / "uploads")).killed == 0
