"""Promise 1 on real processes: whatever dies meanwhile, nothing that was confirmed is lost, and nothing comes doubled.

The short form of ``make chaos``.  Its books are then bent, one imbalance at a time: the auditor must find each.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.broker.node import PrivateNode
from tests.chaos.auditor import Books, Flaw, audit
from tests.chaos.faults import WORKER_KILLED
from tests.chaos.report import as_json, sentences
from tests.chaos.seen import Taken
from tests.chaos.store import Row, Rows
from tests.chaos.story import Order, Outcome, live

STRIKES = (
    (WORKER_KILLED, 10),
    ("broker restarted", 1),
    ("worker stopped (SIGSTOP)", 1),
    ("store locked", 1),
)


@pytest.fixture(scope="module")
def lived(broker_node: PrivateNode, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Two hundred documents, ten kills, a broker restart, on SQLite."""
    order = Order(
        seed=20160304,
        documents=200,
        store="sqlite",
        queues=4,
        inboxes=1,
        talk=0.3,
        strikes=STRIKES,
        scale=0.2,
        settle_s=90,
        settings="[patience]\nfirst_s = 0.2\nlongest_s = 1.0\n[pace]\ntick_ms = 100\nlease_s = 4.0",
        may_mount=False,
    )
    tag = f"{secrets.randbelow(100):02}.{secrets.randbelow(100):02}.T99"
    return asyncio.run(live(order, tmp_path_factory.mktemp("chaos"), node=broker_node, tag=tag))


def test_ten_kills_and_a_broker_restart_during_two_hundred_documents_lose_and_double_nothing(
    lived: Outcome,
) -> None:
    assert lived.flaws == [], "\n".join(sentences(lived.flaws))
    told = as_json(lived)
    assert sum(line["often"] for line in told["faults"]) == sum(often for _, often in STRIKES)
    assert {"handed-over", "available", "failed"} <= told["copies"].keys(), "all sorts of ends"
    assert told["documents"] == 200
    assert told["receipts"] >= told["evidence"] > 800


# --- the auditor itself -----------------------------------------------------------------------------

Bend = Callable[[Books], str]
"""Bends the books in one place; what the auditor must say."""


def a_copy(books: Books, state: str, **wanted: object) -> Row:
    """The first copy of a document that is in *state*, and came where it should."""
    came = {taken.delivery for taken in books.seen.taken}
    return next(
        row
        for row in books.rows.handovers
        if row["state"] == state
        and not row["is_quiet"]
        and (row["delivery"] in came or state == "failed")
        and wanted.items() <= row.items()
    )


def chain(books: Books, row: Row) -> list[Row]:
    """The evidence about a copy, in order."""
    mine = [
        e
        for e in books.rows.evidence
        if (e["document"], e["recipient"]) == (row["document"], row["recipient"])
    ]
    return sorted(mine, key=lambda e: e["sequence"])


def submission(books: Books, document: str) -> Row:
    """The row of a document."""
    return next(row for row in books.rows.submissions if row["document"] == document)


def bend_taken(books: Books, row: Row, **changes: object) -> None:
    """Change how a copy came."""
    books.seen.taken[:] = [
        replace(taken, **changes) if taken.delivery == row["delivery"] else taken
        for taken in books.seen.taken
    ]


def forget(rows: list[Row], *gone: Row) -> None:
    """Drop rows."""
    rows[:] = [row for row in rows if not any(row is one for one in gone)]


def a_confirmed_document_is_gone(books: Books) -> str:
    document = a_copy(books, "handed-over")["document"]
    forget(books.rows.submissions, submission(books, document))
    return "was confirmed, and is not there"


def a_document_is_registered_twice(books: Books) -> str:
    row = submission(books, a_copy(books, "handed-over")["document"])
    books.rows.submissions.append({**row, "document": "another"})
    return "is there 2 times"


def a_recipient_was_forgotten(books: Books) -> str:
    row = a_copy(books, "available")
    forget(books.rows.handovers, row)
    return f"has no copy for {row['recipient']}"


def a_copy_never_came(books: Books) -> str:
    row = a_copy(books, "handed-over")
    books.seen.taken[:] = [taken for taken in books.seen.taken if taken.delivery != row["delivery"]]
    return f"the copy for {row['recipient']} is handed-over, and never came"


def a_copy_has_a_second_delivery_id(books: Books) -> str:
    row = a_copy(books, "available")
    books.seen.taken.append(replace(took(books, row), delivery="00000000-0000-5000-8000-000000000001"))
    return "and is no copy"


