"""A worker's side of a reload: it swaps to what it prepared, and to nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.directory import LiveDirectory, OrganDirectory
from gateway.config import load
from gateway.model.ids import ClientId, OrganCode, PartyKey
from gateway.model.party import Client, CodeValidity, Party, Unknown
from gateway.wiring.following import Following

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OLD = OrganDirectory([Party(key=PartyKey("A"), name="a", codes=(CodeValidity(code=OrganCode("A")),))])


@pytest.fixture
def live() -> LiveDirectory:
    return LiveDirectory(OLD)


@pytest.fixture
def following(live: LiveDirectory, tmp_path: Path) -> Following:
    async def apply(fresh: OrganDirectory) -> str:
        assert live.current is fresh, "whoever applies it finds it in force"
        return "ok"

    return Following(load(None, var=tmp_path), live, apply, since="this morning")


def folder(tmp_path: Path, organs: str) -> str:
    made = tmp_path / "directory"
    made.mkdir(exist_ok=True)
    (made / "organs.csv").write_text(organs, "utf-8")
    (made / "clients.toml").write_text('[clients."b"]\nacts_for = ["B"]\n', "utf-8")
    return str(made)


async def test_what_was_prepared_is_in_force_after_the_swap_for_every_question(
    following: Following, live: LiveDirectory, tmp_path: Path
) -> None:
    where = folder(tmp_path, "organ_id,name\nB,b\n")
    assert await following.obey({"prepare": where}) == {"prepared": where}
    assert following.is_between
    assert live.current is OLD, "to prepare changes nothing"
    assert await following.obey({"swap": where, "since": "noon"}) == {"swapped": where, "consumers": "ok"}
    assert not following.is_between
    assert live.find(OrganCode("A"), NOW) == Unknown(code=OrganCode("A"))
    assert [party.key for party in live.parties()] == ["B"]
    assert live.party(PartyKey("B")) == live.find(OrganCode("B"), NOW)
    assert live.clients() == (Client(id=ClientId("b"), acts_for=frozenset({PartyKey("B")})),)
    assert live.predecessors(PartyKey("B"), NOW) == []
    assert live.client(ClientId("b")) == live.clients()[0]
    assert await following.state() == "ok, 1 organs, in force since noon"


async def test_what_cannot_be_read_is_never_swapped_to(
    following: Following, live: LiveDirectory, tmp_path: Path
) -> None:
    where = folder(tmp_path, "organ_id,name,link\nB,b,fax\n")
    answer = await following.obey({"prepare": where})
    assert "row 2, link" in answer["failed"]
    assert await following.obey({"swap": where, "since": "noon"}) == {"failed": "nothing is prepared"}
    assert live.current is OLD


async def test_a_refused_reload_is_told_until_the_next_one_and_forgets_what_was_prepared(
    following: Following, live: LiveDirectory, tmp_path: Path
) -> None:
    where = folder(tmp_path, "organ_id,name\nB,b\n")
    await following.obey({"prepare": where})
    await following.obey({"refused": "row 3: no such organ"})
    assert not following.is_between
    assert await following.state() == (
        "ok, 1 organs, in force since this morning; the last reload was refused: row 3: no such organ"
    )
    assert "failed" in await following.obey({"swap": where, "since": "noon"})
    await following.obey({"prepare": where})
    await following.obey({"swap": where, "since": "noon"})
    assert "refused" not in await following.state()


@pytest.mark.parametrize("order", [{}, {"prepare": 3}, {"swap": "x"}, {"prepare": "/nowhere"}])
async def test_no_order_whatever_it_is_disturbs_what_is_in_force(
    following: Following, live: LiveDirectory, order: dict[str, object]
) -> None:
    assert "failed" in await following.obey(order)
    assert live.current is OLD
