"""The contract of ``Directory``: the twin, and the real one as its files make it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.directory import Ending, Options, OrganDirectory, load, make_development_clients
from adapters.memory import MemoryDirectory
from gateway.errors import ConfigError
from gateway.model.ids import ClientId, OrganCode, PartyKey
from gateway.model.party import Client, CodeValidity, FormerName, Gone, Party, Successor, Unknown
from gateway.ports import Directory

T0 = datetime(2016, 3, 4, tzinfo=UTC)
T1 = datetime(2020, 9, 1, tzinfo=UTC)
T2 = datetime(2025, 7, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)

Make = Callable[..., Directory]


def a_party(key: str, *codes: CodeValidity, name: str = "Một cơ quan") -> Party:
    own = codes or (CodeValidity(code=OrganCode(key)),)
    return Party(key=PartyKey(key), name=name, codes=own)


def a_code(code: str, since: datetime | None = None, until: datetime | None = None) -> CodeValidity:
    return CodeValidity(code=OrganCode(code), since=since, until=until)


def _twin(
    parties: Iterable[Party] = (),
    clients: Iterable[Client] = (),
    ended: Mapping[str, tuple[str | None, datetime | None]] | None = None,
) -> Directory:
    ended = ended or {}
    return MemoryDirectory(
        parties,
        clients,
        successors={PartyKey(k): (PartyKey(into), at) for k, (into, at) in ended.items() if into},
        gone={PartyKey(k): at for k, (into, at) in ended.items() if not into},
    )


def _real(
    parties: Iterable[Party] = (),
    clients: Iterable[Client] = (),
    ended: Mapping[str, tuple[str | None, datetime | None]] | None = None,
) -> Directory:
    return OrganDirectory(
        parties,
        clients,
        [
            Ending(party=PartyKey(k), into=PartyKey(into) if into else None, since=at)
            for k, (into, at) in (ended or {}).items()
        ],
    )


@pytest.fixture(params=[_twin, _real], ids=["memory", "organs"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_a_code_names_its_party(make: Make) -> None:
    """Directory.find: "Whom *code* names at the instant *at*"."""
    stt = a_party("000.00.13.H53")
    directory = make([a_party("000.00.00.H53"), stt])
    assert directory.find(OrganCode("000.00.13.H53"), NOW) == stt
    assert directory.find(OrganCode(" 000.00.13.H53 "), NOW) == stt


def test_a_code_nobody_has_is_unknown(make: Make) -> None:
    """Directory.find: ``Unknown`` names the code that was asked for."""
    assert make([a_party("A")]).find(OrganCode("000.1137.H53"), NOW) == Unknown(
        code=OrganCode("000.1137.H53")
    )


def test_both_codes_of_a_party_name_it(make: Make) -> None:
    """Directory.find: old and QĐ 20/2020 form live side by side."""
    party = a_party("000.00.13.H53", a_code("000.00.13.H53"), a_code("H53.13", since=T1))
    directory = make([party])
    assert directory.find(OrganCode("H53.13"), NOW) == party
    assert directory.find(OrganCode("000.00.13.H53"), NOW) == party


def test_a_code_counts_from_its_first_instant_on(make: Make) -> None:
    """Directory.find: "at the instant *at*"; a code's beginning is in it, before it nobody has the code."""
    party = a_party("A", a_code("A"), a_code("H53.13", since=T1))
    directory = make([party])
    assert directory.find(OrganCode("H53.13"), T1) == party
    assert directory.find(OrganCode("H53.13"), T0) == Unknown(code=OrganCode("H53.13"))


def test_a_former_code_leads_to_the_party_under_its_new_one(make: Make) -> None:
    """Directory.find: at its end a code ceases to name the party; it is then a former code."""
    party = a_party("A", a_code("A", until=T1), a_code("B", since=T1))
    directory = make([party])
    assert directory.find(OrganCode("A"), T0) == party
    assert directory.find(OrganCode("A"), T1) == Successor(party=party, former=OrganCode("A"), since=T1)


