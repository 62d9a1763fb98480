"""``vanthu log verify``: a sound log passes, and whatever was done to it is told, with its place."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from adapters.memory import MemoryVault
from adapters.signing import Standing, verify_evidence, verify_head
from adapters.signing.stamps.token import StampCheck
from adapters.store import Options, Store
from gateway.cli import app
from gateway.wiring.log_audit import Checks, LogAudit, LogReport
from tests.contract.conftest import AnyStore, clock, store, store_database, store_file  # noqa: F401 - fixtures
from tests.evidence.desk import LIFE, Desk, a_notary
from tests.pki import pki

ROOTS = (pki().root,)
CHECKS = Checks(
    evidence=partial(verify_evidence, roots=ROOTS),
    head=partial(verify_head, roots=ROOTS),
    stamp=lambda body, token: StampCheck(standing=Standing.PASSED if token == b"good" else Standing.FAILED),
)


async def audit(store: AnyStore, checks: Checks = CHECKS) -> LogReport:  # noqa: F811 - fixture
    return await LogAudit(store.ledger, store.records, store.log_records, checks).run()


async def filled(store: AnyStore, folder: Path, documents: int = 3) -> Desk:  # noqa: F811 - fixture
    """Documents of seven pieces each, a head after each."""
    desk = Desk(store, MemoryVault(), a_notary(folder / "keys"))
    for number in range(1, documents + 1):
        await desk.document(number)
        await desk.number()
    return desk


async def test_a_sound_log_passes(store: AnyStore, tmp_path: Path) -> None:  # noqa: F811 - fixture
    desk = await filled(store, tmp_path)
    await desk.document(4)
    report = await audit(store)
    assert (report.is_sound, report.leaves, report.heads, report.documents) == (True, 21, 3, 4)
    assert (report.evidence, report.waiting) == (28, 7)


async def test_an_empty_log_passes(store: AnyStore) -> None:  # noqa: F811 - fixture
    assert (await audit(store)).is_sound


async def test_a_log_of_many_blocks_passes(store: AnyStore, tmp_path: Path) -> None:  # noqa: F811 - fixture
    """Over pages, kept subtrees and heads that end within a block."""
    desk = Desk(store, MemoryVault(), a_notary(tmp_path / "keys"))
    for number in range(1, 3):
        await desk.document(number, recipients=60)
        await desk.number()
    report = await audit(store)
    assert (report.findings, report.leaves, report.heads) == ([], 2 * 181, 2)


async def test_nobody_trusted_signed_it(store: AnyStore, tmp_path: Path) -> None:  # noqa: F811 - fixture
    await filled(store, tmp_path, documents=1)
    checks = Checks(
        evidence=partial(verify_evidence, roots=()), head=partial(verify_head, roots=()), stamp=CHECKS.stamp
    )
    report = await audit(store, checks)
    assert [f.code for f in report.findings] == ["signer-unknown"], "once, not once for every piece"
    assert report.verdict == "untrusted"


async def test_a_time_stamp_over_something_else_is_told(store: AnyStore, tmp_path: Path) -> None:  # noqa: F811
    await filled(store, tmp_path)
    for token in (b"good", b"bad"):
        head = await store.log.unstamped()
        assert head is not None
        await store.log.stamp(head, token)
    report = await audit(store)
    assert [f.code for f in report.findings] == ["stamp-unsound"]
    assert report.findings[0].where.startswith("head 14 ")
    assert report.stamped == 2


PIECE = "(SELECT evidence FROM leaves WHERE number = 9)"
HARM = {
    "a byte of a piece": (
        f"UPDATE evidence SET body = CAST(replace(CAST(body AS TEXT), 'm-2', 'm-3') AS BLOB) WHERE id = {PIECE}",
        {"log-leaf-wrong", "evidence-unsound", "chain-broken"},
    ),
    "a piece is gone": (
        f"DELETE FROM evidence WHERE id = {PIECE}",
        {"log-evidence-missing", "chain-broken"},
    ),
    "the last piece of a chain is gone, leaf and all": (
        "DELETE FROM evidence WHERE id = (SELECT evidence FROM leaves WHERE number = 20);"
        "DELETE FROM leaves WHERE number = 20",
        {"log-cut", "chain-broken"},
    ),
    "the log ends earlier": (
        "DELETE FROM leaves WHERE number >= 14; UPDATE logs SET size = 14; DELETE FROM heads WHERE size = 14",
        {"log-cut", "log-edge-wrong"},
    ),
    "a leaf is gone": ("DELETE FROM leaves WHERE number = 9", {"log-gap", "log-cut"}),
    "two leaves change places": (
        "UPDATE leaves SET number = -1 WHERE number = 3; UPDATE leaves SET number = 3 WHERE number = 4;"
        "UPDATE leaves SET number = 4 WHERE number = -1",
        {"head-contradicts", "log-edge-wrong"},
    ),
    "two pieces change bodies": (
        "CREATE TEMP TABLE b AS SELECT n.number, e.body FROM evidence e JOIN leaves n ON n.evidence = e.id;"
        "UPDATE evidence SET body = (SELECT body FROM b WHERE number = 9)"
        " WHERE id = (SELECT evidence FROM leaves WHERE number = 8)",
        {"log-leaf-wrong", "evidence-unsound", "chain-broken"},
    ),
    "a head has another root": (
        "UPDATE heads SET root = (SELECT root FROM heads WHERE size = 7) WHERE size = 14",
        {"head-unsound", "head-contradicts", "log-nodes-wrong"},
    ),
    "an old head in place of a newer one": (
        "UPDATE heads SET (size, root, sha256, body) ="
        " (SELECT size, root, sha256, body FROM heads WHERE size = 7) WHERE size = 21",
        {"head-contradicts"},
    ),
    "a head is filed under another size": (
        "UPDATE heads SET size = 15 WHERE size = 14",
        {"head-unsound", "head-contradicts", "log-nodes-wrong"},
    ),
    "the right edge is another": ("UPDATE logs SET peaks = zeroblob(96)", {"log-edge-wrong"}),
    "evidence that never got a number": (
        "DELETE FROM leaves WHERE number = 20; UPDATE logs SET size = 20; DELETE FROM heads WHERE size = 21;"
        "UPDATE heads SET signed_at = signed_at + 3600000000",
        {"log-stray", "log-edge-wrong"},
    ),
    "a piece filed under another document": (
        f"UPDATE evidence SET document = (SELECT min(document) FROM evidence) WHERE id = {PIECE}",
        {"evidence-unsound", "chain-broken"},
    ),
    "the document is gone": ("DELETE FROM submissions WHERE message_id = 'm-2'", {"chain-broken"}),
}


@pytest.mark.parametrize("harm", list(HARM))
async def test_what_was_done_to_the_log_is_told(store_file: Path, tmp_path: Path, harm: str) -> None:  # noqa: F811
    file = tmp_path / "ledger.sqlite"
    shutil.copy(store_file, file)
    async with await Store.open(Options(url=f"sqlite:///{file}", realm="H53")) as opened:
        await filled(opened, tmp_path)
        await alter(f"sqlite:///{file}", HARM[harm][0])
        report = await audit(opened)
    assert not report.is_sound
    said, meant = {f.code for f in report.findings}, HARM[harm][1]
    assert said - CONSEQUENCES <= meant, report.findings
    assert meant <= said | CONSEQUENCES
    if "piece" in harm and "filed" not in harm:
        assert any(PLACE.intersection(f.where.split()) for f in report.findings), "it says where"


CONSEQUENCES = {"log-nodes-wrong", "log-edge-wrong"}
"""What follows from nearly everything else."""
PLACE = {"#9", "#8", "#20", "000.00.12.H53"}


async def test_a_kept_subtree_that_was_altered_proves_nothing(store_file: Path, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "ledger.sqlite"
    shutil.copy(store_file, file)
    async with await Store.open(Options(url=f"sqlite:///{file}", realm="H53")) as opened:
        desk = Desk(opened, MemoryVault(), a_notary(tmp_path / "keys"))
        for number in range(1, 3):
            await desk.document(number, recipients=60)
            await desk.number()
        await alter(
            f"sqlite:///{file}", "UPDATE nodes SET hash = zeroblob(32) WHERE level = 8 AND number = 0"
        )
        report = await audit(opened)
    assert {f.code for f in report.findings} == {"log-nodes-wrong"}


async def alter(url: str, statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements.split(";"):
            connection.execute(text(statement))
    engine.dispose()


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
async def var(store_file: Path, tmp_path: Path) -> Path:  # noqa: F811 - fixture
    """What a gateway leaves under ``var``."""
    file = tmp_path / "var" / "store" / "ledger.sqlite"
    file.parent.mkdir(parents=True)
    shutil.copy(store_file, file)
    async with await Store.open(Options(url=f"sqlite:///{file}", realm="H53")) as opened:
        await opened.lives.beat(LIFE, timedelta(hours=1))
        await filled(opened, tmp_path)
    trust = tmp_path / "var" / "dev" / "trust"
    trust.mkdir(parents=True)
    (trust / "root.pem").write_bytes(pki().root.public_bytes(Encoding.PEM))
    return tmp_path / "var"


def verify(*options: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["log", "verify", *map(str, options)])
    return done.exit_code, done.output


def test_the_command_says_that_the_log_is_intact(var: Path) -> None:
    code, said = verify("--var", var)
    assert code == 0
    assert said.startswith("NGUYÊN VẸN · INTACT")
    assert "21 bằng chứng đã đánh số" in said
    code, said = verify("--var", var, "--json")
    told = json.loads(said)
    assert (code, told["verdict"], told["leaves"], told["heads"], told["findings"]) == (
        0,
        "intact",
        21,
        3,
        [],
    )
    assert told["head"]["size"] == 21


def test_the_command_says_what_is_wrong_in_both_languages_and_ends_with_1(var: Path) -> None:
    asyncio.run(alter(f"sqlite:///{var / 'store' / 'ledger.sqlite'}", HARM["a byte of a piece"][0]))
    code, said = verify("--var", var)
    assert code == 1
    assert "KHÔNG NGUYÊN VẸN · NOT INTACT" in said
    assert "log-leaf-wrong" in said
    assert "Bằng chứng trong kho đã bị thay đổi" in said
    assert "The evidence in the store was changed" in said
    assert "#9 " in said


def test_the_command_takes_another_root_and_refuses_what_is_none(var: Path, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(pki().root.public_bytes(Encoding.PEM))
    assert verify("--var", var, "--root", root)[0] == 0
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(pki().stranger("x").certificate.public_bytes(Encoding.PEM))
    code, said = verify("--var", var, "--root", stranger)
    assert (code, "NOBODY TRUSTED HAS SIGNED IT" in said) == (1, True)
