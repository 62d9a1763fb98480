"""The contract of ``Uploads``: the twin and the files; below it what only files and processes can do wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.clock import SystemClock
from adapters.memory import FixedClock, MemoryUploads, MemoryVault
from adapters.store import FileUploads, FileVault, UploadOptions, VaultOptions
from gateway.errors import Refused, Unavailable
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef
from gateway.model.upload import Upload, UploadId
from gateway.ports import Uploads, Vault

MIB = 1024 * 1024
PARTY, OTHER = PartyKey("000.00.13.H53"), PartyKey("000.00.14.H53")
BODY = "Quyết định 517/QĐ-UBND".encode() * 50
DECLARED = PayloadRef.of(BODY).bare()


class House:
    """Uploads, the vault behind them, and the clock."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.clock = FixedClock()
        self.vault: MemoryVault | FileVault
        self.uploads: Uploads
        bounds = {"per_party": 3, "bytes_per_party": 10_000}
        if kind == "memory":
            self.vault = MemoryVault()
            self.uploads = MemoryUploads(self.clock, self.vault, **bounds)
        else:
            self.vault = FileVault(VaultOptions(folder=folder / "vault"))
            options = UploadOptions(folder=folder / "uploads", **bounds)
            self.uploads = FileUploads(options, self.vault, self.clock)

    async def append(self, upload: Upload, offset: int, *pieces: bytes) -> Upload:
        return await self.uploads.append(upload.party, upload.id, offset, each(*pieces))

    async def stands_at(self, upload: Upload) -> int | None:
        found = await self.uploads.find(upload.party, upload.id)
        return None if found is None else found.offset


