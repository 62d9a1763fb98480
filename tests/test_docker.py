"""The image and the composition, read as Docker would, against what the repository really holds."""

from __future__ import annotations

import fnmatch
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.broker.node_folder import EMULATOR_ARGUMENTS
from gateway.config import Config, load, secret
from tests.services import ROOT

DOCKER = ROOT / "docker"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, arguments), continued lines joined."""
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    composition: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    return composition


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, services: dict[str, Any]) -> Config:
    """The image's configuration, loaded with the variables that the composition sets."""
    for name, value in services["gateway"]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{[^}]*\}", "filled-in", value))
    return load(DOCKER / "gateway.toml")


def only(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in instructions if instruction == name]


# --- the image --------------------------------------------------------------------------------------


def copied_from_the_repository(instructions: list[tuple[str, str]]) -> list[str]:
    copies = [shlex.split(rest) for rest in only(instructions, "COPY") if not rest.startswith("--from")]
    return [source for copy in copies for source in copy[:-1]]


def test_what_the_image_copies_exists_and_reaches_the_builder(instructions: list[tuple[str, str]]) -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = copied_from_the_repository(instructions)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert set(copied) == allowed, "the builder gets exactly what is copied"


def test_the_image_holds_everything_that_the_project_is_built_from(
    instructions: list[tuple[str, str]],
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = set(copied_from_the_repository(instructions))
    patterns = project["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    built = {name for name in packages if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}
    assert built <= copied
    assert {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"} <= copied


def test_the_image_installs_by_hash_and_builds_nothing_that_is_not_locked(
    instructions: list[tuple[str, str]],
) -> None:
    installs = [rest for rest in only(instructions, "RUN") if "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--only-binary :all:" in installs[0]
    assert "--requirement requirements.txt" in installs[0]
    assert "COPY docker/requirements.txt ./" in {f"{name} {rest}" for name, rest in instructions}
    assert {"--no-deps", "--no-build-isolation", "--no-index"} <= set(installs[1].split())


def test_the_image_runs_as_nobody_special_and_answers_for_its_health(
    instructions: list[tuple[str, str]], config: Config
) -> None:
    last = max(number for number, (name, _) in enumerate(instructions) if name == "FROM")
    final = instructions[last:]
    user = only(final, "USER")[-1]
    assert user != "root"
    assert any("useradd" in rest and rest.endswith(user) for rest in only(final, "RUN"))
    port = config.sections.http.port
    assert f"http://127.0.0.1:{port}/healthz" in only(final, "HEALTHCHECK")[0]
    assert only(final, "EXPOSE") == [str(port)]
    assert only(final, "VOLUME") == [str(config.var)]
    assert only(final, "CMD") == ['["vanthu", "serve", "--config", "/etc/vanthu/gateway.toml"]']
    assert "docker/gateway.toml /etc/vanthu/gateway.toml" in only(final, "COPY")


def test_the_images_python_is_one_that_the_project_allows(instructions: list[tuple[str, str]]) -> None:
    bases = {rest.split(" AS ")[0] for rest in only(instructions, "FROM")}
    assert len(bases) == 1, "what is built with one Python does not run with another"
    version = re.fullmatch(r"python:3\.(\d+)-slim-[a-z]+", bases.pop())
    assert version is not None
    assert int(version[1]) >= 11


# --- the composition --------------------------------------------------------------------------------


def test_the_images_of_others_are_pinned_by_their_major_version(services: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in services.items() if "build" not in service}
    assert images == {"broker": "rabbitmq:4-management", "store": "postgres:17"}


def test_every_service_has_a_healthcheck_and_the_gateway_waits_for_both(services: dict[str, Any]) -> None:
    assert set(services) == {"broker", "store", "gateway"}
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys(), name
    waits = {name: wait["condition"] for name, wait in services["gateway"]["depends_on"].items()}
    assert waits == {"broker": "service_healthy", "store": "service_healthy"}


def test_no_secret_stands_in_the_composition(services: dict[str, Any]) -> None:
    asked = {
        line.partition("=")[0] for line in (DOCKER / "example.env").read_text().splitlines() if "=" in line
    }
    used = set()
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            required = re.findall(r"\$\{(\w+):\?[^}]*\}", value)
            used.update(required)
            if re.search(r"PASS|SECRET|URL|TOKEN", name):
                assert len(required) == 1, f"{name} must be asked for, not written in"
    assert used == asked
    for line in (DOCKER / "example.env").read_text().splitlines():
        assert line.startswith("#") or line.endswith("="), "the example holds no value"


def test_nothing_is_reachable_from_other_machines(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_volumes_and_mounted_files_exist(services: dict[str, Any], config: Config) -> None:
    named = set(yaml.safe_load((DOCKER / "compose.yaml").read_text())["volumes"])
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in named or (DOCKER / source).is_file(), volume
    assert f"gateway:{config.var}" in services["gateway"]["volumes"]
    build = services["gateway"]["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_brokers_threads_keep_to_no_processor_as_the_private_ones_do_not(
    services: dict[str, Any],
) -> None:
    told = services["broker"]["environment"]["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    assert told == EMULATOR_ARGUMENTS


# --- the configuration between them -----------------------------------------------------------------


def test_the_configuration_names_the_services_and_ports_of_the_composition(
    config: Config, services: dict[str, Any]
) -> None:
    sections = config.sections
    broker = services["broker"]["environment"]
    user, vhost = broker["RABBITMQ_DEFAULT_USER"], broker["RABBITMQ_DEFAULT_VHOST"]
    assert secret(sections.broker.url, "broker.url") == f"amqp://{user}:filled-in@broker:5672/{vhost}"
    assert sections.broker.management_url == "http://broker:15672"
    assert config.store_url == "postgresql+psycopg://vanthu:filled-in@store:5432/vanthu"
    assert f"127.0.0.1:{sections.http.port}:{sections.http.port}" in services["gateway"]["ports"]
    assert sections.http.public_url == f"http://127.0.0.1:{sections.http.port}"


def test_a_stop_is_never_cut_short(config: Config, services: dict[str, Any]) -> None:
    assert int(services["gateway"]["stop_grace_period"].removesuffix("s")) > config.sections.pace.grace_s + 10


def test_the_directory_in_the_image_is_the_one_that_is_configured(config: Config) -> None:
    # /etc/vanthu/gateway.toml beside /etc/vanthu/organs: the same layout as in config/.
    assert not Path(config.sections.directory.organs).is_absolute()
    assert (ROOT / "config" / config.sections.directory.organs).is_file()
