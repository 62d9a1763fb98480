"""The libraries that are measured beside ours, each a process that signs when it is told to.

    with contextlib.ExitStack() as stack:
        running, absent = start(materials, stack)

A peer that can't be had, can't run, or whose output ``pdfsig`` does not find valid is absent, and why is said.
Peers may use every core; their runtimes compile and collect beside the work.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.etree import ElementTree

from benchmarks.sign.contest import Contestant, Sample
from benchmarks.sign.materials import Materials
from benchmarks.sign.pki import PASSPHRASE
from tools import foreign
from tools.debian import SetUpError
from tools.setup import ROOT, install_node_client

_HERE = Path(__file__).parent
_MADE = ROOT / "var" / "peers"
_WITHIN_S = 120.0


class Absent(Exception):
    """Why a peer is not measured, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A library, and how it comes to be measured.

    ``command``: makes it ready and answers the command before the files.  ``warm_up``: signatures before
    the first that counts.  ``version``: as locked.
    """

    name: str
    version: str
    command: Callable[[], Sequence[str]] = field(repr=False)
    at_once: int
    warm_up: int
    remark: str


def all_peers() -> Sequence[Peer]:
    """Whom we know."""
    locked = _locked_python()
    node = json.loads((_HERE / "node" / "package.json").read_text("utf-8"))["dependencies"]
    maven = _maven_properties()
    return (
        Peer(
            name="pdfsignerpy",
            version=locked["pdfsignerpy"],
            command=lambda: [*_python(), "pdfsignerpy"],
            at_once=10,
            warm_up=20,
            remark="Rust; from file to file, opens the key each time",
        ),
        Peer(
            name="endesive",
            version=locked["endesive"],
            command=lambda: [*_python(), "endesive"],
            at_once=3,
            warm_up=5,
            remark="Python; key loaded, room reserved; adbe.pkcs7.detached",
        ),
        Peer(
            name="@signpdf",
            version=node["@signpdf/signpdf"],
            command=_node,
            at_once=3,
            warm_up=20,
            remark="Node; opens the key each time",
        ),
        Peer(
            name="PDFBox",
            version=maven["pdfbox.version"],
            command=lambda: [*_java(), "Peer", "pdfbox"],
            at_once=15,
            warm_up=1500,
            remark="Java, warm, with Bouncy Castle; key loaded",
        ),
        Peer(
            name="EU DSS",
            version=maven["dss.version"],
            command=lambda: [*_java(), "Peer", "dss"],
            at_once=5,
            warm_up=300,
            remark="Java, warm; key loaded",
        ),
    )


def start(
    materials: Materials, stack: contextlib.ExitStack, peers: Sequence[Peer]
) -> tuple[Mapping[Peer, Contestant], Mapping[Peer, str]]:
    """Those that run, warm and checked once, until *stack* closes; and why the others don't."""
    running: dict[Peer, Contestant] = {}
    absent: dict[Peer, str] = {}
    for peer in peers:
        out = materials.folder / f"out-{re.sub('[^a-z]', '', peer.name.lower())}.pdf"
        try:
            process = stack.enter_context(_Process(peer, materials, out))
            process.batch(peer.warm_up)
            _check(out)
        except (Absent, SetUpError) as error:
            absent[peer] = str(error).splitlines()[0]
            continue
        running[peer] = Contestant(name=peer.name, batch=process.batch, at_once=peer.at_once, warm_up=1)
    return running, absent


class _Process:
    """A peer that waits for orders; ends with its standard input."""

    def __init__(self, peer: Peer, materials: Materials, out: Path) -> None:
        self._name = peer.name
        files = [str(materials.pdf_file), str(materials.key_file), PASSPHRASE, str(out)]
        self._said = materials.folder / f"{out.stem}.log"
        command = [*peer.command(), *files]
        with self._said.open("wb") as said:
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
                )
            except OSError as error:
                raise Absent(f"its process does not start: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def batch(self, times: int) -> Sequence[Sample]:
        """``contest.Batch``; raises ``Absent`` where the process ends or takes two minutes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        patience = threading.Timer(_WITHIN_S, self._process.kill)
        patience.start()
        try:
            self._process.stdin.write(f"{times}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            patience.cancel()
        if not answer:
            last = self._said.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
            raise Absent(f"its process ended: {last[0][:200]}")
        return [Sample(*one) for one in json.loads(answer)]


def pdfsig_finds_valid(path: Path) -> bool:
    """Whether ``pdfsig`` finds each signature in *path* valid and the last one over the whole file."""
    said = subprocess.run(
        ["pdfsig", "-nocert", str(path)], capture_output=True, text=True, errors="replace", check=False
    ).stdout
    verdicts = re.findall(r"Signature Validation: (.*)", said)
    return (
        bool(verdicts)
        and all("Signature is Valid" in one for one in verdicts)
        and ("Total document signed" in said)
    )


def _check(out: Path) -> None:
    if not pdfsig_finds_valid(out):
        raise Absent("pdfsig does not find its output valid")


def _python() -> list[str]:
    python = foreign.python_environment(_HERE / "peers.txt", _MADE / "python")
    return [str(python), str(_HERE / "python" / "peer.py")]


def _node() -> list[str]:
    install_node_client(_HERE / "node", "@signpdf")
    return ["node", str(_HERE / "node" / "peer.mjs")]


def _java() -> list[str]:
    return foreign.java_project(_HERE / "java", _MADE / "java")


def _locked_python() -> Mapping[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (_HERE / "peers.txt").read_text("utf-8")))


def _maven_properties() -> Mapping[str, str]:
    space = "{http://maven.apache.org/POM/4.0.0}"
    found = ElementTree.parse(_HERE / "java" / "pom.xml").getroot().find(f"{space}properties")
    assert found is not None
    return {entry.tag.removeprefix(space): entry.text or "" for entry in found}
