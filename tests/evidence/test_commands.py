"""``vanthu evidence export`` and ``verify`` as their user meets them; and kill -9 of who numbers."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from adapters.memory import MemoryNotary, MemoryVault
from adapters.store import FileVault, Options, Store, VaultOptions
from gateway.cli import app, obey
from gateway.config import load
from gateway.model.change import Committed
from gateway.model.ids import Owner
from gateway.model.merkle import Frontier, leaf_hash
from gateway.stages.dispose import without_content
from gateway.wiring.evidence import export_evidence
from tests.builders import NOON
from tests.contract.conftest import store_file  # noqa: F401 - fixture
from tests.evidence.desk import LIFE, Desk, a_notary
from tests.evidence.parcels import taken_apart
from tests.pki import pki
from tests.services import Postgres

ROOT = Path(__file__).resolve().parent.parent.parent


def url_of(var: Path) -> str:
    return f"sqlite:///{var / 'store' / 'ledger.sqlite'}"


async def desk_at(var: Path, store: Store) -> Desk:
    return Desk(store, FileVault(VaultOptions(folder=var / "vault")), a_notary(var / "keys"))


async def issue(var: Path, count: int, *, numbered: bool) -> None:
    async with await Store.open(Options(url=url_of(var), realm="H53")) as store:
        desk = await desk_at(var, store)
        for number in range(1, count + 1):
            await desk.document(number)
        if numbered:
            await desk.number()
            await store.lives.bury(LIFE)


@pytest.fixture
def var(store_file: Path, tmp_path: Path) -> Path:  # noqa: F811 - fixture
    """What a gateway leaves: a store, a vault, its key, the roots that it trusts."""
    made = tmp_path / "var"
    (made / "store").mkdir(parents=True)
    shutil.copy(store_file, made / "store" / "ledger.sqlite")
    (made / "dev" / "trust").mkdir(parents=True)
    (made / "dev" / "trust" / "root.pem").write_bytes(root())
    return made


def root() -> bytes:
    return pki().root.public_bytes(Encoding.PEM)


def vanthu(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(map(str, words)))
    return done.exit_code, done.output


@pytest.mark.parametrize("name", ["m-1", "0195d000-0000-7000-8000-000000000001", "517/QĐ-UBND"])
def test_a_document_is_exported_by_whatever_names_it_and_checked_elsewhere(
    var: Path, tmp_path: Path, name: str
) -> None:
    """On another machine: nothing there but the file and the root."""
    asyncio.run(issue(var, 1, numbered=True))
    out, elsewhere = tmp_path / "a.asice", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "root.pem").write_bytes(root())
    code, said = vanthu("evidence", "export", name, "--out", out, "--var", var)
    assert (code, "7 bằng chứng" in said) == (0, True), said

    code, said = vanthu("evidence", "verify", out, "--root", elsewhere / "root.pem", "--var", elsewhere)

    assert code == 0, said
    assert "NGUYÊN VẸN · INTACT" in said
    assert "UBND tỉnh Tây Ninh (000.00.00.H53) đã gửi lúc · submitted at 04/03/2026 12:00:00" in said
    assert "→ Sở thứ 12 (000.00.12.H53)" in said
    assert "đã vào sổ · accepted: 04/03/2026 12:00:04" in said
    assert "7/7 bằng chứng nằm trong sổ" in said
    assert [path.name for path in elsewhere.iterdir()] == ["root.pem"], "looking leaves nothing behind"


def test_json_has_it_all(var: Path, tmp_path: Path) -> None:
    asyncio.run(issue(var, 1, numbered=True))
    out = tmp_path / "a.asice"
    _, said = vanthu("evidence", "export", "m-1", "--out", out, "--json", "--var", var)
    told = json.loads(said.splitlines()[-1])  # the tests' own log goes the same way
    assert (told["evidence"], told["unproved"], told["gone"], told["head"]["size"]) == (7, 0, 0, 7)
    code, said = vanthu("evidence", "verify", out, "--json", "--var", var)
    told = json.loads(said)
    assert (code, told["verdict"], told["findings"], told["proved"]) == (0, "intact", [], 7)
    assert told["submitted_at"] == "2026-03-04T12:00:00+07:00"
    first = told["recipients"][0]
    assert (first["code"], first["accepted_at"]) == ("000.00.11.H53", "2026-03-04T12:00:04+07:00")
    assert [e["event"] for e in first["events"]] == [
        "ContentConsignment",
        "ContentHandover",
        "ConsignmentAcceptance",
    ]


def test_what_is_broken_is_said_in_both_languages_and_ends_with_1(var: Path, tmp_path: Path) -> None:
    asyncio.run(issue(var, 1, numbered=True))
    out = tmp_path / "a.asice"
    vanthu("evidence", "export", "m-1", "--out", out, "--var", var)
    body = bytearray(out.read_bytes())
    with ZipFile(out) as archive:
        inside = archive.getinfo("document/delivered-1.xml")
    body[inside.header_offset + 30 + len(inside.filename) + 3] ^= 1
    out.write_bytes(body)
    code, said = vanthu("evidence", "verify", out, "--var", var)
    assert code == 1
    assert "KHÔNG NGUYÊN VẸN · NOT INTACT" in said
    assert "Một tệp trong gói bằng chứng đã bị thay đổi. · A file in the container was changed." in said
    assert "document/delivered-1.xml" in said


def test_wrong_calls_end_with_2_and_unknown_documents_with_1(
    var: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(issue(var, 2, numbered=True))
    out = tmp_path / "a.asice"
    (tmp_path / "no.pem").write_bytes(b"no certificate")
    options = ["--var", str(var)]
    assert obey(["evidence", "verify", str(tmp_path / "none.asice"), *options]) == 2
    assert obey(["evidence", "verify", str(var / "dev"), *options]) == 2
    assert obey(["evidence", "verify", str(tmp_path / "no.pem"), "--root", str(tmp_path / "no.pem")]) == 2
    assert obey(["evidence", "export", "m-9", "--out", str(out), *options]) == 1
    assert "[not-found] m-9" in capsys.readouterr().err
    assert obey(["evidence", "export", "517/QĐ-UBND", "--out", str(out), *options]) == 1
    said = capsys.readouterr().err
    assert "[document-ambiguous]" in said
    assert all(f"0195d000-0000-7000-8000-00000000000{n}" in said for n in (1, 2)), "it lists them"
    assert obey(["evidence", "export", "m-1", "--out", str(tmp_path / "no" / "a"), *options]) == 1
    assert not out.exists()


def test_where_nobody_numbers_the_export_has_a_head_signed_itself(var: Path, tmp_path: Path) -> None:
    asyncio.run(issue(var, 2, numbered=False))
    out = tmp_path / "a.asice"
    code, said = vanthu("evidence", "export", "m-2", "--out", out, "--var", var)
    assert (code, "đầu sổ · head 14" in said, "LƯU Ý" in said) == (0, True, False), said
    assert vanthu("evidence", "verify", out, "--var", var)[0] == 0
    assert vanthu("log", "verify", "--var", var)[0] == 0


async def test_a_gateway_that_runs_is_asked_for_a_head(var: Path, tmp_path: Path) -> None:
    await issue(var, 1, numbered=False)
    async with await Store.open(Options(url=url_of(var), realm="H53")) as store:
        desk = await desk_at(var, store)
        await desk.number()
        desk.clock.advance(timedelta(seconds=1))
        await desk.document(2)

        async def gateway() -> None:
            while True:  # its minute is not over: it signs because it is asked
                await desk.sequencer.turn()
                await asyncio.sleep(0.01)

        running = asyncio.create_task(gateway())
        done = await export_evidence(load(None, var=var), "m-2", tmp_path / "a.asice")
        running.cancel()
    assert (done.unproved, done.head.size if done.head else 0) == (0, 14)


def test_bytes_that_are_no_longer_kept_are_said_to_be_gone(var: Path, tmp_path: Path) -> None:
    asyncio.run(issue(var, 1, numbered=True))
    shutil.rmtree(var / "vault")
    out = tmp_path / "a.asice"
    code, said = vanthu("evidence", "export", "m-1", "--out", out, "--var", var)
    assert (code, "no longer kept" in said) == (0, True)
    assert not [name for name in taken_apart(out.read_bytes()) if name.startswith("document/")]
    assert vanthu("evidence", "verify", out, "--var", var)[0] == 0


def test_bytes_that_were_removed_at_their_end_are_told_with_the_reason(var: Path, tmp_path: Path) -> None:
    """The evidence is all there and holds; so does the whole log."""
    asyncio.run(issue(var, 2, numbered=True))

    async def purge() -> None:
        async with await Store.open(Options(url=url_of(var), realm="H53")) as store:
            (document,) = await store.records.search("m-1")
            dossier = await store.ledger.load(document)
            assert dossier is not None
            assert await store.ledger.commit(without_content(dossier, (), NOON)) == Committed()

    asyncio.run(purge())
    out = tmp_path / "a.asice"
    code, said = vanthu("evidence", "export", "m-1", "--out", out, "--var", var)
    assert (code, "[content-purged]" in said, "no longer kept" in said) == (0, True, False)
    assert not [name for name in taken_apart(out.read_bytes()) if name.startswith("document/")]
    assert vanthu("evidence", "verify", out, "--var", var)[0] == 0
    assert vanthu("log", "verify", "--var", var)[0] == 0


@pytest.mark.parametrize(("authority", "code"), [("ftp://tsa", 2), ("tsa", 2), ("https://tsa/x", 0), ("", 0)])
def test_an_authority_that_is_no_address_is_told_before_the_start(
    tmp_path: Path, authority: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'[evidence]\nauthority = "{authority}"\n[seal]\nvisible = false\n')
    assert obey(["check-config", "--config", str(file), "--var", str(tmp_path / "var")]) == code
    if code:
        assert "evidence.authority" in capsys.readouterr().err


# --- kill -9 ----------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, store_file: Path, tmp_path: Path) -> str:  # noqa: F811 - fixture
    """A store of each kind that processes share."""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres_server")
        return postgres.new_database()
    return f"sqlite:///{shutil.copy(store_file, tmp_path / 'ledger.sqlite')}"


async def test_kill_9_of_who_numbers_leaves_one_sound_tree(url: str) -> None:
    """In the midst of its work; another goes on where it was, and dies in its turn."""
    await asyncio.to_thread(_kill_in_turn, url)
    async with await Store.open(Options(url=url, realm="H53")) as store:
        last = Desk(store, MemoryVault(), MemoryNotary()).another_life(Owner("last"))
        await store.lives.beat(Owner("last"), timedelta(minutes=1))
        async with asyncio.timeout(10):
            while not await last.turn(is_last=True):  # the last beat of the last life lasts a second
                await asyncio.sleep(0.05)
        state = await store.log_records.state()
        assert (state.waiting, state.head.size if state.head else 0) == (0, state.size)
        frontier, roots = Frontier(), [Frontier().root.hex()]
        while page := await store.log_records.entries(frontier.size, 200):
            for leaf, piece in page:
                assert leaf.number == frontier.size
                assert piece is not None
                frontier, _ = frontier.add(leaf_hash(piece.body))
                roots.append(frontier.root.hex())
        assert frontier.root.hex() == state.root
        heads = [head for _, head in await store.log_records.heads(0, 10_000)]
        assert all(head.root == roots[head.size] for head in heads)
        assert len(heads) > 4


def _kill_in_turn(url: str) -> None:
    first = _life(url, "a", 1)
    assert _said(first) == b"leads\n"
    second = _life(url, "b", 10_001)
    first.send_signal(signal.SIGKILL)
    assert _said(second) == b"leads\n"
    second.send_signal(signal.SIGKILL)
    for life in (first, second):
        life.wait(10)


def _life(url: str, owner: str, first: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.evidence.numbering", url, owner, str(first)]
    life = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert _said(life) == b"going\n"
    return life


def _said(life: subprocess.Popen[bytes]) -> bytes:
    assert life.stdout is not None
    return life.stdout.readline()
