"""``vanthu organs``: what people read, what programs read, and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from adapters.store import Options, Store
from gateway.cli import obey
from gateway.model.change import Change
from gateway.model.ids import DocumentId, MessageId, PartyKey
from gateway.model.journey import HandOverState
from tests.builders import a_handover, a_submission
from tests.cli.conftest import Vanthu

REAL = Path(__file__).parents[2] / "config" / "organs" / "tayninh_2020.csv"
LIST = (
    "organ_id,name,organ_id_new,parent,until,successor,former_name,renamed\n"
    "000.00.00.H53,UBND tỉnh Tây Ninh,H53,,,,,\n"
    "000.00.13.H53,Sở Khoa học và Công nghệ,H53.13,H53,,,Sở TTTT,2025-03-01\n"
    "000.00.04.H53,Ban Dân tộc,,H53,2025-03-01,H53.13,,\n"
    "000.00.05.H53,Ban Tôn giáo,,H53,2023-03-01,000.00.04.H53,,\n"
    "000.00.06.H53,Ban sắp sáp nhập,,H53,2099-01-01,H53.13,,\n"
)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "organs.csv").write_text(LIST, "utf-8")
    config = tmp_path / "gateway.toml"
    config.write_text('[directory]\norgans = "organs.csv"\n', "utf-8")
    return config


def test_a_list_can_be_narrowed_by_letters_without_accents_and_by_parent(
    vanthu: Vanthu, settings: Path
) -> None:
    told = vanthu("organs", "list", "dan toc", "--config", settings)
    assert (told.code, told.out.count("\n")) == (0, 2)
    assert "Ban Dân tộc  [đã sáp nhập · merged] → 000.00.13.H53" in told.out
    assert "Sở Khoa học" in vanthu("organs", "list", "sở tttt", "--config", settings).out
    told = vanthu("organs", "list", "--parent", "H53", "--json", "--config", settings)
    assert [json.loads(line)["organ"] for line in told.out.splitlines()] == [
        f"000.00.{n}.H53" for n in ("04", "05", "06", "13")
    ]
    assert vanthu("organs", "list", "không có", "--config", settings).code == 1
    assert vanthu("organs", "list", "--parent", "H54", "--config", settings).code == 1


@pytest.mark.parametrize("code", ["000.00.13.H53", "H53.13"])
def test_either_code_shows_the_other(vanthu: Vanthu, settings: Path, code: str) -> None:
    told = vanthu("organs", "show", code, "--config", settings)
    assert told.code == 0
    assert "000.00.13.H53    QCVN 102" in told.out
    assert "H53.13           QĐ 20/2020" in told.out
    assert "tên cũ · former name: Sở TTTT (đến · until 01/03/2025)" in told.out
    assert "trực thuộc · below: 000.00.00.H53  UBND tỉnh Tây Ninh" in told.out
    assert "took over: 000.00.04.H53  Ban Dân tộc từ · since 01/03/2025" in told.out


def test_a_code_of_the_other_form_is_never_made_up(vanthu: Vanthu, settings: Path) -> None:
    told = vanthu("organs", "show", "000.00.06.H53", "--config", settings)
    assert "đang hoạt động · active" in told.out
    assert "never computed from the other" in told.out
    assert "H53.06" not in told.out


def test_a_merged_organ_tells_whom_its_documents_reach_and_on_which_way(
    vanthu: Vanthu, settings: Path
) -> None:
    told = vanthu("organs", "show", "000.00.05.H53", "--config", settings)
    assert "000.00.05.H53 → 000.00.04.H53 → 000.00.13.H53" in told.out
    one = json.loads(vanthu("organs", "show", "000.00.05.H53", "--json", "--config", settings).out)
    assert (one["state"], one["successor"]) == ("succeeded", "000.00.04.H53")
    assert one["reaches"]["organ"] == "000.00.13.H53"
    assert one["reaches"]["since"] == "2023-03-01T00:00:00+07:00"


def test_who_is_not_there_is_told_in_both_languages(vanthu: Vanthu, settings: Path) -> None:
    told = vanthu("organs", "show", "H99.99", "--config", settings)
    assert told.code == 1
    assert told.err == "vanthu: Không tìm thấy. · Not found. [not-found] H99.99\n"


def test_the_real_list_is_told_as_it_is(vanthu: Vanthu) -> None:
    told = vanthu("organs", "check", REAL)
    assert told.code == 1
    assert "455 rows, 448 distinct ids, 447 parties; 7 ids twice with two names, 1 malformed" in told.out
    assert "455 dòng, 448 mã khác nhau, 447 cơ quan; 7 mã có hai lần với hai tên, 1 mã sai dạng" in told.out
    assert "organ_id: mã '000.1137.H53' sai dạng" in told.out
    one = json.loads(vanthu("organs", "check", REAL, "--json").out)
    assert (one["verdict"], one["rows"], one["ids"], one["organs"]) == ("refused", 455, 448, 447)
    errors = [f for f in one["findings"] if f["severity"] == "error"]
    assert [f["kind"] for f in errors] == ["doubled"] * 7 + ["malformed"]


def test_a_list_in_order_ends_well_and_one_that_is_not_there_does_not(
    vanthu: Vanthu, settings: Path, tmp_path: Path
) -> None:
    assert vanthu("organs", "check", settings.parent / "organs.csv").code == 0
    told = vanthu("organs", "check", tmp_path / "nowhere.csv")
    assert told.code == 1
    assert "cannot be read" in told.out


def test_a_list_that_goes_not_with_the_other_files_is_refused(vanthu: Vanthu, settings: Path) -> None:
    (settings.parent / "parties.toml").write_text('[parties."000.00.13.H53"]\nlocked = true\n', "utf-8")
    with settings.open("a") as file:
        file.write('parties = "parties.toml"\n')
    without = settings.parent / "new.csv"
    without.write_text("organ_id,name\n000.00.00.H53,UBND\n", "utf-8")
    told = vanthu("organs", "check", without, "--config", settings)
    assert told.code == 1
    assert "no directory can be made" in told.out
    assert "000.00.13.H53" in told.out


def test_what_a_new_list_changes_is_told(vanthu: Vanthu, settings: Path) -> None:
    new = settings.parent / "new.csv"
    new.write_text(
        LIST.replace("UBND tỉnh Tây Ninh", "Ủy ban nhân dân tỉnh Tây Ninh")
        .replace("000.00.06.H53,Ban sắp sáp nhập", "000.00.07.H53,Ban mới")
        .replace("2099-01-01", "2098-01-01")
        .replace("Ban Dân tộc,,H53,2025-03-01", "Ban Dân tộc,,H53,2025-04-01"),
        "utf-8",
    )
    told = vanthu("organs", "diff", new, "--config", settings)
    assert told.code == 1
    assert told.out.splitlines() == [
        "+ 000.00.07.H53    Ban mới",
        "- 000.00.06.H53    Ban sắp sáp nhập",
        "~ 000.00.00.H53    UBND tỉnh Tây Ninh → Ủy ban nhân dân tỉnh Tây Ninh",
        "* 000.00.04.H53    ending: → 000.00.13.H53 [2025-03-01…] → → 000.00.13.H53 [2025-04-01…]",
        "1 thêm · added, 1 bỏ · removed, 1 đổi tên · renamed, 1 thay đổi · changed",
    ]
    one = json.loads(vanthu("organs", "diff", settings.parent / "organs.csv", new, "--json").out)
    assert [p["organ"] for p in one["added"]] == ["000.00.07.H53"]
    assert one["changed"][0]["fields"]["ending"]["after"] == "→ 000.00.13.H53 [2025-04-01…]"
    same = vanthu("organs", "diff", settings.parent / "organs.csv", "--config", settings)
    assert (same.code, same.out) == (0, "không có gì khác · nothing is different\n")


# --- import -------------------------------------------------------------------------------------------


def _new(settings: Path, text: str) -> Path:
    path = settings.parent / "new.csv"
    path.write_text(text, "utf-8")
    return path


def test_an_import_takes_the_place_of_the_list_and_keeps_the_former_one(
    vanthu: Vanthu, settings: Path
) -> None:
    new = _new(settings, LIST + "000.00.07.H53,Ban mới,,H53,,,,\n")
    told = vanthu("organs", "import", new, "--yes", "--config", settings)
    assert told.code == 0, told
    assert "+ 000.00.07.H53    Ban mới" in told.out
    assert "no gateway runs here" in told.out
    assert (settings.parent / "organs.csv").read_bytes() == new.read_bytes()
    (former,) = settings.parent.glob("organs.2*.csv")
    assert former.read_text("utf-8") == LIST
    assert str(former) in told.out
    again = vanthu("organs", "import", new, "--yes", "--config", settings)
    assert (again.code, len(list(settings.parent.glob("organs.2*.csv")))) == (0, 1)
    assert "nothing is written" in again.out
    assert not [path for path in settings.parent.iterdir() if path.name.startswith(".")]


def test_nothing_is_written_where_nobody_agrees_or_the_list_is_at_fault(
    vanthu: Vanthu, settings: Path
) -> None:
    for text, words, why in (
        (LIST + "B,b,,,,,,\n", (), "--yes is needed"),
        (LIST + "B,b,,Z,,,,\n", ("--yes",), "no organ of the list has the code Z"),
        (LIST + "B,b,,,,,,\nB,c,,,,,,\n", ("--yes",), "--leave-out takes the others"),
        ("organ,name\nA,a\n", ("--yes",), "the columns organ_id and name are needed"),
    ):
        told = vanthu("organs", "import", _new(settings, text), *words, "--config", settings)
        assert told.code == 1, text
        assert why in told.out
        assert (settings.parent / "organs.csv").read_text("utf-8") == LIST
    doubled = _new(settings, LIST + "B,b,,,,,,\nB,c,,,,,,\n")
    assert vanthu("organs", "import", doubled, "--yes", "--leave-out", "--config", settings).code == 0


def test_without_a_configured_list_the_import_goes_under_var_and_is_found_there(
    settings: Path, tmp_path: Path
) -> None:
    var = tmp_path / "own"
    config = tmp_path / "empty.toml"
    config.write_text(f'[gateway]\nvar = "{var}"\n', "utf-8")
    code = obey(["organs", "import", str(settings.parent / "organs.csv"), "--yes", "--config", str(config)])
    assert code == 0
    assert (var / "directory/organs.csv").read_text("utf-8") == LIST
    assert obey(["organs", "show", "H53.13", "--config", str(config)]) == 0


def test_what_a_removed_organ_would_leave_behind_is_said_before(
    vanthu: Vanthu, settings: Path, tmp_path: Path
) -> None:
    (settings.parent / "clients.toml").write_text(
        '[clients."e-office"]\nacts_for = ["000.00.06.H53", "000.00.13.H53"]\n', "utf-8"
    )
    with settings.open("a") as file:
        file.write(f'[clients]\nfile = "{settings.parent / "clients.toml"}"\n')
    without = _new(settings, LIST.replace("000.00.06.H53,Ban sắp sáp nhập,,H53,2099-01-01,H53.13,,\n", ""))
    told = vanthu("organs", "import", without, "--yes", "--config", settings)
    assert told.code == 1
    assert 'clients."e-office".acts_for: no party' in told.out


def test_copies_that_have_not_ended_are_counted_and_said_before_their_organ_goes(
    settings: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    var, party = tmp_path / "own", PartyKey("000.00.06.H53")
    url = f"sqlite:///{var / 'store/ledger.sqlite'}"
    (var / "store").mkdir(parents=True)

    async def fill() -> None:
        store = await Store.open(Options(url=url, realm="H53"))
        try:
            document = a_submission().document
            copies = [
                a_handover(state, recipient=party, document=DocumentId(f"{document}-{n}"))
                for n, state in enumerate(
                    (HandOverState.PENDING, HandOverState.AVAILABLE, HandOverState.FAILED)
                )
            ]
            for n, copy in enumerate(copies):
                own = a_submission(document=copy.document, message_id=MessageId(f"m-{n}"))
                await store.ledger.commit(Change(submission=own, handovers=(copy,)))
            assert await store.records.open_copies([party, PartyKey("000.00.13.H53")]) == {party: 2}
        finally:
            await store.close()

    asyncio.run(fill())
    without = _new(settings, LIST.replace("000.00.06.H53,Ban sắp sáp nhập,,H53,2099-01-01,H53.13,,\n", ""))
    words = ["organs", "import", str(without), "--config", str(settings), "--var", str(var)]
    capfd.readouterr()
    assert obey(words) == 1
    said = capfd.readouterr().out
    assert (
        "! 000.00.06.H53    Ban sắp sáp nhập: bị bỏ nhưng còn · is removed, but has 2 bản giao chưa xong"
        in said
    )
    assert (settings.parent / "organs.csv").read_text("utf-8") == LIST
    assert obey([*words, "--yes"]) == 0
