"""The configuration: the example lists every option, and mistakes are named."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from gateway.config import Sections, load, secret
from gateway.errors import ConfigError
from gateway.model.policy import Policy

EXAMPLE = Path(__file__).parent.parent / "config/gateway.example.toml"


def test_the_example_lists_every_option_with_its_default():
    tables = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    for section in dataclasses.fields(Sections):
        if section.name == "rules":
            continue
        default = section.default_factory()
        stated = tables[section.name]
        assert set(stated) == {f.name for f in dataclasses.fields(default)}, section.name
        for key, value in stated.items():
            expected = getattr(default, key)
            assert value == (list(expected) if isinstance(expected, tuple) else expected), key


def test_the_example_loads_and_means_the_defaults():
    assert load(EXAMPLE).policy == load(None).policy == Policy()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gateway]\nrelm = 'H53'", "gateway.relm: is not a known option"),
        ("[gatway]\n", "gatway: is not a known option"),
        ("[pace]\nworkers = 'two'", "pace.workers"),
        ("[pace]\nbeside_others = 1.5", "pace.beside_others: a part, greater than 0 and at most 1"),
        ("[pace]\nworkers = -1", "pace.workers: 0 (one for each processor), or how many"),
        ("[pace]\ndocuments = 0", "pace.documents: must be greater than 0"),
        ("[quotas]\nbytes_per_day = -1", "quotas.bytes_per_day: 0 (no bound), or how much"),
        ("[directory]\nqueues = '('", "directory.queues: not a pattern"),
        ("[patience]\nexpiry_days = 31", "patience.expiry_days"),
        ("[broker]\nurl = 'amqp://x'", "broker.management_url"),
        ("[broker]\nrequire_tls = true\nurl = 'amqp://x'\nmanagement_url = 'http://x'", "broker.url: TLS"),
        ("[seal]\ndiameter_mm = 360", "seal.diameter_mm"),
        ("[seal]\ncorner = 'middle'", "seal.corner"),
        ("[seal]\nx_mm = 0", "seal.x_mm: must be greater than 0"),
        ("[http]\nport = 99999", "http.port"),
        ("[http]\nrequire_tls = true", "http.certificate_file: TLS"),
        ("[http]\ncertificate_file = 'c.pem'", "http.key_file"),
        ("[store]\nrequire_tls = true\nurl = 'postgresql+psycopg://x/y?sslmode=require'", "store.url: TLS"),
        ("[acceptance]\nuntrusted_signer = 'shrug'", "acceptance.untrusted_signer"),
        ("[gateway\n", "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path, text, told):
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_secrets_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("STORE_URL", "sqlite://")
    assert secret("env:STORE_URL", "store.url") == "sqlite://"
    monkeypatch.delenv("STORE_URL")
    with pytest.raises(ConfigError, match=r"store\.url.*STORE_URL"):
        secret("env:STORE_URL", "store.url")


def test_there_is_a_worker_for_each_processor_that_we_may_use_unless_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "gateway.toml"
    said.write_text("[pace]\nworkers = 3")
    for processors, workers in ((1, 1), (2, 2), (64, 8)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=processors: set(range(n)))
        assert load(None).workers == workers
        assert load(said).workers == 3
