"""The set-up: what is locked, what is installed how, and that the machine is left as it was."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.services import ROOT
from tools import interpreter, setup
from tools.debian import Need, SetUpError, meet, no_service_starts

# --- what is locked ---------------------------------------------------------------------------------


def locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Name → version and hashes of every package in a requirements file."""
    text = path.read_text().replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = {}
    for entry in entries:
        match = re.match(r"([a-z0-9-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)", entry)
        assert match is not None, f"neither a version nor hashes: {entry[:80]}"
        found[match[1]] = (match[2], frozenset(match[3].split()))
    return found


@pytest.mark.parametrize("name", ["requirements.txt", "docker/requirements.txt", "benchmarks/sign/peers.txt"])
def test_the_lock_has_a_hash_for_everything_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert len(locked(ROOT / name)) > 20
    assert re.findall(r"(?m)^\s*(?:-i|-f|--(?:extra-)?index-url|--find-links|--trusted-host)\b", text) == []
    # A package may name its sponsors' page; where it was fetched from is what must not stand here.
    assert "registry" not in text


def test_the_lock_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["build-system"]["requires"]
    for extra in project["project"]["optional-dependencies"].values():
        wanted += extra
    versions = locked(ROOT / "requirements.txt")
    for requirement in map(Requirement, wanted):
        assert versions[requirement.name][0] in requirement.specifier, f"{requirement}: run `make lock`"


def test_the_image_carries_the_same_versions_and_no_tools() -> None:
    all_packages, image = locked(ROOT / "requirements.txt"), locked(ROOT / "docker" / "requirements.txt")
    assert image.items() <= all_packages.items()
    assert {"aio-pika", "pyhanko", "setuptools"} <= image.keys()
    assert {"pytest", "mypy", "ruff", "pyyaml"} & image.keys() == set()


