"""The directory's other files: overrides, clients, and the clients of a developer's machine."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.directory import (
    Options,
    OrganDirectory,
    load,
    load_clients,
    load_organs,
    make_development_clients,
    override,
    write_access,
)
from gateway.errors import ConfigError
from gateway.model.ids import ClientId, OrganCode, PartyKey
from gateway.model.party import Gone, Link, Party, Successor
from gateway.model.quota import NO_BOUND, Quota

ROOT = Path(__file__).parents[2]
REAL = ROOT / "config" / "organs" / "tayninh_2020.csv"
EXAMPLE = ROOT / "config" / "parties.example.toml"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
VIETNAM = timezone(timedelta(hours=7))


def organs(tmp_path: Path) -> tuple[Party, ...]:
    path = tmp_path / "organs.csv"
    path.write_text("organ_id,name\n000.00.00.H53,UBND tỉnh\n000.00.13.H53,Sở TTTT\n000.25.36.H53,UBND xã\n")
    return load_organs(path).parties


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.toml"
    path.write_text(text, "utf-8")
    return path


# --- overrides ----------------------------------------------------------------------------------------


def test_the_example_of_overrides_is_read_and_reaches_every_answer() -> None:
    directory, _ = load(Options(organs=REAL, parties=EXAMPLE))

    def find(code: str, at: datetime = NOW) -> object:
        return directory.find(OrganCode(code), at)

    stt = directory.party(PartyKey("000.00.13.H53"))
    assert stt is not None
    assert stt.max_bytes == 52428800
    assert stt.quota == Quota(
        bytes_per_day=2147483648, documents_per_minute=120, documents_waiting=1000, urgent_per_minute=20
    )
    assert find("H53.13") == find("000.00.13.H53") == stt
    ended = datetime(2010, 1, 1, tzinfo=VIETNAM)
    assert find("000.00.99.H53") == Successor(party=stt, former=OrganCode("000.00.99.H53"), since=ended)
    locked = directory.party(PartyKey("000.00.51.H53"))
    assert locked is not None
    assert locked.is_locked
    added = directory.party(PartyKey("vxp.saas.03"))
    assert added is not None
    assert added.link is Link.HTTP
    heir = directory.party(PartyKey("000.00.16.H53"))
    assert heir is not None
    merged = datetime(2025, 3, 1, tzinfo=VIETNAM)
    assert find("000.00.04.H53") == Successor(party=heir, former=OrganCode("000.00.04.H53"), since=merged)
    assert find("000.00.04.H53", merged - timedelta(seconds=1)) == directory.party(PartyKey("000.00.04.H53"))
    closed = datetime(2025, 7, 1, tzinfo=VIETNAM)
    assert find("000.00.43.H53") == Gone(former=OrganCode("000.00.43.H53"), since=closed)


def test_a_quota_of_the_overrides_goes_before_that_of_the_list(tmp_path: Path) -> None:
    organs, parties = tmp_path / "organs.csv", tmp_path / "parties.toml"
    organs.write_text("organ_id,name,bytes_per_day,urgent_per_minute\nA,a,1000,5\n")
    parties.write_text('[parties."A".quota]\nurgent_per_minute = "none"\n')
    party = load(Options(organs=organs, parties=parties))[0].party(PartyKey("A"))
    assert party is not None
    assert party.quota == Quota(bytes_per_day=1000, urgent_per_minute=NO_BOUND)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[party."A"]', "unknown key 'party'"),
        ('[parties."000.00.00.H53"]\nlock = true', r'parties."000.00.00.H53": unknown key .lock.'),
        ('[parties."000.00.14.H53"]\nlocked = true', "no such id"),
        ('[parties."000.1137.H53"]\nname = "x"', "an organ code has"),
        ('[parties."000.00.00.H53"]\nlink = "ftp"', r'\.link: "amqp" or "http"'),
        ('[parties."000.00.00.H53"]\nlocked = "yes"', r"\.locked: true or false"),
        ('[parties."000.00.00.H53"]\nmax_bytes = 0', r"\.max_bytes: a number"),
        (
            '[parties."000.00.00.H53".quota]\nurgent_per_minute = 0',
            r"\.quota\.urgent_per_minute: a number above 0",
        ),
        ('[parties."000.00.00.H53".quota]\nbytes = 1', r"\.quota: unknown key 'bytes'"),
        ('[parties."000.00.00.H53"]\nquota = 5', r"\.quota: a table"),
        ('[parties."000.00.00.H53"]\ncodes = ["B"]', r"\.codes: a list of tables"),
        ('[parties."000.00.00.H53"]\ncodes = [{ code = "B", since = "2020" }]', r"since: a date"),
        (
            '[parties."000.00.00.H53"]\ncodes = [{ code = "B", since = 2021-01-01, until = 2020-01-01 }]',
            "ends before",
        ),
        ('[parties."000.00.00.H53"]\ncodes = [{ code = "B b" }]', "no organ code"),
        ('[gone."000.00.14.H53"]', "no party"),
        ('[succeeded."000.00.00.H53"]\ninto = "000.00.14.H53"', "no party '000.00.14.H53'"),
        ('[succeeded."000.00.00.H53"]\nsince = 2025-01-01', r"\.into: a text"),
        ('[succeeded."000.00.00.H53"]\ninto = "000.00.13.H53"\n[gone."000.00.00.H53"]', "ended twice"),
        ("parties = 3", "parties holds tables"),
        ("[parties", "file.toml"),
    ],
)
def test_what_is_not_understood_is_an_error_that_names_the_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        override(organs(tmp_path), written(tmp_path, text))


def test_a_code_of_ones_own_can_be_ended(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[parties."000.00.13.H53"]\n'
        'codes = [{ code = "000.00.13.H53", until = 2021-01-01 }, { code = "H53.13", since = 2021-01-01 }]\n',
    )
    parties, _ = override(organs(tmp_path), path)
    found = OrganDirectory(parties).find(OrganCode("000.00.13.H53"), NOW)
    assert isinstance(found, Successor)
    assert found.party.key == "000.00.13.H53"


# --- clients ------------------------------------------------------------------------------------------


def test_clients_are_read_with_whom_they_act_for(tmp_path: Path) -> None:
    digest = sha256(b"token").hexdigest()
    path = written(
        tmp_path,
        f'[clients."e-office"]\nacts_for = ["000.00.13.H53", " 000.25.36.H53"]\ntoken_sha256 = "{digest}"\n'
        '[clients."broker-only"]\nacts_for = []\noperator = true\n',
    )
    broker_only, office = load_clients(path, organs(tmp_path))
    assert office.acts_for == {"000.00.13.H53", "000.25.36.H53"}
    assert (office.token_sha256, office.is_operator) == (digest, False)
    assert (broker_only.token_sha256, broker_only.is_operator) == ("", True)
    assert digest not in repr(office)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[clients."a"]', r'clients."a".acts_for: a list'),
        ('[clients."a"]\nacts_for = ["000.00.14.H53"]', "no party '000.00.14.H53'"),
        ('[clients."a"]\nacts_for = []\ntoken = "x"', "unknown key 'token'"),
        ('[clients."a"]\nacts_for = []\ntoken_sha256 = "ABC"', "64 lower-case"),
        ('[clients."a b"]\nacts_for = []', "a name has"),
        (
            f'[clients."a"]\nacts_for = []\ntoken_sha256 = "{"0" * 64}"\n'
            f'[clients."b"]\nacts_for = []\ntoken_sha256 = "{"0" * 64}"',
            'clients."a" has the same token',
        ),
    ],
)
def test_a_wrong_clients_file_is_an_error_that_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_clients(written(tmp_path, text), organs(tmp_path))


# --- development --------------------------------------------------------------------------------------


def test_every_party_gets_a_client_of_its_name_and_queue_parties_a_password(tmp_path: Path) -> None:
    parties = organs(tmp_path)
    clients, known = make_development_clients(parties, tmp_path / "dev")
    assert {str(c.id): list(c.acts_for) for c in clients} == {str(p.key): [p.key] for p in parties}
    assert [c.token_sha256 for c in clients] == [
        sha256(known.tokens[p.key].encode()).hexdigest() for p in parties
    ]
    assert set(known.broker_passwords) == {"000.00.00.H53", "000.00.13.H53"}
    assert len(set(known.tokens.values()) | set(known.broker_passwords.values())) == 5
    assert clients == load_clients(tmp_path / "dev" / "clients.toml", parties)


def test_a_second_start_keeps_what_was_made_and_touches_no_file(tmp_path: Path) -> None:
    parties, folder = organs(tmp_path), tmp_path / "dev"
    first = make_development_clients(parties, folder)
    before = {p.name: p.stat().st_ino for p in folder.iterdir()}
    assert make_development_clients(parties, folder) == first
    assert (
        {p.name: p.stat().st_ino for p in folder.iterdir()}
        == before
        == {
            "clients.toml": before["clients.toml"],
            "secrets.json": before["secrets.json"],
        }
    )


def test_a_party_that_joins_later_gets_its_own_and_further_clients_stay(tmp_path: Path) -> None:
    parties, folder = organs(tmp_path), tmp_path / "dev"
    _, first = make_development_clients(parties[:1], folder)
    with (folder / "clients.toml").open("a") as file:
        file.write('[clients."operator"]\nacts_for = []\noperator = true\n')
    clients, second = make_development_clients(parties, folder)
    assert second.tokens[parties[0].key] == first.tokens[parties[0].key]
    assert second.claim_secret == first.claim_secret
    assert ClientId("operator") in {c.id for c in load_clients(folder / "clients.toml", parties)}
    assert len(clients) == 4


def test_secrets_are_for_their_owner_alone_and_the_clients_file_holds_none(tmp_path: Path) -> None:
    parties, folder = organs(tmp_path), tmp_path / "dev"
    _, known = make_development_clients(parties, folder)
    write_access(folder / "access.json", parties, known, amqp_url="amqp://127.0.0.1:1/v", http_url="http://h")
    for name in ("clients.toml", "secrets.json", "access.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert not any(token in (folder / "clients.toml").read_text() for token in known.tokens.values())
    assert not any(token in repr(known) for token in known.tokens.values())


def test_a_broken_secrets_file_is_said_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(ConfigError, match=r"secrets\.json"):
        make_development_clients(organs(tmp_path), tmp_path)
    assert (tmp_path / "secrets.json").read_text() == "{"


def test_access_tells_queue_parties_everything_and_the_others_the_http_inbox(tmp_path: Path) -> None:
    parties = organs(tmp_path)
    _, known = make_development_clients(parties, tmp_path / "dev")
    path = tmp_path / "access.json"
    write_access(
        path, parties, known, amqp_url="amqp://127.0.0.1:5673/vanthu", http_url="http://127.0.0.1:8080"
    )
    access = json.loads(path.read_text())
    password = known.broker_passwords[PartyKey("000.00.13.H53")]
    assert access["000.00.13.H53"] == {
        "amqp_url": f"amqp://000.00.13.H53:{password}@127.0.0.1:5673/vanthu",
        "submit_exchange": "vanthu.submit",
        "deliver_queue": "vanthu.deliver.000.00.13.H53",
        "receipts_queue": "vanthu.receipts.000.00.13.H53",
        "http_url": "http://127.0.0.1:8080",
        "http_token": known.tokens[PartyKey("000.00.13.H53")],
    }
    assert access["000.25.36.H53"] == {
        "amqp_url": None,
        "submit_exchange": None,
        "deliver_queue": None,
        "receipts_queue": None,
        "http_url": "http://127.0.0.1:8080",
        "http_token": known.tokens[PartyKey("000.25.36.H53")],
    }
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