def test_a_code_that_went_to_another_party_names_whoever_had_it(make: Make) -> None:
    """Directory.find: "at the instant *at*"."""
    old = a_party("A", a_code("A"), a_code("X", until=T1))
    new = a_party("B", a_code("B"), a_code("X", since=T1))
    directory = make([old, new])
    assert directory.find(OrganCode("X"), T0) == old
    assert directory.find(OrganCode("X"), NOW) == new


def test_a_merged_partys_code_names_its_successor_from_then_on(make: Make) -> None:
    """Directory.find: ``Successor`` says who took over, which code was asked for and since when."""
    directory = make([a_party("A"), a_party("B")], ended={"A": ("B", T2)})
    assert directory.find(OrganCode("A"), T1) == a_party("A")
    assert directory.find(OrganCode("A"), NOW) == Successor(
        party=a_party("B"), former=OrganCode("A"), since=T2
    )


def test_mergers_are_followed_to_the_party_that_lives(make: Make) -> None:
    """Directory.find: "Whom *code* names at the instant *at*", however often it was merged until then."""
    directory = make([a_party("A"), a_party("B"), a_party("C")], ended={"A": ("B", T1), "B": ("C", T2)})
    between = directory.find(OrganCode("A"), T1)
    after = directory.find(OrganCode("A"), NOW)
    assert between == Successor(party=a_party("B"), former=OrganCode("A"), since=T1)
    assert after == Successor(party=a_party("C"), former=OrganCode("A"), since=T1, through=(PartyKey("B"),))


def test_a_party_without_a_successor_is_gone(make: Make) -> None:
    """Directory.find: ``Gone`` where nobody took over, be it at the end of a row of mergers."""
    directory = make([a_party("A"), a_party("B")], ended={"A": ("B", T1), "B": (None, T2)})
    assert directory.find(OrganCode("B"), NOW) == Gone(former=OrganCode("B"), since=T2)
    assert directory.find(OrganCode("A"), NOW) == Gone(former=OrganCode("A"), since=T2)
    assert directory.find(OrganCode("B"), T1) == a_party("B")


def test_a_merger_to_come_changes_nothing_before_its_day(make: Make) -> None:
    """Directory.find: "at the instant *at*"; each merger of a row counts from its own day on."""
    later = datetime(2030, 1, 1, tzinfo=UTC)
    directory = make([a_party("A"), a_party("B"), a_party("C")], ended={"A": ("B", later), "B": ("C", T2)})
    assert directory.find(OrganCode("A"), NOW) == a_party("A")
    assert directory.find(OrganCode("A"), later) == Successor(
        party=a_party("C"), former=OrganCode("A"), since=later, through=(PartyKey("B"),)
    )


def test_a_party_is_called_what_it_was_called_then(make: Make) -> None:
    """Directory.find: "under the name that it bears then"."""
    party = replace(
        a_party("A", name="Sở Khoa học"),
        former_names=(FormerName(name="Sở Bưu chính", until=T1), FormerName(name="Sở TTTT", until=T2)),
    )
    directory = make([party, a_party("B")], ended={"B": ("A", T0)})
    assert [_name(directory, "A", at) for at in (T0, T1, T2)] == ["Sở Bưu chính", "Sở TTTT", "Sở Khoa học"]
    assert _name(directory, "B", T0) == "Sở Bưu chính"
    assert directory.find(OrganCode("A"), NOW) == party


def _name(directory: Directory, code: str, at: datetime) -> str:
    match directory.find(OrganCode(code), at):
        case Party() as party:
            return party.name
        case Successor(party=party):
            return party.name
        case _:
            return ""