def a_delivery_id_is_not_the_one_of_its_copy(books: Books) -> str:
    row = a_copy(books, "available")
    bend_taken(books, row, delivery="00000000-0000-5000-8000-000000000001")
    row["delivery"] = "00000000-0000-5000-8000-000000000001"
    return "has a second delivery id"


def a_repeat_does_not_say_so(books: Books) -> str:
    row = a_copy(books, "available", link="amqp")
    first = replace(took(books, row), says_so=False)
    books.seen.taken += [first, first]
    return "and does not say so"


def a_copy_comes_to_another(books: Books) -> str:
    bend_taken(books, a_copy(books, "available"), organ="somebody else")
    return "came to another"


def a_body_has_other_bytes(books: Books) -> str:
    bend_taken(books, a_copy(books, "handed-over"), sha256="0" * 64)
    return "its bytes are not those of its digest"


def a_file_has_other_bytes(books: Books) -> str:
    came = {taken.delivery for taken in books.seen.taken if taken.files}
    row = next(
        row
        for row in books.rows.handovers
        if row["kind"] == "edoc" and not row["asks"] and row["delivery"] in came
    )
    files = took(books, row).files
    bend_taken(books, row, files=((files[0][0], "0" * 64, "0" * 64), *files[1:]))
    return "with other bytes"


def a_chain_has_a_gap(books: Books) -> str:
    row = next(
        row for row in books.rows.handovers if row["state"] == "handed-over" and len(chain(books, row)) > 1
    )
    forget(books.rows.evidence, chain(books, row)[0])
    return "has a gap"


def a_chain_is_cut_at_its_end(books: Books) -> str:
    row = next(
        row for row in books.rows.handovers if row["state"] == "handed-over" and len(chain(books, row)) > 1
    )
    forget(books.rows.evidence, chain(books, row)[-1])
    return "its row knows"


def evidence_was_altered(books: Books) -> str:
    piece = chain(books, a_copy(books, "available"))[0]
    piece["body"] = piece["body"].replace(b"ContentConsignment<", b"ContentHandover<", 1)
    return "It was changed after it was signed"


def evidence_is_about_another_document(books: Books) -> str:
    row = submission(books, a_copy(books, "available")["document"])
    row["sha256"] = "0" * 64
    return "it is about other bytes"


def a_copy_has_two_ends(books: Books) -> str:
    piece = chain(books, a_copy(books, "handed-over"))[1]
    books.rows.evidence.append({**piece, "sequence": piece["sequence"] + 10})
    return "with 2 ends"


def a_copy_has_no_end(books: Books) -> str:
    a_copy(books, "available")["state"] = "handed-over"
    return "is handed-over with 0 ends"


def a_document_has_no_root(books: Books) -> str:
    document = a_copy(books, "available")["document"]
    forget(
        books.rows.evidence,
        *(e for e in books.rows.evidence if e["document"] == document and not e["recipient"]),
    )
    return "its evidence []"


def an_innocent_document_is_poison(books: Books) -> str:
    row = submission(books, a_copy(books, "available")["document"])
    row["state"], row["reason"] = "refused", "poison"
    return "was refused as poison"


def a_copy_fails_for_a_reason_of_ours(books: Books) -> str:
    a_copy(books, "failed")["reason"] = "delivery-poison"
    return "is failed as delivery-poison"


def a_rejected_copy_is_available(books: Books) -> str:
    bend_taken(books, a_copy(books, "available"), is_rejected=True)
    return "was rejected by its recipient, and is available"


def a_withdrawn_copy_came(books: Books) -> str:
    a_copy(books, "available")["state"] = "withdrawn"
    return "was withdrawn, and came"


def other_bytes_under_the_same_id_were_taken(books: Books) -> str:
    row = next(row for row in books.rows.submissions if row["reason"] == "message-id-reused")
    row["state"] = "accepted"
    return "is another's id, and is accepted"


def a_status_went_backwards(books: Books) -> str:
    a_copy(books, "handed-over", status="03")["status"] = "01"
    return "its copy is at '01'"


def a_status_is_lost(books: Books) -> str:
    row = next(row for row in books.rows.handovers if row["is_quiet"])
    forget(books.rows.handovers, row)
    return "is no copy"


def a_status_came_back_with_other_bytes(books: Books) -> str:
    books.seen.taken[:] = [
        replace(taken, sha256="0" * 64) if taken.is_status else taken for taken in books.seen.taken
    ]
    return "came back with other bytes"


def a_receipt_never_came(books: Books) -> str:
    piece = chain(books, a_copy(books, "handed-over"))[0]
    books.seen.told[:] = [told for told in books.seen.told if told.evidence != piece["id"]]
    return "never had the receipt ContentConsignment 1"