@pytest.fixture(params=["memory", "file"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    made = House(request.param, tmp_path)
    yield made
    if isinstance(made.uploads, FileUploads):
        await made.uploads.stop()
    await made.vault.close()


async def each(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def kept(vault: Vault, ref: PayloadRef) -> bool:
    try:
        return await vault.read(ref) == BODY
    except Unavailable:
        return False


# --- the port ---------------------------------------------------------------------------------------


async def test_pieces_become_the_payload_that_was_declared(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    assert (upload.declared, upload.offset, upload.is_complete) == (DECLARED, 0, False)
    first = await house.append(upload, 0, BODY[:10], b"", BODY[10:300])
    assert (first.offset, await house.stands_at(upload)) == (300, 300)
    await house.append(upload, 300, BODY[300:])
    done = await house.uploads.finish(PARTY, upload.id)
    assert done.is_complete
    assert await kept(house.vault, DECLARED)
    assert await house.uploads.find(PARTY, upload.id) == done


async def test_finishing_again_is_harmless_and_nothing_can_be_added(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY)
    await house.uploads.finish(PARTY, upload.id)
    assert (await house.uploads.finish(PARTY, upload.id)).is_complete
    with pytest.raises(Refused, match="upload-offset-wrong"):
        await house.append(upload, len(BODY), b"more")


@pytest.mark.parametrize("offset", [0, 99, 101, len(BODY)])
async def test_a_piece_begins_where_the_upload_ends_and_nowhere_else(house: House, offset: int) -> None:
    """Out of order, overlapping, or with a gap."""
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY[:100])
    with pytest.raises(Refused, match="upload-offset-wrong"):
        await house.append(upload, offset, b"x")
    assert await house.stands_at(upload) == 100


async def test_what_reaches_beyond_the_declared_size_is_not_taken(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    with pytest.raises(Refused, match="upload-length-wrong"):
        await house.append(upload, 0, BODY[:100], BODY)
    assert await house.stands_at(upload) == 100


async def test_what_came_before_a_break_stays(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)

    async def broken() -> AsyncIterator[bytes]:
        yield BODY[:123]
        raise LookupError("the client has gone")

    with pytest.raises(LookupError):
        await house.uploads.append(PARTY, upload.id, 0, broken())
    assert await house.stands_at(upload) == 123
    await house.append(upload, 123, BODY[123:])
    assert (await house.uploads.finish(PARTY, upload.id)).is_complete


async def test_an_upload_that_is_not_whole_is_not_finished(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY[:-1])
    with pytest.raises(Refused, match="upload-length-wrong"):
        await house.uploads.finish(PARTY, upload.id)
    assert await house.stands_at(upload) == len(BODY) - 1


async def test_other_bytes_than_declared_are_not_kept(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    other = BODY[:-1] + b"?"
    await house.append(upload, 0, other)
    with pytest.raises(Refused, match="claim-mismatch"):
        await house.uploads.finish(PARTY, upload.id)
    assert await house.stands_at(upload) is None
    with pytest.raises(Unavailable):
        await house.vault.read(PayloadRef.of(other).bare())


async def test_one_writes_at_a_time(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BODY[:50]
        begun.set()
        await go_on.wait()
        yield BODY[50:100]

    first = asyncio.create_task(house.uploads.append(PARTY, upload.id, 0, slow()))
    await begun.wait()
    for offset in (0, 50):
        with pytest.raises(Refused, match="upload-busy"):
            await house.append(upload, offset, b"x")
    with pytest.raises(Refused, match="upload-busy"):
        await house.uploads.drop(PARTY, upload.id)
    go_on.set()
    assert (await first).offset == 100


async def test_an_upload_is_its_partys_alone(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    for name in (upload.id, UploadId("../../x"), UploadId(""), UploadId("0" * 48)):
        assert await house.uploads.find(OTHER, name) is None
        with pytest.raises(Refused, match="not-found"):
            await house.uploads.append(OTHER, name, 0, each(b"x"))
        for ask in (house.uploads.finish, house.uploads.drop):
            with pytest.raises(Refused, match="not-found"):
                await ask(OTHER, name)


async def test_unfinished_uploads_are_bounded_by_number_and_by_bytes_for_each_party(house: House) -> None:
    begun = [await house.uploads.begin(PARTY, PayloadRef(sha256=f"{n:064}", size=1)) for n in range(3)]
    with pytest.raises(Refused, match="uploads-too-many"):
        await house.uploads.begin(PARTY, DECLARED)
    await house.uploads.drop(PARTY, begun[0].id)
    with pytest.raises(Refused, match="uploads-too-many"):
        await house.uploads.begin(PARTY, PayloadRef(sha256="e" * 64, size=9_999))
    await house.uploads.begin(PARTY, PayloadRef(sha256="e" * 64, size=9_998))
    await house.uploads.begin(OTHER, DECLARED)


async def test_a_complete_upload_makes_room(house: House) -> None:
    for number in range(5):
        body = b"%d" % number
        upload = await house.uploads.begin(PARTY, PayloadRef.of(body))
        await house.append(upload, 0, body)
        await house.uploads.finish(PARTY, upload.id)


async def test_who_begins_again_is_led_to_where_it_stands(house: House) -> None:
    """An answer that was lost costs neither bytes nor a place."""
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY[:70])
    again = await house.uploads.begin(PARTY, DECLARED)
    assert (again.id, again.offset) == (upload.id, 70)
    assert (await house.uploads.begin(OTHER, DECLARED)).id != upload.id
    await house.append(upload, 70, BODY[70:])
    await house.uploads.finish(PARTY, upload.id)
    assert (await house.uploads.begin(PARTY, DECLARED)).is_complete


async def test_after_its_time_an_upload_begins_anew(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY[:70])
    house.clock.advance(timedelta(hours=25))
    assert (await house.uploads.begin(PARTY, DECLARED)).offset == 0
    await house.append(upload, 0, BODY)
    assert (await house.uploads.finish(PARTY, upload.id)).is_complete


async def test_what_is_given_up_leaves_nothing(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY)
    await house.uploads.drop(PARTY, upload.id)
    assert await house.uploads.find(PARTY, upload.id) is None
    assert not await kept(house.vault, DECLARED)


async def test_what_nobody_goes_on_with_is_swept_and_what_somebody_does_is_not(house: House) -> None:
    left = await house.uploads.begin(PARTY, DECLARED)
    used = await house.uploads.begin(OTHER, DECLARED)
    house.clock.advance(timedelta(hours=23))
    await house.append(used, 0, BODY[:5])
    house.clock.advance(timedelta(hours=2))
    assert await house.uploads.find(PARTY, left.id) is None
    assert await house.uploads.sweep() == 1
    assert await house.uploads.sweep() == 0
    assert await house.stands_at(used) == 5


async def test_the_payload_outlives_its_upload(house: House) -> None:
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY)
    await house.uploads.finish(PARTY, upload.id)
    house.clock.advance(timedelta(hours=25))
    await house.uploads.sweep()
    assert await house.uploads.find(PARTY, upload.id) is None
    assert await kept(house.vault, DECLARED)


# --- files ------------------------------------------------------------------------------------------


def files_below(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.rglob("*") if path.is_file())


async def test_two_processes_go_on_with_each_others_uploads(tmp_path: Path) -> None:
    one, two = House("file", tmp_path), House("file", tmp_path)
    upload = await one.uploads.begin(PARTY, DECLARED)
    await one.append(upload, 0, BODY[:100])
    await two.append(upload, 100, BODY[100:200])
    await one.append(upload, 200, BODY[200:])
    assert (await two.uploads.finish(PARTY, upload.id)).is_complete
    assert (await one.uploads.finish(PARTY, upload.id)).is_complete
    assert await kept(one.vault, DECLARED)
    assert files_below(tmp_path / "uploads") == [".json"]


async def test_a_dropped_upload_leaves_no_file(tmp_path: Path) -> None:
    house = House("file", tmp_path)
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY)
    await house.uploads.drop(PARTY, upload.id)
    assert files_below(tmp_path / "uploads") == []


async def test_a_payload_that_is_there_already_is_not_kept_twice(tmp_path: Path) -> None:
    house = House("file", tmp_path)
    await house.vault.put(BODY)
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY)
    assert (await house.uploads.finish(PARTY, upload.id)).is_complete
    assert files_below(tmp_path / "uploads") == [".json"]
    assert await kept(house.vault, DECLARED)


async def test_an_upload_whose_payload_was_purged_begins_anew(tmp_path: Path) -> None:
    house = House("file", tmp_path)
    upload = await house.uploads.begin(PARTY, DECLARED)
    await house.append(upload, 0, BODY)
    await house.uploads.finish(PARTY, upload.id)
    (payload,) = (tmp_path / "vault").rglob(DECLARED.sha256)
    payload.unlink()
    assert await house.uploads.find(PARTY, upload.id) is None
    assert (await house.uploads.begin(PARTY, DECLARED)).offset == 0


async def test_the_part_of_a_half_begun_upload_is_swept(tmp_path: Path) -> None:
    """Somebody died between the two files of a beginning."""
    house = House("file", tmp_path)
    upload = await house.uploads.begin(PARTY, DECLARED)
    (description,) = (tmp_path / "uploads").rglob("*.json")
    description.unlink()
    await house.uploads.sweep()
    assert files_below(tmp_path / "uploads") == [".part"]  # it may be just beginning
    os.utime(description.with_suffix(".part"), (1, 1))
    await house.uploads.sweep()
    assert files_below(tmp_path / "uploads") == []
    assert await house.stands_at(upload) is None


_WRITES_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from adapters.clock import SystemClock
from adapters.store import FileUploads, FileVault, UploadOptions, VaultOptions
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef

async def main():
    folder = Path(sys.argv[1])
    vault = FileVault(VaultOptions(folder=folder / "vault"))
    uploads = FileUploads(UploadOptions(folder=folder / "uploads"), vault, SystemClock())
    upload = await uploads.begin(PartyKey("000.00.13.H53"), PayloadRef(sha256="0" * 64, size=2**31))

    async def pieces():
        while True:
            yield bytes(65536)
            print(upload.id, flush=True)

    await uploads.append(upload.party, upload.id, 0, pieces())

asyncio.run(main())
"""


async def test_kill_minus_9_in_the_middle_of_a_piece_releases_the_upload(tmp_path: Path) -> None:
    """What was written stays, whole pieces or not, and anybody goes on from there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITES_FOR_EVER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(3):
        line = await process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    vault = FileVault(VaultOptions(folder=tmp_path / "vault"))
    uploads = FileUploads(UploadOptions(folder=tmp_path / "uploads"), vault, SystemClock())
    found = await uploads.find(PARTY, UploadId(line.decode().strip()))
    assert found is not None
    assert found.offset >= 3 * 65536
    after = await uploads.append(PARTY, found.id, found.offset, each(b"and on"))
    assert after.offset == found.offset + 6


async def test_a_full_disk_keeps_what_fits_and_says_so(tmp_path: Path) -> None:
    """In a process whose files may not grow; with room again it goes on where it stopped."""
    script = """
import asyncio, resource, signal, sys
from pathlib import Path
from adapters.memory import FixedClock
from adapters.store import FileUploads, FileVault, UploadOptions, VaultOptions
from gateway.errors import Unavailable
from gateway.model.ids import PartyKey
from gateway.model.payload import PayloadRef

BODY = bytes(1_500_000)

async def pieces(start):
    for at in range(start, len(BODY), 400_000):
        yield BODY[at : at + 400_000]

async def main():
    folder = Path(sys.argv[1])
    vault = FileVault(VaultOptions(folder=folder / "vault"))
    uploads = FileUploads(UploadOptions(folder=folder / "uploads"), vault, FixedClock())
    upload = await uploads.begin(PartyKey("p"), PayloadRef.of(BODY))
    try:
        await uploads.append(upload.party, upload.id, 0, pieces(0))
    except Unavailable as full:
        print(full.reason)
    at = (await uploads.find(upload.party, upload.id)).offset
    print(at)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    await uploads.append(upload.party, upload.id, at, pieces(at))
    print((await uploads.finish(upload.party, upload.id)).is_complete)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 2_000_000))
asyncio.run(main())
"""
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert told.stdout.split() == ["disk-full", "1000000", "True"], told.stderr


async def test_a_cancelled_writer_lets_go(tmp_path: Path) -> None:
    """The client has gone and its request was cancelled: what came is kept, and the next may write."""
    house = House("file", tmp_path)
    upload = await house.uploads.begin(PARTY, DECLARED)
    waits = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield BODY[:40]
        waits.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(house.uploads.append(PARTY, upload.id, 0, endless()))
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await house.append(upload, 40, BODY[40:])).offset == len(BODY)
    assert (await house.uploads.finish(PARTY, upload.id)).declared.sha256 == sha256(BODY).hexdigest()
