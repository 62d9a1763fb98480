"""``vanthu organs import`` and SIGHUP against a ``vanthu serve`` of its own, as an operator has them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from adapters.broker.node import PrivateNode

VANTHU = (sys.executable, "-m", "gateway.cli")
PATIENCE_S = 120.0


def until(seen: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := seen()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


@contextmanager
def serving(folder: Path, node: PrivateNode) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A running gateway, and the file that it prints to."""
    (folder / "gateway.toml").write_text(
        f'[directory]\norgans = "organs.csv"\n[broker]\nurl = "{node.amqp_url}"\n'
        f'management_url = "{node.management_url}"\n[pace]\nworkers = 1\n',
        "utf-8",
    )
    said = folder / "serve.log"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*VANTHU, "serve", "--config", str(folder / "gateway.toml"), "--var", str(folder / "var")],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or said.read_text("utf-8").startswith("ready "))
        assert process.poll() is None, said.read_text("utf-8")
        yield process, said
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def vanthu(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VANTHU, *words, "--config", str(folder / "gateway.toml"), "--var", str(folder / "var")],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=False,
    )


def test_an_import_reaches_the_running_gateway_and_a_broken_file_does_not(
    tmp_path: Path, broker_node: PrivateNode
) -> None:
    tag = f"{secrets.randbelow(100):02d}.{secrets.randbelow(100):02d}.T98"
    first, second = f"900.{tag}", f"901.{tag}"
    listed = f"organ_id,name,link\n{first},Cơ quan một,amqp\n"
    (tmp_path / "organs.csv").write_text(listed, "utf-8")
    new = tmp_path / "new.csv"
    new.write_text(f"{listed}{second},Cơ quan hai,amqp\n", "utf-8")
    with serving(tmp_path, broker_node) as (process, said):
        url = said.read_text("utf-8").split("http=")[1].split()[0]

        told = vanthu(tmp_path, "organs", "import", str(new), "--yes")
        assert told.returncode == 0, told
        assert f"+ {second}" in told.stdout
        assert "the running gateway has reloaded: 2 organs, +1 -0 ~0 *0, 1 workers" in told.stdout
        access = json.loads((tmp_path / "var/dev/access.json").read_text("utf-8"))
        assert access[second]["amqp_url"]
        assert (tmp_path / "organs.csv").read_bytes() == new.read_bytes()

        # Somebody breaks the file by hand: the command says so and fails, the gateway goes on, readiness tells.
        (tmp_path / "organs.csv").write_text(listed + f"{second},Cơ quan hai,fax\n", "utf-8")
        told = vanthu(tmp_path, "organs", "reload")
        assert told.returncode == 1
        assert "the old directory stays in force" in told.stdout
        assert f"{tmp_path / 'organs.csv'}: row 3, link" in told.stdout
        with urlopen(f"{url}/readyz", timeout=30) as answer:
            parts = json.load(answer)["parts"]
        assert parts["directory"].startswith("ok, 2 organs, in force since ")
        assert "the last reload was refused" in parts["directory"]

        # Mended, and told by the signal alone.
        (tmp_path / "organs.csv").write_text(listed, "utf-8")
        os.kill(process.pid, signal.SIGHUP)
        until(lambda: "directory reloaded: 1 organs" in said.read_text("utf-8"))

        # Drained by the command line, it says what it rests on; so it does at its end.
        told = vanthu(tmp_path, "drain", "--within", "20")
        assert (told.returncode, "nothing in flight" in told.stdout) == (0, True), told
        assert vanthu(tmp_path, "drain", "--resume").stdout.endswith("workers take documents in again\n")

        # There is one gateway to a folder of data.
        other = vanthu(tmp_path, "serve")
        assert other.returncode == 2
        assert f"runs here already (pid {process.pid})" in other.stderr
    assert process.returncode == 0
    assert said.read_text("utf-8").count("nothing in flight") == 2, (
        "printed by serve, at the command and at SIGTERM"
    )
    told = vanthu(tmp_path, "organs", "reload")
    assert (told.returncode, "no gateway runs here" in told.stdout) == (0, True)
