"""The import of a list of organs: what is taken, and what is reported."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.directory import Ending, Options, RemarkKind, Report, compare, load_organs, read_organs
from adapters.directory import load as load_directory
from gateway.errors import ConfigError
from gateway.model.envelope import Business, Kind
from gateway.model.ids import OrganCode, PartyKey
from gateway.model.party import (
    EDXML,
    Capabilities,
    CodeValidity,
    Dialect,
    FormerName,
    Link,
    Party,
    Successor,
)
from gateway.model.quota import NO_BOUND, UNSAID, Quota

REAL = Path(__file__).parents[2] / "config" / "organs" / "tayninh_2020.csv"


def load(tmp_path: Path, text: str, **more: str) -> tuple[dict[str, Party], Report]:
    path = tmp_path / "organs.csv"
    path.write_text(text, "utf-8")
    listed = load_organs(path, **more)
    return {party.key: party for party in listed.parties}, listed.report


def test_the_real_list_gives_447_parties_and_reports_its_odd_rows() -> None:
    listed = load_organs(REAL)
    parties, report = listed.parties, listed.report
    assert (report.rows, report.ids, report.parties, len(parties)) == (455, 448, 447, 447)
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
    assert str(report) == (
        "455 rows, 448 distinct ids, 447 parties; 7 ids twice with two names, 1 malformed, 28 tidied"
    )
    assert report.told.startswith(
        "455 dòng, 448 mã khác nhau, 447 cơ quan; 7 mã có hai lần với hai tên, 1 mã sai dạng, 28 ô được chuẩn hóa"
    )


def test_the_62_organs_of_the_province_take_deliveries_from_queues() -> None:
    parties = load_organs(REAL).parties
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


# --- what else a list can say -------------------------------------------------------------------------

VIETNAM = timezone(timedelta(hours=7))
FULL = (
    "organ_id,name,organ_id_new,parent,link,since,until,successor,status,max_bytes,takes_bytes,kinds,business,"
    "dialects,former_name,renamed\n"
)


def test_every_column_reaches_its_party(tmp_path: Path) -> None:
    path = tmp_path / "organs.csv"
    path.write_text(
        FULL
        + "000.00.00.H53,UBND tỉnh,H53,,,,,,,,,,,,,\n"
        + "000.00.13.H53,Sở KH&CN,H53.13,H53,http,2016-01-01,,,locked,1000,2000,edoc,0 3,edxml vxp-2,Sở TTTT,2025-03-01\n"
        + "000.00.04.H53,Ban Dân tộc,,000.00.00.H53,,,2025-03-01,H53.13,,,,,,,,\n"
        + "000.00.43.H53,Ban cũ,,,,,2025-07-01T08:30:00+07:00,,,,,,,,,\n",
        "utf-8",
    )
    listed = load_organs(path)
    assert listed.report.remarks == ()
    parties = {str(party.key): party for party in listed.parties}
    science = parties["000.00.13.H53"]
    began = datetime(2016, 1, 1, tzinfo=VIETNAM)
    assert science == Party(
        key=PartyKey("000.00.13.H53"),
        name="Sở KH&CN",
        codes=(
            CodeValidity(code=OrganCode("000.00.13.H53"), since=began),
            CodeValidity(code=OrganCode("H53.13"), since=began),
        ),
        link=Link.HTTP,
        is_locked=True,
        max_bytes=1000,
        parent=PartyKey("000.00.00.H53"),
        former_names=(FormerName(name="Sở TTTT", until=datetime(2025, 3, 1, tzinfo=VIETNAM)),),
        takes=Capabilities(
            kinds=frozenset({Kind.EDOC}),
            business=frozenset({Business.NEW, Business.REPLACE}),
            max_bytes=2000,
            dialects=frozenset({EDXML, Dialect("vxp-2")}),
        ),
    )
    assert set(listed.endings) == {
        Ending(
            party=PartyKey("000.00.04.H53"),
            into=PartyKey("000.00.13.H53"),
            since=datetime(2025, 3, 1, tzinfo=VIETNAM),
        ),
        Ending(
            party=PartyKey("000.00.43.H53"),
            into=None,
            since=datetime(2025, 7, 1, 8, 30, tzinfo=VIETNAM),
        ),
    }


def test_quotas_reach_their_party_and_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "organs.csv"
    path.write_text(
        "organ_id,name,parent,bytes_per_day,documents_per_minute,documents_waiting,urgent_per_minute\n"
        "A,a,B,2000000000,60,none,5\nB,b,,,None,,\nC,c,,,,,\n"
    )
    listed = load_organs(path)
    assert listed.report.remarks == ()
    quotas = {str(party.key): party.quota for party in listed.parties}
    assert quotas == {
        "A": Quota(
            bytes_per_day=2_000_000_000,
            documents_per_minute=60,
            documents_waiting=NO_BOUND,
            urgent_per_minute=5,
        ),
        "B": Quota(documents_per_minute=NO_BOUND),
        "C": UNSAID,
    }


def test_a_changed_quota_is_told(tmp_path: Path) -> None:
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    before.write_text("organ_id,name,urgent_per_minute\nA,a,\nB,b,5\n")
    after.write_text("organ_id,name,urgent_per_minute\nA,a,none\nB,b,7\n")
    old, new = (load_directory(Options(organs=file))[0] for file in (before, after))
    told = {str(one.party.key): one.fields for one in compare(old, new).changed}
    assert told == {"A": {"urgent_per_minute": ("", "none")}, "B": {"urgent_per_minute": ("5", "7")}}


def test_a_merger_of_the_list_is_found_and_the_file_of_overrides_has_the_last_word(tmp_path: Path) -> None:
    organs, parties = tmp_path / "organs.csv", tmp_path / "parties.toml"
    organs.write_text("organ_id,name,successor,until\nA,a,B,2025-07-01\nB,b,,\nC,c,,\n")
    parties.write_text('[succeeded."A"]\ninto = "C"\n')
    now = datetime(2026, 11, 20, tzinfo=VIETNAM)

    def heir(options: Options) -> str:
        found = load_directory(options)[0].find(OrganCode("A"), now)
        assert isinstance(found, Successor)
        return found.party.key

    assert heir(Options(organs=organs)) == "B"
    assert heir(Options(organs=organs, parties=parties)) == "C"


@pytest.mark.parametrize(
    ("text", "row", "column", "told"),
    [
        ("organ_id,name,until\nA,a,01/07/2025\n", 2, "until", "2025-07-01?"),
        ("organ_id,name,until\nA,a,tháng 7\n", 2, "until", "year-month-day"),
        ("organ_id,name,since,until\nA,a,2025-07-01,2024-07-01\n", 2, "until", "before it begins"),
        ("organ_id,name,max_bytes\nA,a,50.000.000\n", 2, "max_bytes", "no number of bytes"),
        ("organ_id,name,takes_bytes\nA,a,0\n", 2, "takes_bytes", "no number of bytes"),
        ("organ_id,name,bytes_per_day\nA,a,2 GB\n", 2, "bytes_per_day", "no number of bytes"),
        ("organ_id,name,documents_per_minute\nA,a,0\n", 2, "documents_per_minute", "none: no bound"),
        ("organ_id,name,documents_waiting\nA,a,-1\n", 2, "documents_waiting", "no number of documents"),
        ("organ_id,name,urgent_per_minute\nA,a,1.5\n", 2, "urgent_per_minute", "no number of documents"),
        ("organ_id,name,status\nA,a,khóa\n", 2, "status", "active or locked"),
        ("organ_id,name,link\nA,a,ftp\n", 2, "link", "amqp or http"),
        ("organ_id,name,kinds\nA,a,edoc fax\n", 2, "kinds", "'fax' is none of these"),
        ("organ_id,name,business\nA,a,4\n", 2, "business", "'4' is none of these"),
        ("organ_id,name,dialects\nA,a,Ð\n", 2, "dialects", "no dialect"),
        ("organ_id,name,renamed\nA,a,2025-07-01\n", 2, "renamed", "without a former_name"),
        ("organ_id,name,parent\nA,a,\nB,b,C\n", 3, "parent", "no organ of the list has the code C"),
        ("organ_id,name,successor\nA,a,C\n", 2, "successor", "no organ of the list has the code C"),
        ("organ_id,name,successor\nA,a,C C\n", 2, "successor", "is no organ code"),
        ("organ_id,name,organ_id_new\nA,a,X\n\nB,b,X\n", 4, "organ_id_new", "that of A already (row 2)"),
        ("organ_id,name,organ_id_new\nA,a,B\nB,b,\n", 3, "organ_id", "that of A already (row 2)"),
        ("organ_id,name,parent\nA,a,B\nB,b,A\n", 2, "parent", "A → B → A"),
        ("organ_id,name,successor\nA,a,B\nB,b,C\nC,c,B\n", 3, "successor", "B → C → B"),
        ("organ_id,name,successor\nA,a,A\n", 2, "successor", "A → A"),
        ("organ_id,name\nA,Sở A, Sở B\n", 2, "", "right of the last column ( Sở B)"),
        ("organ_id,name\nA,S\ufffd Y t\ufffd\n", 2, "name", "letters of the name are lost"),
    ],
)
def test_a_fault_is_told_with_row_and_column_in_both_languages_and_such_a_list_is_not_taken(
    tmp_path: Path, text: str, row: int, column: str, told: str
) -> None:
    path = tmp_path / "organs.csv"
    path.write_text(text, "utf-8")
    (fault,) = read_organs(path).report.errors
    assert (fault.row, fault.column) == (row, column)
    assert told in fault.en
    assert fault.vi
    assert fault.vi != fault.en
    assert f"dòng · row {row}" in fault.told
    with pytest.raises(ConfigError, match=f"row {row}"):
        load_organs(path)


def test_all_faults_come_at_once_in_the_order_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "organs.csv"
    path.write_text(
        "organ_id,name,parent,until\nA,a,Z,\nA,b,,\n,c,,\n000.1137.H53,d,,\nE,e,,31/12/2025\nF,f,E,\n",
        "utf-8",
    )
    report = read_organs(path).report
    assert [(r.row, str(r.kind)) for r in report.remarks] == [
        (2, "reference"),
        (3, "doubled"),
        (4, "incomplete"),
        (5, "malformed"),
        (6, "value"),
    ]
    assert (report.rows, report.ids, report.parties) == (6, 4, 3)
    with pytest.raises(ConfigError) as caught:
        load_organs(path)
    assert len(str(caught.value).splitlines()) == 2, "what is merely left out does not stop the list"


def test_a_thousand_faults_make_no_thousand_lines_of_an_error(tmp_path: Path) -> None:
    path = tmp_path / "organs.csv"
    path.write_text("organ_id,name,link\n" + "".join(f"A{n},a,x\n" for n in range(1000)), "utf-8")
    assert len(read_organs(path).report.errors) == 1000
    with pytest.raises(ConfigError, match="980 more") as caught:
        load_organs(path)
    assert len(str(caught.value).splitlines()) == 21


def test_the_same_row_twice_is_not_two_names(tmp_path: Path) -> None:
    _, report = load(tmp_path, "organ_id,name\nA,a\nA,a\nA,b\n")
    assert "1 ids in 2 further rows" in str(report)


def test_a_column_that_nobody_reads_is_told(tmp_path: Path) -> None:
    _, report = load(tmp_path, "organ_id,name,sucessor\nA,a,B\n")
    (remark,) = report.of(RemarkKind.COLUMN)
    assert (remark.row, remark.column, str(remark.severity)) == (1, "sucessor", "warning")


# --- the habits of spreadsheets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "\ufefforgan_id;name;parent\r\nA;Sở A;\r\nB;Sở B;A\r\n",
        "organ_id\tname\tparent\nA\tSở A\t\nB\tSở B\tA\n",
        "sep=;\r\nORGAN_ID; Name ;Parent\r\nA;Sở A;\r\nB;Sở B;A",
        '"organ_id","name","parent"\r"A","Sở A",""\r"B","Sở B","A"\r',
        'organ_id|name|parent\n\nA|"Sở A"|\n|||\nB|Sở B|A\n',
    ],
)
def test_any_delimiter_line_end_and_quotation_is_read(tmp_path: Path, body: str) -> None:
    path = tmp_path / "organs.csv"
    path.write_bytes(body.encode())
    listed = load_organs(path)
    assert [(p.key, p.name, p.parent) for p in listed.parties] == [("A", "Sở A", None), ("B", "Sở B", "A")]
    assert listed.report.rows == 2


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    _, report = load(tmp_path, 'organ_id,name\n\nA,"Sở\nA"\n\n000.1137.H53,b\n')
    assert [(r.row, r.kind) for r in report.remarks] == [(3, RemarkKind.TIDIED), (5, RemarkKind.MALFORMED)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"organ_id,name\nA,U\xd2y ban nh\xe2n d\xe2n xa\xde T\xe2n Phong\n", "it looks like Windows-1258"),
        (b"organ_id,name\nA,S\xeb T\xb5i ch\xddnh\n", "maybe an old code page"),
        ("organ_id,name\nA,Sở\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04 and so on", "a spreadsheet"),
        (b"organ_id,name\nA,\0\n", "NUL"),
        (b"organ_id,name,name\nA,a,b\n", "name stands twice"),
        (b'organ_id,name\nA,"a\nB,b\n', "quotation marks"),
        (b'organ_id,name\nA,a\nB,"b" c\n', "row 3"),
    ],
)
def test_a_file_of_another_kind_is_told_how_to_be_saved(tmp_path: Path, body: bytes, told: str) -> None:
    path = tmp_path / "organs.csv"
    path.write_bytes(body)
    (fault,) = read_organs(path).report.remarks
    assert fault.is_fatal
    assert told in fault.en
    assert fault.vi


def test_what_is_no_ordinary_file_is_not_read(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path):
        (fault,) = read_organs(path).report.remarks
        assert fault.is_fatal
        assert fault.row == 0


@settings(deadline=None)
@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda t: f"organ_id,name,until,parent\n{t}".encode())
)
def test_whatever_the_bytes_the_answer_is_a_report(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(body)
    listed = read_organs(path)
    assert listed.report.parties == len(listed.parties)
    assert str(listed.report)
    assert listed.report.told