def test_whose_duties_a_party_has_is_known_from_the_day_of_each_merger_on(make: Make) -> None:
    """Directory.predecessors: "merged into it, or into one of them; those merged into it directly first"."""
    parties = [a_party(key) for key in "ABCDE"]
    directory = make(parties, ended={"A": ("C", T1), "B": ("C", None), "C": ("D", T2), "E": (None, T1)})
    assert list(directory.predecessors(PartyKey("D"), NOW)) == ["C", "A", "B"]
    assert list(directory.predecessors(PartyKey("D"), T1)) == []
    assert list(directory.predecessors(PartyKey("C"), T1)) == ["A", "B"]
    assert list(directory.predecessors(PartyKey("C"), T0)) == ["B"]
    assert list(directory.predecessors(PartyKey("A"), NOW)) == []


def test_a_party_is_found_by_the_key_it_was_registered_under_for_ever(make: Make) -> None:
    """Directory.party: "The party that was registered under *key*", whatever codes it has later."""
    party = a_party("A", a_code("A", until=T1), a_code("B", since=T1))
    directory = make([party], ended={"A": (None, T2)})
    assert directory.party(PartyKey("A")) == party
    assert directory.party(PartyKey("B")) is None


def test_all_parties_come_by_key(make: Make) -> None:
    """Directory.parties: "All parties, by key."."""
    directory = make([a_party("C"), a_party("A"), a_party("B")])
    assert [party.key for party in directory.parties()] == ["A", "B", "C"]


def test_a_client_is_found_by_its_name_and_all_come_by_name(make: Make) -> None:
    """Directory.client: "The client … of that name."; Directory.clients: "All clients, by name."."""
    clients = [
        Client(id=ClientId(name), acts_for=frozenset({PartyKey("A")}))
        for name in ("e-office", "báo-cáo", "A")
    ]
    directory = make([a_party("A")], clients)
    assert directory.client(ClientId("e-office")) == clients[0]
    assert directory.client(ClientId("E-OFFICE")) is None
    assert [client.id for client in directory.clients()] == sorted(c.id for c in clients)


# --- the real one alone -------------------------------------------------------------------------------


def test_two_parties_with_one_code_at_one_time_are_no_directory() -> None:
    with pytest.raises(ConfigError, match="X is held by A and B"):
        _real([a_party("A", a_code("X", until=T2)), a_party("B", a_code("X", since=T1))])


def test_mergers_in_a_circle_are_no_directory() -> None:
    with pytest.raises(ConfigError, match="circle: A → B → A"):
        _real([a_party("A"), a_party("B")], ended={"A": ("B", T1), "B": ("A", T2)})


def test_an_unknown_successor_is_no_directory() -> None:
    with pytest.raises(ConfigError, match="unknown party: B"):
        _real([a_party("A")], ended={"A": ("B", T1)})


def test_the_same_lists_are_answered_each_time() -> None:
    """Whoever derives something from them (the tokens' index) sees by identity that nothing changed."""
    directory = _real([a_party("A")])
    assert directory.parties() is directory.parties()
    assert directory.clients() is directory.clients()


def test_four_times_as_many_organs_with_clients_take_about_four_times_as_long(tmp_path: Path) -> None:
    """Twelve thousand are a country's; what grows with their square would take sixteen times as long."""
    few, many = (seconds_to_load(organs, tmp_path / str(organs)) for organs in (3_000, 12_000))
    assert many < 8 * few


def seconds_to_load(organs: int, folder: Path) -> float:
    """Processor time of a directory of *organs* with one client each; the best of two."""
    folder.mkdir()
    codes = [f"{n // 4000:03}.{n // 100 % 40:02}.{n % 100:02}.H53" for n in range(organs)]
    file = folder / "organs.csv"
    file.write_text("organ_id,name\n" + "".join(f"{code},Ủy ban nhân dân xã số {code}\n" for code in codes))
    make_development_clients(load(Options(organs=file))[0].parties(), folder / "dev")
    assert len(json.loads((folder / "dev" / "secrets.json").read_text())["tokens"]) == organs
    spent = []
    for _ in range(2):
        began = time.process_time()
        directory, report = load(Options(organs=file, clients=folder / "dev" / "clients.toml"))
        spent.append(time.process_time() - began)
        assert report.parties == len(directory.clients()) == organs
    return min(spent)
