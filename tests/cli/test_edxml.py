"""``vanthu edxml``: one line per file whatever the file is, without configuration, and never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import obey
from tests.envelope.edxml import a_status, an_attachment, an_edxml
from tests.vectors.edxml.producers import PDF, b64, edocs, office, statuses, zipped

KEYS = [
    *("file", "verdict", "kind", "business", "from", "to"),
    *("document_id", "attachments", "findings"),
]
OF_A_FILE = ["name", "sha256", "size", "media_type"]
OF_A_FINDING = ["rule", "severity", "path", "message"]


class Asked:
    """The command line in this process: ``code, out`` of what was asked."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *words: str | Path) -> tuple[int, str]:
        self._capfd.readouterr()
        code = obey([*map(str, ("edxml", *words))])
        captured = self._capfd.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out

    def lines(self, *words: str | Path) -> tuple[int, list[dict[str, Any]]]:
        code, out = self("check", "--json", *words)
        return code, [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def asked(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.chdir(tmp_path)
    return Asked(capfd)


def _written(name: str, body: bytes) -> Path:
    path = Path(name)
    path.write_bytes(body)
    return path


def test_each_line_has_the_keys_of_the_contract(asked: Asked) -> None:
    code, (line,) = asked.lines(_written("công văn.edxml", edocs()["axis"]))
    assert code == 0
    assert list(line) == KEYS
    assert [line[key] for key in KEYS[:7]] == [
        *("công văn.edxml", "ok", "edoc", "new", "000.00.00.H53"),
        *(["000.00.13.H53", "000.25.36.H53"], "000.00.00.H53,2016/03/04,517/QĐ-UBND"),
    ]
    (file,) = line["attachments"]
    assert list(file) == OF_A_FILE
    assert (file["size"], file["media_type"]) == (len(PDF), "application/pdf")


def test_every_finding_is_told_with_its_path_in_both_languages(asked: Asked) -> None:
    broken = an_edxml(subject="", signer="", to="<To><OrganId>!</OrganId></To>" * 2)
    code, (line,) = asked.lines(_written("a.edxml", broken))
    assert (code, line["verdict"]) == (1, "refused")
    assert all(list(finding) == OF_A_FINDING for finding in line["findings"])
    found = {(finding["rule"], finding["path"]) for finding in line["findings"]}
    header = "edXMLEnvelope/edXMLHeader/MessageHeader"
    assert {
        ("EDX-035", f"{header}/Subject"),
        ("EDX-036", f"{header}/SignerInfo/FullName"),
        ("EDX-012", f"{header}/To[1]/OrganId"),
        ("EDX-012", f"{header}/To[2]/OrganId"),
        ("EDX-014", f"{header}/To[2]/OrganId"),
    } <= found
    assert all(" · " in finding["message"] for finding in line["findings"])


def test_a_status_names_who_reports_and_who_is_told(asked: Asked) -> None:
    code, (line,) = asked.lines(_written("s.edxml", a_status()))
    assert code == 0
    assert (line["kind"], line["business"], line["from"], line["to"]) == (
        "status",
        None,
        "H53.13",
        ["H53.00"],
    )


def test_warnings_do_not_refuse(asked: Asked) -> None:
    code, (line,) = asked.lines(_written("w.edxml", an_edxml(signer="")))
    assert (code, line["verdict"]) == (0, "warnings")


def test_what_is_no_edxml_is_refused_with_its_reason_and_the_others_are_read(asked: Asked) -> None:
    fine = _written("fine.edxml", an_edxml())
    odd = {
        "empty.edxml": (b"", "body-empty"),
        "rubbish.edxml": (os.urandom(1000) + b"<", "xml-malformed"),
        "cut.edxml": (an_edxml()[:500], "xml-malformed"),
        "dtd.edxml": (b"<!DOCTYPE a><a/>", "xml-forbidden"),
        "html.edxml": (b"<html><body/></html>", "kind-unknown"),
        "deep.edxml": (an_edxml(more="<a>" * 90), "xml-too-costly"),
    }
    files = [_written(name, body) for name, (body, _) in odd.items()]
    huge = Path("huge.edxml")
    with huge.open("wb") as file:
        file.truncate(1 << 34)
    code, lines = asked.lines(*files, huge, fine)
    assert code == 1
    assert [line["findings"][0]["rule"] for line in lines[:-1]] == [
        *(why for _, why in odd.values()),
        "body-too-large",
    ]
    assert [line["verdict"] for line in lines] == ["refused"] * 7 + ["ok"]
    for line in lines[:-1]:
        assert list(line) == KEYS
        assert (line["to"], line["attachments"], line["document_id"]) == ([], [], None)


def test_of_a_refused_document_everything_is_told_that_could_be_read(asked: Asked) -> None:
    _, (line,) = asked.lines(
        _written("a", edocs()["axis"].replace(b"Date>2016/03/04</", b"Date>2016/02/30</"))
    )
    assert (line["verdict"], line["business"], line["document_id"]) == (
        *("refused", "new"),
        "000.00.00.H53,2016/03/04,517/QĐ-UBND",
    )
    assert line["to"] == ["000.00.13.H53", "000.25.36.H53"]
    assert [file["size"] for file in line["attachments"]] == [len(PDF)]


def test_files_to_which_nothing_refers_are_looked_at_too(asked: Asked) -> None:
    body = an_edxml(
        references="".join(f"<Reference><ContentId>{i}</ContentId></Reference>" for i in (1, 3)),
        attachments=an_attachment("1", "a.pdf", b64(PDF)) + an_attachment("2", "b.pdf", "%%%"),
    )
    _, (line,) = asked.lines(_written("a", body))
    assert {"EDX-061", "EDX-062", "EDX-066"} <= {one["rule"] for one in line["findings"]}
    assert [file["name"] for file in line["attachments"]] == ["a.pdf"]


def test_a_file_that_is_not_there_is_told_and_the_others_are_read(asked: Asked, tmp_path: Path) -> None:
    code, lines = asked.lines("none.edxml", tmp_path, "/dev/zero", _written("fine.edxml", an_edxml()))
    assert code == 2
    assert [line["verdict"] for line in lines] == ["refused"] * 3 + ["ok"]
    assert {line["findings"][0]["rule"] for line in lines[:3]} == {"file-unreadable"}


def test_a_state_secret_is_refused_as_the_gateway_would(asked: Asked) -> None:
    code, (line,) = asked.lines(_written("mat.edxml", an_edxml(subject="<Subject>Báo cáo (MẬT)</Subject>")))
    assert code == 1
    assert line["findings"][0]["rule"] == "state-secret"


@pytest.mark.parametrize(
    ("body", "name", "label", "kind"),
    [
        (PDF, "a.pdf", "text/plain", "application/pdf"),
        (zipped(PDF), "a.pdf", "application/zip", "application/pdf"),
        (b"{\\rtf1 x}", "a.pdf", "application/pdf", "application/rtf"),
        (b"no PDF at all", "a.pdf", "application/pdf", "application/octet-stream"),
        (b"plain", "a.txt", "text/plain; charset=utf-8", "text/plain"),
        (b"plain", "a.bin", "", "application/octet-stream"),
        (b"<?xml version='1.0'?><a/>", "a.doc", "application/zip", "application/xml"),
        (b"<?xml version='1.0'?><a/>", "a.svg", "image/svg+xml", "image/svg+xml"),
        (b"plain", "a.bin", "no type", "application/octet-stream"),
        (b"\x89PNG\r\n\x1a\n....", "a.jpg", "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0....", "a", "", "image/jpeg"),
        (office(), "a.docx", "", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (zipped(PDF), "a.zip", "x/y", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "a.DOC", "application/zip", "application/msword"),
    ],
)
def test_the_bytes_say_what_a_file_is(asked: Asked, body: bytes, name: str, label: str, kind: str) -> None:
    reference = f"<Reference><ContentId>cid:1</ContentId><AttachmentName>{name}</AttachmentName></Reference>"
    edxml = an_edxml(references=reference, attachments=an_attachment("1", name, b64(body), label))
    _, (line,) = asked.lines(_written("a.edxml", edxml))
    assert [one["media_type"] for one in line["attachments"]] == [kind]


def test_people_get_lines_and_a_page(asked: Asked) -> None:
    path = _written("a.edxml", edocs()["axis"])
    code, out = asked("check", path)
    assert code == 0
    assert "HỢP LỆ" in out
    code, out = asked("show", path)
    assert code == 0
    for text in (
        "UBND tỉnh Tây Ninh (000.00.00.H53)",
        "517/QĐ-UBND",
        "04/03/2016",
        "517-QD-UBND.pdf",
        "khẩn",
    ):
        assert text in out
    code, out = asked("show", _written("s.edxml", a_status()))
    assert code == 0
    assert "01 đã đến" in out
    assert asked("show", "none.edxml")[0] == 2
    assert asked("show", _written("b.edxml", b"<"))[0] == 1


def test_a_file_can_not_command_the_terminal(asked: Asked) -> None:
    body = an_edxml(subject="<Subject>a\u202eb\u009b31mc</Subject>")
    for verb in ("check", "show"):
        _, out = asked(verb, _written("a.edxml", body))
        assert not {"\u202e", "\u009b"} & set(out)


def test_standard_input_is_a_file_too(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(an_edxml())))
    code, (line,) = asked.lines("-")
    assert (code, line["file"], line["verdict"]) == (0, "-", "ok")


def test_it_works_as_a_process_of_its_own_in_an_empty_folder(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xe1.edxml"
    Path(os.fsdecode(name)).write_bytes(an_edxml())
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "edxml", "check", "--json", name],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["verdict"] == "ok"
    assert [path.suffix for path in tmp_path.iterdir()] == [".edxml"]


# --- convert ------------------------------------------------------------------------------------------------


def _converted(asked: Asked, source: Path, to: str) -> bytes:
    out = Path(f"out-{to}")
    code, said = asked("convert", source, "--to", to, "--out", out)
    assert (code, said) == (0, "")
    return out.read_bytes()


@pytest.mark.parametrize("name", [*edocs(), *statuses()])
def test_converting_there_and_back_changes_nothing(asked: Asked, name: str) -> None:
    source = _written("a.edxml", (edocs() | statuses())[name])
    strict = _converted(asked, source, "edxml")
    told = _converted(asked, source, "json")
    assert _converted(asked, _written("b.json", told), "edxml") == strict
    assert _converted(asked, _written("b.json", told), "json") == told
    assert _converted(asked, _written("c.edxml", strict), "edxml") == strict
    assert _converted(asked, _written("c.edxml", strict), "json") == told


def test_standard_output_has_the_document_and_nothing_else(asked: Asked) -> None:
    code, out = asked("convert", _written("a.edxml", an_edxml(signer="")), "--to", "json")
    assert code == 0
    assert [one["name"] for one in json.loads(out)["attachments"]] == ["a.pdf"]


def test_what_breaks_a_rule_is_converted_and_told(asked: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    code = obey(
        ["edxml", "convert", str(_written("a.edxml", an_edxml(subject=""))), "--to", "edxml", "--out", "o"]
    )
    assert (code, Path("o").is_file()) == (0, True)
    assert "EDX-035" in capfd.readouterr().err


def test_what_can_not_be_converted_leaves_no_file(asked: Asked) -> None:
    cases = {
        "a": b"<edXML/>",
        "b": an_edxml(sender=""),
        "c": an_edxml(subject="<Subject>(Mật)</Subject>"),
        "d": b"{}",
        "e": b'{"a":',
        "f": an_edxml(subject="<Subject>a</Subject><Subject>b</Subject>"),
        "g": b"",
    }
    for name, body in cases.items():
        code, _ = asked("convert", _written(name, body), "--to", "json", "--out", "o.json")
        assert (code, Path("o.json").exists()) == (1, False), name
    assert asked("convert", "none", "--to", "json", "--out", "o.json")[0] == 1
    assert asked("convert", _written("h", an_edxml()), "--to", "json", "--out", "no/o.json")[0] == 1
    assert asked("convert", _written("h", an_edxml()), "--to", "pdf")[0] == 2


def test_json_is_checked_and_shown_as_the_document_that_it_stands_for(asked: Asked) -> None:
    path = _written("a.json", _converted(asked, _written("a.edxml", edocs()["axis"]), "json"))
    code, (line,) = asked.lines(path)
    assert (code, line["verdict"], line["from"]) == (0, "ok", "000.00.00.H53")
    assert asked("show", path)[0] == 0
    code, (line,) = asked.lines(_written("b.json", b'{"form": "x"}'))
    assert (code, line["findings"][0]["rule"]) == (1, "json-invalid")
