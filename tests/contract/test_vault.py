"""The contract of ``Vault``: the twin and the file vault; below it what only files can do wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.loose import LooseFile
from adapters.memory import MemoryVault
from adapters.store import FileVault, VaultOptions
from gateway.errors import ConfigError, Unavailable
from gateway.model.payload import PayloadRef

MIB = 1024 * 1024
BODY = "Quyết định 517/QĐ-UBND".encode()

AnyVault = MemoryVault | FileVault


@pytest.fixture(params=["memory", "file"])
async def vault(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyVault]:
    """An empty vault of each kind."""
    kept = MemoryVault() if request.param == "memory" else FileVault(VaultOptions(folder=tmp_path / "vault"))
    yield kept
    await kept.close()


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def whole(vault: AnyVault, ref: PayloadRef) -> bytes:
    return b"".join([chunk async for chunk in vault.open(ref)])


# --- the port ---------------------------------------------------------------------------------------


async def test_bytes_come_back_as_they_were_put(vault: AnyVault) -> None:
    """ "Keep the bytes"; "All the bytes": under their SHA-256."""
    ref = await vault.put(BODY)
    assert (ref.sha256, ref.size) == (sha256(BODY).hexdigest(), len(BODY))
    assert await vault.read(ref.bare()) == BODY
    assert await whole(vault, ref.bare()) == BODY


async def test_a_body_that_rides_along_is_kept_under_the_digest_that_its_reference_names(
    vault: AnyVault,
) -> None:
    """ "Of a reference, the body that rides along is kept"."""
    ref = PayloadRef.of(BODY)
    assert await vault.put(ref) == ref
    assert await vault.read(ref.bare()) == BODY


async def test_a_stream_is_kept_like_a_whole(vault: AnyVault) -> None:
    """``put`` takes chunks of any size, empty ones too."""
    ref = await vault.put(pieces(BODY[:3], b"", BODY[3:]))
    assert ref == await vault.put(BODY)
    assert await vault.read(ref.bare()) == BODY


async def test_nothing_is_also_something(vault: AnyVault) -> None:
    """Empty bytes have a digest, too."""
    for ref in (await vault.put(b""), await vault.put(pieces())):
        assert await vault.read(ref.bare()) == b""
        assert await whole(vault, ref.bare()) == b""


async def test_a_second_time_is_harmless(vault: AnyVault) -> None:
    """ "A second time is harmless"; also at the same time."""
    refs = await asyncio.gather(*(vault.put(BODY) for _ in range(10)), vault.put(pieces(BODY)))
    assert len(set(refs)) == 1
    assert await vault.read(refs[0].bare()) == BODY


async def test_a_reference_that_nobody_hashed_is_named_by_its_bytes(vault: AnyVault) -> None:
    """ "Not hashed again if ``PayloadRef.of`` did it": what was made in another way may lie."""
    ref = await vault.put(PayloadRef(sha256="ab" * 32, size=len(BODY), body=BODY))
    assert ref == PayloadRef.of(BODY)
    assert await vault.read(ref.bare()) == BODY


async def test_chunks_have_at_most_one_mebibyte(vault: AnyVault) -> None:
    """ "The bytes in chunks of at most 1 MiB"; also those that ride along."""
    body = os.urandom(2 * MIB + 5)
    ref = await vault.put(body)
    for wanted in (ref.bare(), PayloadRef.of(body)):
        chunks = [chunk async for chunk in vault.open(wanted)]
        assert b"".join(chunks) == body
        assert max(map(len, chunks)) <= MIB


async def test_what_rides_along_is_not_looked_for(vault: AnyVault) -> None:
    """ "All the bytes (those that ride along with *ref*, if any)": nothing was ever put."""
    ref = PayloadRef.of(BODY)
    assert await vault.read(ref) == BODY
    assert await whole(vault, ref) == BODY


async def test_what_is_not_there_is_unavailable(vault: AnyVault) -> None:
    """ "Raises ``Unavailable("payload-missing")`` where they are gone"."""
    ref = PayloadRef(sha256="ab" * 32, size=3)
    with pytest.raises(Unavailable, match="payload-missing"):
        await vault.read(ref)
    with pytest.raises(Unavailable, match="payload-missing"):
        await whole(vault, ref)


async def test_a_reference_of_the_wrong_size_is_not_served(vault: AnyVault) -> None:
    """Size is a part of the reference."""
    ref = await vault.put(BODY)
    wrong = PayloadRef(sha256=ref.sha256, size=ref.size + 1)
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await vault.read(wrong)
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await whole(vault, wrong)


async def test_bytes_can_be_had_from_the_middle_on(vault: AnyVault) -> None:
    """ "The bytes from the offset *start* on": also beyond the first MiB, and of what rides along."""
    body = os.urandom(2 * MIB + 5)
    ref = await vault.put(body)
    loose = LooseFile.in_memory()
    loose.write(body)
    riding = PayloadRef(sha256=ref.sha256, size=ref.size, loose=loose)
    for start in (1, MIB, 2 * MIB + 4, 2 * MIB + 5):
        for wanted in (ref.bare(), PayloadRef.of(body), riding):
            chunks = [chunk async for chunk in vault.open(wanted, start=start)]
            assert b"".join(chunks) == body[start:]
            assert all(0 < len(chunk) <= MIB for chunk in chunks)


async def test_a_loose_file_is_read_like_a_payload(vault: AnyVault) -> None:
    """What rides along with a reference is read from there, and compared with it."""
    loose = LooseFile.in_memory()
    loose.write(BODY)
    ref = PayloadRef(sha256=sha256(BODY).hexdigest(), size=len(BODY), loose=loose)
    assert await vault.read(ref) == await whole(vault, ref) == BODY
    with pytest.raises(Unavailable, match="payload-missing"):
        await vault.read(ref.bare())
    loose.write(b"?")
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await vault.read(ref)
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await whole(vault, ref)


async def test_a_healthy_vault_says_ok(vault: AnyVault) -> None:
    """The health check."""
    assert await vault.check() == "ok"


async def test_a_stream_that_breaks_leaves_nothing(vault: AnyVault) -> None:
    """Half a payload is none; the error is the stream's own."""

    async def broken() -> AsyncIterator[bytes]:
        yield BODY
        raise LookupError("the client has gone")

    with pytest.raises(LookupError):
        await vault.put(broken())
    with pytest.raises(Unavailable, match="payload-missing"):
        await vault.read(PayloadRef.of(BODY).bare())


