"""``make bench-sign`` in short: it runs, its figures have their form, and its page is written from them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.sign import materials, page, peers, picture
from tests.services import ROOT
from tools.debian import SetUpError

Told = Mapping[str, Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What a run of one round without peers writes."""
    var = tmp_path_factory.mktemp("bench")
    options = ["--var", var, "--rounds", "1", "--without-peers", "--short"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sign", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "judge one B-B signature" in done.stdout
    found: Told = json.loads((var / "sign.json").read_text("utf-8"))
    return found


def test_the_figures_have_the_form_that_was_agreed(told: Told) -> None:
    assert told.keys() == {
        "limit",
        "ours",
        "stock_pyhanko",
        "peers",
        "judge",
        "two_processes_ratio",
        "details",
    }
    assert told["ours"].keys() == {"b_b", "b_b_visible", "b_b_6mb"}
    assert told["judge"].keys() == {"one", "three", "b_lta"}
    assert told["peers"] == {}
    measured = [told["limit"], told["stock_pyhanko"], *told["ours"].values()]
    assert all(ms > 0 for ms in [*measured, *told["judge"].values()])


def test_a_large_file_sealed_by_a_process_of_its_own_is_valid_for_pdfsig(told: Told) -> None:
    huge = told["details"]["huge"]
    assert huge["pdfsig_valid"] is True
    assert huge["peak_bytes"] > huge["bytes"]


def test_two_processes_are_measured_where_there_are_two_cores(told: Told) -> None:
    if told["details"]["machine"]["cores"] > 1:
        assert told["two_processes_ratio"] == told["details"]["two_processes"]["ratio"] > 0
    else:
        assert told["two_processes_ratio"] is None


def with_a_peer(told: Told) -> Told:
    """The same figures with one peer that was measured and one that was not."""
    details = {**told["details"], "peers": {"PDFBox": {"version": "3", "remark": "warm"}}}
    details["absent"] = {"EU DSS": "there is no mvn on this machine"}
    return {**told, "peers": {"PDFBox": 12.34}, "details": details}


def test_the_page_has_every_peer_and_why_one_is_absent(told: Told) -> None:
    text = page.replaced(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", page.tables(with_a_peer(told)))
    assert "| PDFBox 3 (warm) | 12.34 |" in text
    assert "EU DSS: absent: there is no mvn on this machine" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")


def test_the_docs_have_a_place_for_the_figures() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert "figures come here" in page.replaced(text, "figures come here")


def test_the_picture_is_svg_with_a_bar_for_everybody(told: Told) -> None:
    drawn = ElementTree.fromstring(picture.draw(with_a_peer(told)))
    said = "".join(drawn.itertext())
    assert all(name in said for name in ("Vanthu", "PDFBox", "pyHanko, stock", "RSA + SHA-256 alone"))
    assert "12" in said


def test_every_peer_is_locked_to_a_version() -> None:
    assert {peer.name for peer in peers.all_peers()} == {
        "pdfsignerpy",
        "endesive",
        "@signpdf",
        "PDFBox",
        "EU DSS",
    }
    assert all(peer.version[0].isdigit() for peer in peers.all_peers())


def a_peer(name: str, *command: str, error: Exception | None = None) -> peers.Peer:
    """A library that is run by *command*, or can't be had because of *error*."""

    def get_ready() -> tuple[str, ...]:
        if error is not None:
            raise error
        return command

    return peers.Peer(name=name, version="1", command=get_ready, at_once=1, warm_up=1, remark="")


def test_a_peer_that_cant_be_measured_is_absent_and_why_is_said(tmp_path: Path) -> None:
    made = materials.make(tmp_path)
    # It answers as a peer should, but what it gives back is the PDF as it came.
    lazy = "import shutil, sys; input(); shutil.copy(sys.argv[1], sys.argv[4]); print('[[1.0, 1.0, false]]'); input()"
    wanted = {
        a_peer("missing", error=SetUpError("there is no mvn on this machine\nand more")): "there is no mvn",
        a_peer("gone", str(tmp_path / "no-such-program")): "its process does not start",
        a_peer(
            "dies", sys.executable, "-c", "raise SystemExit('out of luck')"
        ): "its process ended: out of luck",
        a_peer("lazy", sys.executable, "-c", lazy): "pdfsig does not find its output valid",
    }
    with contextlib.ExitStack() as stack:
        running, absent = peers.start(made, stack, list(wanted))
        assert running == {}
        assert {peer.name for peer in absent} == {peer.name for peer in wanted}
        assert all(reason.startswith(wanted[peer]) for peer, reason in absent.items()), absent
        assert "and more" not in absent[next(iter(wanted))]


def test_a_file_that_nobody_signed_is_not_valid_for_pdfsig(tmp_path: Path) -> None:
    bare = tmp_path / "bare.pdf"
    bare.write_bytes((ROOT / "LICENSE").read_bytes())
    assert peers.pdfsig_finds_valid(bare) is False