def receipts_have_a_gap(books: Books) -> str:
    row = a_copy(books, "handed-over")
    gone = chain(books, row)[0]["id"]
    books.seen.told[:] = [told for told in books.seen.told if told.evidence != gone]
    return f"receipts about {row['recipient']} have gaps"


def a_receipt_came_with_other_bytes(books: Books) -> str:
    books.seen.told[5] = replace(books.seen.told[5], sha256="0" * 64)
    return "came with other bytes"


def a_copy_is_stuck(books: Books) -> str:
    a_copy(books, "available")["state"] = "pending"
    return "is pending"


def a_document_is_stuck(books: Books) -> str:
    submission(books, a_copy(books, "available")["document"])["state"] = "waiting"
    return "is waiting"


def work_is_left(books: Books) -> str:
    books.rows.work.append(
        {
            "key": "delivery:x",
            "kind": "delivery",
            "document": "x",
            "owner": "dead",
            "attempts": 7,
            "reason": None,
        }
    )
    return "work delivery:x: 7 attempts"


def a_message_is_left_in_a_queue(books: Books) -> str:
    books.queues["vanthu.submit.x"] = 1
    return "1 messages lie in vanthu.submit.x"


def an_item_is_left_in_an_inbox(books: Books) -> str:
    books.rows.items[0]["taken_at"] = None
    return "lies in the inbox of"


def evidence_has_no_number(books: Books) -> str:
    books.rows.unnumbered.append({"evidence": books.rows.leaves.pop()["evidence"]})
    return "1 pieces of evidence have no number"


def the_log_has_a_gap(books: Books) -> str:
    books.rows.leaves.pop(7)
    return "the log's numbers have a gap"


def a_leaf_is_another(books: Books) -> str:
    books.rows.leaves[7]["hash"] = bytes(32)
    return "leaf 7 is not its evidence"


def evidence_stands_twice_in_the_log(books: Books) -> str:
    books.rows.leaves.append({**books.rows.leaves[7], "number": len(books.rows.leaves)})
    return "stands 2 times in the log"


def a_head_is_over_another_tree(books: Books) -> str:
    books.rows.heads[-1]["root"] = "0" * 64
    return "is not the tree's"


BENT: tuple[Bend, ...] = (
    a_confirmed_document_is_gone,
    a_document_is_registered_twice,
    a_recipient_was_forgotten,
    a_copy_never_came,
    a_copy_has_a_second_delivery_id,
    a_delivery_id_is_not_the_one_of_its_copy,
    a_repeat_does_not_say_so,
    a_copy_comes_to_another,
    a_body_has_other_bytes,
    a_file_has_other_bytes,
    a_chain_has_a_gap,
    a_chain_is_cut_at_its_end,
    evidence_was_altered,
    evidence_is_about_another_document,
    a_copy_has_two_ends,
    a_copy_has_no_end,
    a_document_has_no_root,
    an_innocent_document_is_poison,
    a_copy_fails_for_a_reason_of_ours,
    a_rejected_copy_is_available,
    a_withdrawn_copy_came,
    other_bytes_under_the_same_id_were_taken,
    a_status_went_backwards,
    a_status_is_lost,
    a_status_came_back_with_other_bytes,
    a_receipt_never_came,
    receipts_have_a_gap,
    a_receipt_came_with_other_bytes,
    a_copy_is_stuck,
    a_document_is_stuck,
    work_is_left,
    a_message_is_left_in_a_queue,
    an_item_is_left_in_an_inbox,
    evidence_has_no_number,
    the_log_has_a_gap,
    a_leaf_is_another,
    evidence_stands_twice_in_the_log,
    a_head_is_over_another_tree,
)


@pytest.mark.parametrize("bend", BENT, ids=lambda bend: bend.__name__)
def test_the_auditor_finds_each_imbalance(lived: Outcome, bend: Bend) -> None:
    books = copied(lived.books)
    wanted = bend(books)
    assert lived.judge is not None
    found: list[Flaw] = audit(books, lived.judge)
    assert any(wanted in flaw.what for flaw in found), [flaw.what for flaw in found]


def copied(books: Books) -> Books:
    """*books* to be bent: rows and lists are its own."""
    rows = {name: [dict(row) for row in getattr(books.rows, name)] for name in Rows.__slots__}
    seen = replace(books.seen, taken=list(books.seen.taken), told=list(books.seen.told))
    return Books(seen=seen, rows=Rows(**rows), queues=dict(books.queues))


def took(books: Books, row: Row) -> Taken:
    """How a copy came."""
    return next(taken for taken in books.seen.taken if taken.delivery == row["delivery"])