# --- files ------------------------------------------------------------------------------------------


def opened(folder: Path, **options: timedelta | int) -> FileVault:
    return FileVault(VaultOptions(folder=folder, **options))  # type: ignore[arg-type]  # any option


def file_of(folder: Path, ref: PayloadRef) -> Path:
    (found,) = folder.rglob(ref.sha256)
    return found


def leftovers(folder: Path) -> list[Path]:
    return list((folder / "tmp").iterdir())


async def test_a_broken_stream_leaves_no_temporary(tmp_path: Path) -> None:
    """Nor does one that is cancelled while a chunk is awaited."""
    vault = opened(tmp_path)
    waits = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield BODY
        waits.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(vault.put(endless()))
    await waits.wait()
    assert len(leftovers(tmp_path)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await vault.close()
    assert leftovers(tmp_path) == []


async def test_what_is_laid_out_needs_no_folder_for_any_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first thousand documents would make them."""
    vault = opened(tmp_path)
    await asyncio.to_thread(vault.lay_out)
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: pytest.fail("a folder was made"))
    refs = [await vault.put(b"%d" % number) for number in range(600)]
    assert len({ref.sha256[:2] for ref in refs}) > 200
    assert [await vault.read(ref.bare()) for ref in refs] == [b"%d" % number for number in range(600)]
    await vault.close()


def test_a_vault_that_cannot_be_laid_out_is_told(tmp_path: Path) -> None:
    vault = opened(tmp_path)
    (tmp_path / "7f").write_bytes(b"in the way")
    with pytest.raises(ConfigError, match=r"vault\.folder"):
        vault.lay_out()


async def test_payloads_lie_two_folders_deep(tmp_path: Path) -> None:
    """So that no folder grows without bound."""
    vault = opened(tmp_path)
    ref = await vault.put(BODY)
    path = file_of(tmp_path, ref).relative_to(tmp_path)
    assert path == Path(ref.sha256[:2], ref.sha256[2:3], ref.sha256)
    assert leftovers(tmp_path) == []
    await vault.close()


async def test_putting_again_makes_the_bytes_young(tmp_path: Path) -> None:
    """ "and makes them young again": a purge looks at the age; the file itself stays."""
    vault = opened(tmp_path)
    ref = await vault.put(BODY)
    file = file_of(tmp_path, ref)
    for chunks in (BODY, pieces(BODY)):
        os.utime(file, (1, 1))
        before = os.stat(file)
        await vault.put(chunks)
        after = os.stat(file)
        assert after.st_mtime > before.st_mtime == 1
        assert after.st_ino == before.st_ino
    await vault.close()


async def test_a_truncated_file_is_put_anew(tmp_path: Path) -> None:
    """What lies under the name but is not whole does not count as being there."""
    vault = opened(tmp_path)
    ref = await vault.put(BODY)
    file_of(tmp_path, ref).write_bytes(BODY[:-1])
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await vault.read(ref.bare())
    await vault.put(BODY)
    assert await vault.read(ref.bare()) == BODY
    await vault.close()


async def test_bytes_that_changed_on_the_disk_are_not_served(tmp_path: Path) -> None:
    """The digest is checked where all bytes are read, in one piece or in chunks."""
    vault = opened(tmp_path)
    ref = await vault.put(BODY)
    file_of(tmp_path, ref).write_bytes(BODY[:-1] + b"?")
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await vault.read(ref.bare())
    with pytest.raises(Unavailable, match="digest-mismatch"):
        await whole(vault, ref.bare())
    await vault.close()


async def test_old_temporaries_are_swept_at_the_start(tmp_path: Path) -> None:
    """A dead process left them; what another process is just writing stays."""
    await opened(tmp_path).close()
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    for file in (old, young):
        file.write_bytes(BODY)
    os.utime(old, (1, 1))
    await opened(tmp_path).close()
    assert leftovers(tmp_path) == [young]
    await opened(tmp_path, leftovers=timedelta()).close()
    assert leftovers(tmp_path) == []


async def test_two_processes_share_a_vault(tmp_path: Path) -> None:
    """Each sees what the other put."""
    one, two = opened(tmp_path), opened(tmp_path)
    refs = await asyncio.gather(*(v.put(bytes([n])) for n in range(50) for v in (one, two)))
    assert {await two.read(ref.bare()) for ref in refs} == {bytes([n]) for n in range(50)}
    await one.close()
    await two.close()


async def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    """ "disk full → ``Unavailable("disk-full")``": in a process whose files may not grow; nothing is left."""
    script = """
import asyncio, resource, signal, sys
from pathlib import Path
from adapters.store import FileVault, VaultOptions
from gateway.errors import Unavailable

async def pieces():
    for _ in range(3):
        yield bytes(400_000)

async def main():
    vault = FileVault(VaultOptions(folder=Path(sys.argv[1])))
    for chunks in (bytes(1_100_000), pieces()):
        try:
            await vault.put(chunks)
        except Unavailable as full:
            print(full.reason)
    print((await vault.put(bytes(900_000))).size)
    await vault.close()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
asyncio.run(main())
"""
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert told.stdout.split() == ["disk-full", "disk-full", "900000"], told.stderr
    assert leftovers(tmp_path) == []


async def test_a_disk_that_is_nearly_full_is_reported(tmp_path: Path) -> None:
    """The health check says how much is left."""
    vault = opened(tmp_path, min_free_bytes=2**80)
    assert "MiB of disk are free for the vault" in await vault.check()
    await vault.close()


async def test_a_vault_that_has_gone_is_reported(tmp_path: Path) -> None:
    """The health check tries to write."""
    vault = opened(tmp_path)
    (tmp_path / "tmp").rmdir()
    assert "can't be written" in await vault.check()
    await vault.close()


async def test_a_folder_that_cannot_be_one_is_a_configuration_error(tmp_path: Path) -> None:
    """Fails at the start, and names the key."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"vault\.folder"):
        opened(tmp_path / "file")


async def test_a_closed_vault_is_unavailable(tmp_path: Path) -> None:
    """No library exception comes out; closing twice is harmless."""
    vault = opened(tmp_path)
    await vault.close()
    await vault.close()
    with pytest.raises(Unavailable, match="store-away"):
        await vault.put(BODY)