@pytest.mark.parametrize(
    ("folder", "package"), [("tests/node", "amqplib"), ("benchmarks/sign/node", "@signpdf/signpdf")]
)
def test_a_lock_for_node_has_a_digest_for_everything_and_no_address(folder: str, package: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert f"node_modules/{package}" in packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "resolved" not in text
    # A package may name its sponsors' page; where it was fetched from is what must not stand here.
    assert "registry" not in text
    assert "omit-lockfile-registry-resolved=true" in (ROOT / folder / ".npmrc").read_text()


# --- the commands -----------------------------------------------------------------------------------


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The tests themselves may have been started by a make, which tells every make below it so.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_setting_up_again_says_nothing_and_costs_less_than_a_second() -> None:
    if not setup.is_made():
        pytest.skip("this checkout was not set up by make")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = make(f"PYTHON={sys.executable}", "setup")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 1


def commands() -> list[str]:
    """Every target of the Makefile that is meant to be typed."""
    found = re.search(r"(?m)^\.PHONY: (.+)$", (ROOT / "Makefile").read_text())
    assert found is not None
    return [name for name in found[1].split() if name != "python" and not name.startswith("setup-")]


def test_without_a_python_that_is_new_enough_every_command_says_so_in_one_sentence() -> None:
    for command in set(commands()) - {"help"}:
        done = make("PYTHON=/bin/false", command)
        assert done.returncode != 0
        said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
        assert len(said) == 1
        assert "Python 3.11 or newer is needed" in said[0]
        assert "Cần Python 3.11 trở lên" in said[0]


def test_help_lists_every_command() -> None:
    listed = re.findall(r"(?m)^  make ([a-z-]+) +\S", make().stdout)
    assert {"demo", "test", "bench-sign"} <= set(listed)
    assert sorted(listed) == sorted(commands())


def test_cleaning_refuses_while_a_broker_runs_here_and_then_leaves_the_sources_alone(tmp_path: Path) -> None:
    for name in (".venv/bin", "var/dev/broker", "gateway"):
        (tmp_path / name).mkdir(parents=True)
    with (tmp_path / "var" / "dev" / "broker" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SetUpError, match=f"{tmp_path}/var/dev/broker is in use"):
            setup.clean(tmp_path)
        assert (tmp_path / ".venv").exists()
    setup.clean(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["gateway"]


@pytest.mark.parametrize(("fails", "ran"), [("", ["check", "test"]), ("check", ["check"])])
def test_ci_runs_check_then_test_and_stops_where_one_fails(
    tmp_path: Path, fails: str, ran: list[str]
) -> None:
    noted = tmp_path / "noted"
    (tmp_path / "make").write_text(f'#!/bin/sh\necho "$1" >> "{noted}"\n[ "$1" != "{fails}" ]\n')
    (tmp_path / "make").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", ROOT / ".ci" / "run"], cwd="/", env=environment, check=False)
    assert noted.read_text().split() == ran
    assert (done.returncode == 0) is (fails == "")


# --- packages of the machine ------------------------------------------------------------------------


def need(*, is_met: bool) -> Need:
    return Need(packages=("vanthu-no-such-package",), is_met=lambda: is_met, en="a thing", vi="một thứ")


def test_what_is_there_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert meet([need(is_met=True)]) == []


def test_what_is_missing_and_may_not_be_installed_is_named_in_both_languages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")  # no apt-get, no sudo
    with pytest.raises(SetUpError) as caught:
        meet([need(is_met=False), need(is_met=True)])
    english, vietnamese = str(caught.value).split("\n")
    assert english.startswith("Missing on this machine: a thing. Install it")
    assert vietnamese.startswith("Máy này còn thiếu: một thứ. Hãy cài đặt")
    assert "`apt-get install vanthu-no-such-package`" in english


def test_no_package_starts_its_service_while_we_install_and_nothing_stays_behind(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with no_service_starts((), policy):
        assert subprocess.run([policy, "rabbitmq-server", "start"], check=False).returncode == 101
    assert not policy.exists()
    with pytest.raises(RuntimeError), no_service_starts((), policy):
        raise RuntimeError("apt-get failed")
    assert not policy.exists()


def test_an_installation_that_is_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    program = (
        "import sys; from pathlib import Path; from tools.debian import no_service_starts\n"
        "with no_service_starts((), Path(sys.argv[1])):\n"
        "    print('inside', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, policy], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as installing:
        assert installing.stdout is not None
        assert installing.stdout.readline() == b"inside\n"
        assert policy.exists()
        installing.send_signal(signal.SIGTERM)
        assert installing.wait(30) == 128 + signal.SIGTERM
    assert not policy.exists()


@pytest.mark.parametrize("answer", [101, 0])
def test_a_policy_of_the_machine_itself_is_never_touched(tmp_path: Path, answer: int) -> None:
    policy = tmp_path / "policy-rc.d"
    text = f"#!/bin/sh\nexit {answer}\n"
    policy.write_text(text)
    policy.chmod(0o755)
    if answer == 101:
        with no_service_starts((), policy):
            assert policy.read_text() == text
    else:
        with pytest.raises(SetUpError, match="by hand"), no_service_starts((), policy):
            pytest.fail("services would have been started")
    assert policy.read_text() == text


def test_the_policy_of_a_set_up_that_was_killed_is_cleared_away(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with no_service_starts((), policy):
        text = policy.read_text()
    policy.write_text(text.replace(str(os.getpid()), str(gone.pid)))
    with no_service_starts((), policy):
        assert policy.read_text() == text
    assert not policy.exists()


# --- which Python -----------------------------------------------------------------------------------


def a_python(folder: Path, *, loop_s: float, can_make: bool = True) -> str:
    """A build of this version that says the loop took it *loop_s*, and does all the rest as this one."""
    folder.mkdir()
    path = folder / f"python{sys.version_info.major}.{sys.version_info.minor}"
    refusal = "" if can_make else 'case "$3" in *ensurepip*) exit 1;; esac\n'
    report = f'case "$3" in *fibonacci*) echo {loop_s}; exit 0;; esac\n'
    path.write_text(f'#!/bin/sh\n{refusal}{report}exec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_the_clearly_quicker_build_of_a_version_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = a_python(tmp_path / "called", loop_s=1e-7)
    little = a_python(tmp_path / "little", loop_s=0.9e-7)
    unable = a_python(tmp_path / "unable", loop_s=1e-9, can_make=False)
    much = a_python(tmp_path / "much", loop_s=0.5e-7)
    monkeypatch.setenv("PATH", os.pathsep.join(str(Path(one).parent) for one in (little, unable)))
    assert interpreter.quickest(called) == called
    monkeypatch.setenv("PATH", os.pathsep.join(str(Path(one).parent) for one in (little, unable, much)))
    assert interpreter.quickest(called) == much


def test_the_build_that_made_the_environment_is_asked_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set-up.json").write_text(json.dumps({"executable": "/bin/sh"}))
    monkeypatch.setattr(setup, "quickest", lambda: pytest.fail("nothing is to be measured"))
    assert setup.chosen(tmp_path) == "/bin/sh"
    monkeypatch.setattr(setup, "quickest", lambda: "measured")
    (tmp_path / "set-up.json").write_text(json.dumps({"executable": "/nowhere/python"}))
    assert setup.chosen(tmp_path) == "measured"
