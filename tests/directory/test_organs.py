"""The import of a list of organs: what is taken, and what is reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.directory import RemarkKind, Report, load_organs
from gateway.errors import ConfigError
from gateway.model.party import Link, Party

REAL = Path(__file__).parents[2] / "config" / "organs" / "tayninh_2020.csv"


def load(tmp_path: Path, text: str, **more: str) -> tuple[dict[str, Party], Report]:
    path = tmp_path / "organs.csv"
    path.write_text(text, "utf-8")
    parties, report = load_organs(path, **more)
    return {party.key: party for party in parties}, report


def test_the_real_list_gives_447_parties_and_reports_its_odd_rows() -> None:
    parties, report = load_organs(REAL)
    assert (report.rows, report.parties, len(parties)) == (455, 447, 447)
    assert sorted(r.code for r in report.of(RemarkKind.DOUBLED)) == [
        "000.00.00.G15",
        "000.00.20.G14",
        "000.00.22.G14",
        "000.00.23.G14",
        "000.00.25.G14",
        "000.00.26.G14",
        "000.00.29.G14",
    ]
    assert [(r.code, r.name) for r in report.of(RemarkKind.MALFORMED)] == [
        ("000.1137.H53", "Phòng Y tế huyện Tân Châu")
    ]
    assert len(report.of(RemarkKind.TIDIED)) == 28
    assert str(report) == "455 rows, 447 parties; 7 doubled, 1 malformed, 28 tidied"


def test_the_62_organs_of_the_province_take_deliveries_from_queues() -> None:
    parties, _ = load_organs(REAL)
    by_queue = [party.key for party in parties if party.link is Link.AMQP]
    assert len(by_queue) == 62
    assert all(re.fullmatch(r"000\.00\.\d\d\.H53", key) for key in by_queue)


def test_the_first_name_of_a_doubled_id_wins_and_the_other_is_remembered(tmp_path: Path) -> None:
    parties, report = load(
        tmp_path, "organ_id,name\nA.01,Bộ Tư Pháp\nA.01,Bộ Tư Pháp - CQCP\nA.01, Tư pháp\n"
    )
    assert parties["A.01"].name == "Bộ Tư Pháp"
    assert report.aliases() == {"A.01": ("Bộ Tư Pháp - CQCP", "Tư pháp")}
    assert [remark.row for remark in report.remarks] == [3, 4]


def test_names_are_brought_to_one_spelling(tmp_path: Path) -> None:
    decomposed = "Sở  Y te\u0302\u0301 "
    parties, report = load(
        tmp_path, f"organ_id,name\n A ,{decomposed}\nB,Trường Lê Quý \u00d0ôn\nC,Sở Y tế\n"
    )
    assert parties["A"].name == "Sở Y tế"
    assert parties["B"].name == "Trường Lê Quý \u0110ôn"
    assert [(r.row, r.kind) for r in report.remarks] == [(2, RemarkKind.TIDIED), (3, RemarkKind.TIDIED)]


@pytest.mark.parametrize(
    "code",
    ["000.00.13.H53", "H53.13", "H53.13.02.001", "28.22.H17", "00.53.W00", "vxp.saas.03", "A" * 35],
)
def test_regular_and_known_irregular_codes_are_taken(tmp_path: Path, code: str) -> None:
    parties, report = load(tmp_path, f"organ_id,name\n{code},Một cơ quan\n")
    assert list(parties) == [code]
    assert report.remarks == ()


@pytest.mark.parametrize(
    "code",
    [
        "000.1137.H53",
        "000.00.13.",
        ".H53",
        "000..13.H53",
        "H53 13",
        "H53#",
        "H53*13",
        "Đ53.13",
        "A" * 36,
        "000.00.1.H53",
    ],
)
def test_malformed_codes_are_left_out_and_reported(tmp_path: Path, code: str) -> None:
    parties, report = load(tmp_path, f"organ_id,name\n{code},Một cơ quan\n")
    assert parties == {}
    assert [(r.kind, r.code) for r in report.remarks] == [(RemarkKind.MALFORMED, code)]


def test_rows_without_a_code_are_left_out_and_rows_without_a_name_are_called_by_their_code(
    tmp_path: Path,
) -> None:
    parties, report = load(tmp_path, "organ_id,name\n,Vô danh\nA\nB,   \n\n")
    assert {key: party.name for key, party in parties.items()} == {"A": "A", "B": "B"}
    assert [r.kind for r in report.remarks] == [
        RemarkKind.INCOMPLETE,
        RemarkKind.NAMELESS,
        RemarkKind.NAMELESS,
    ]


def test_columns_are_found_by_name_and_a_byte_order_mark_is_no_letter(tmp_path: Path) -> None:
    parties, _ = load(tmp_path, "\ufeffname, organ_id,phone\nSở Y tế,000.00.15.H53,1\n")
    assert parties["000.00.15.H53"].name == "Sở Y tế"


def test_which_organs_have_queues_is_a_pattern_of_the_whole_code(tmp_path: Path) -> None:
    parties, _ = load(tmp_path, "organ_id,name\nA.1,a\nA.11,b\n", queues=r"A\.\d")
    assert {key: party.link for key, party in parties.items()} == {"A.1": Link.AMQP, "A.11": Link.HTTP}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,ten\nA,b\n", "organ_id and name are needed"),
        (b"", "organ_id and name are needed"),
        (b"organ_id,name\nA,S\xff\n", "not UTF-8"),
        (b'organ_id,name\nA,"S" x\n', "expected after"),
    ],
)
def test_a_file_that_is_no_such_list_is_a_configuration_error_that_names_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "organs.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_organs(path)
    assert str(path) in str(caught.value)


def test_a_missing_list_and_a_broken_pattern_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv"):
        load_organs(tmp_path / "nowhere.csv")
    with pytest.raises(ConfigError, match=r"directory\.queues"):
        load_organs(REAL, queues="(")
