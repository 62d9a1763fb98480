"""The canonical JSON: nothing is lost on the way there and back, and nothing gets in that edXML could not hold."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import schemas
from adapters.envelope import parse
from adapters.envelope.canonical import SHAPES, Document, File, from_object, to_object
from adapters.envelope.convert import is_json, of_edoc, of_status, read_json, write_edxml, write_json
from adapters.envelope.grammar import EDOC, STATUS
from adapters.envelope.parse import Node
from adapters.envelope.strict import skeleton
from gateway.errors import Refused
from gateway.model.envelope import Kind
from tests.envelope import trees
from tests.envelope.edxml import a_status, an_edxml, edoc_of
from tests.vectors.edxml.producers import edocs, statuses, zipped

VALIDATOR = Draft202012Validator(json.loads(schemas.read("edxml.schema.json")))


def document_of(body: bytes) -> Document:
    edoc = edoc_of(body)
    return of_edoc(edoc, [one.payload.body or b"" for one in edoc.attachments])


def a_json(**changes: Any) -> dict[str, Any]:
    """A document as JSON, parsed, with its top keys changed."""
    made: dict[str, Any] = json.loads(write_json(document_of(an_edxml())))
    return made | changes


def refusal(value: object) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        read_json(value if isinstance(value, bytes) else json.dumps(value).encode())
    assert refused.value.reason in schemas.reasons()
    return refused.value.reason, refused.value.detail


@pytest.mark.parametrize("name", sorted(edocs() | statuses()))
def test_every_vector_comes_back_from_json_as_it_went(name: str) -> None:
    body = (edocs() | statuses())[name]
    document = document_of(body) if name in edocs() else of_status(body, parse.Bounds())
    strict, told = write_edxml(document), write_json(document)
    again = read_json(told)
    assert write_edxml(again) == strict
    assert write_json(again) == told
    assert not list(VALIDATOR.iter_errors(json.loads(told)))
    if name in edocs():
        assert write_edxml(document_of(strict)) == strict
        assert write_json(document_of(strict)) == told


def a_document(chance: random.Random) -> Document:
    """Any document, whatever the rules say of it."""
    kind = chance.choice(list(Kind))
    root = trees.group(chance, "edXML", SHAPES[kind], files=chance.randrange(3) if kind is Kind.EDOC else 0)
    files = [
        File(
            name=one.value("AttachmentName"),
            media_type="x/y",
            body=chance.randbytes(chance.randrange(40)),
            zipped_at=chance.choice(("", "2016/03/04 08:30:00", "2026/12/31 23:59:59")),
        )
        for group in root.all("AttachmentEncoded")
        for one in group.all("Attachment")
    ]
    return Document(kind=kind, root=root, files=tuple(files))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**64))
def test_any_tree_comes_back_from_both_forms(seed: int) -> None:
    """Strangers, attributes and order included: writing is a normal form, and JSON loses none of it."""
    document = a_document(random.Random(seed))
    strict = write_edxml(document)
    shape = SHAPES[document.kind]
    rest = skeleton(document.root, shape).replace(b"\0", b"QQ==")
    assert skeleton(parse.parse(rest, parse.Bounds(elements=100_000)), shape) == rest
    told = write_json(document)
    again = read_json(told)
    assert write_edxml(again) == strict
    assert write_json(again) == told
    assert to_object(again) == to_object(document)
    assert from_object(to_object(again)) == again


def test_strangers_keep_their_place_in_both_forms() -> None:
    ext = '<v:X xmlns:v="urn:v" n="{}"/>'
    header = (
        ext.format(0)
        + "<To><OrganId>H53.00</OrganId></To>"
        + ext.format(1)
        + "<To><OrganId>H53.01</OrganId></To>"
    )
    body = an_edxml(to=header + ext.format(2), subject="<Subject>x</Subject>" + ext.format(3))
    told = json.loads(write_json(document_of(body)))
    message = told["edXML"]["edXMLEnvelope"]["edXMLHeader"]["MessageHeader"]
    assert [one["after"] for one in message["#other"]] == ["From", "To[1]", "To[2]", "Subject"]
    strict = write_edxml(read_json(json.dumps(told).encode())).decode()
    places = [strict.index(f'n="{number}"') for number in range(4)]
    assert places == sorted(places)
    assert strict.index("</edXML:From>") < places[0] < strict.index("<edXML:To>") < places[1]
    assert strict.index("</edXML:Subject>") < places[3]


def test_the_files_stand_beside_the_tree_unwrapped() -> None:
    body = an_edxml(attached=zipped(b"%PDF-1.4 x"), name="a.pdf")
    (file,) = json.loads(write_json(document_of(body)))["attachments"]
    assert list(file) == ["name", "sha256", "size", "media_type", "zipped_at", "content"]
    assert (file["size"], file["media_type"], file["zipped_at"]) == (
        10,
        "application/pdf",
        "2016/03/04 08:30:00",
    )
    assert file["content"] == "JVBERi0xLjQgeA=="


def test_what_is_no_json_is_refused() -> None:
    for data in (
        *(
            b"",
            b"{",
            b"[]x",
            b"\xff{}",
            b'{"form":"\xed\xa0\x80"}',
            b"{'a':1}",
            b"{,}",
            "{}".encode("utf-16"),
        ),
        *(b'{"a":1,"a":1}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":' + b"9" * 5000 + b"}", b'{"a":1}\0'),
    ):
        assert refusal(data)[0] == "json-malformed", data


def test_json_too_deep_is_refused() -> None:
    for data in (b"[" * 200_000, b'{"a":' * 200_000, b'{"edXML":' + b"[" * 3000 + b"]" * 3000 + b"}"):
        assert refusal(data)[0] in ("json-too-costly", "json-invalid")


FAULTY: dict[str, Any] = {
    "$": [1, "x", None, [], True],
    "$.form": [{}, {"form": "other"}],
    "$.kind": [a_json(kind="x"), a_json(kind=None), a_json(kind=["edoc"])],
    "$.edXML": [
        a_json(edXML=None),
        a_json(edXML=[]),
        a_json(edXML={"Unknown": "x"}),
        a_json(edXML={"#text": "x"}),
    ],
    "$.attachments": [a_json(attachments=[]), a_json(attachments={}), a_json(attachments=None)],
}


@pytest.mark.parametrize("path", FAULTY)
def test_json_of_another_form_is_refused_with_its_path(path: str) -> None:
    for value in FAULTY[path]:
        reason, detail = refusal(value)
        assert reason == "json-invalid"
        assert detail.startswith(f"{path}:") or detail.startswith(f"{path}."), detail


def _with(leaf: object, name: str = "Subject") -> dict[str, Any]:
    made = a_json()
    made["edXML"]["edXMLEnvelope"]["edXMLHeader"]["MessageHeader"][name] = leaf
    return made


@pytest.mark.parametrize(
    "leaf",
    [
        *("a\0b", "\x01", "\ud800", "a\udc00b", "\ufffe", "\x7f\x1b"),
        *(
            1,
            1.5,
            True,
            None,
            ["x"],
            {"x": "y"},
            {"#text": 1},
            {"@a": 1},
            {"@a b": "c"},
            {"@": "c"},
            {"@1": "c"},
        ),
        *(
            {"@xmlns": "c"},
            {"@{}a": "b"},
            {"@{urn:x": "b"},
            {"@a\0": "b"},
            {"@{http://www.w3.org/2000/xmlns/}a": "b"},
        ),
        *({"@a:b": "c"}, {f"@a{n}": "" for n in range(17)}, {"@ªa": "x"}, {"@a": "\x01"}),
    ],
)
def test_what_xml_can_not_hold_is_refused(leaf: object) -> None:
    reason, detail = refusal(_with(leaf))
    assert (reason, detail.startswith("$.edXML.edXMLEnvelope.edXMLHeader.MessageHeader.Subject")) == (
        "json-invalid",
        True,
    )


@pytest.mark.parametrize(
    "other",
    [
        *(
            "x",
            {},
            [1],
            [{"after": "To[1]"}],
            [{"after": "To[9]", "xml": "<a/>"}],
            [{"after": "To", "xml": "<a/>"}],
        ),
        *(
            [{"after": "", "xml": xml}]
            for xml in ("", "x", "<a>", "<a/><b/>", "<!DOCTYPE a><a/>", "<a>&x;</a>", "<x:a/>")
        ),
        *([{"after": "", "xml": xml}] for xml in ("<Subject/>", f'<To xmlns="{parse.QCVN}"/>')),
        [{"after": "", "xml": "<a/>", "x": "y"}],
    ],
)
def test_strangers_that_are_none_are_refused(other: object) -> None:
    assert refusal(_with(other, "#other"))[0] == "json-invalid"


def test_strangers_without_end_are_refused() -> None:
    assert refusal(_with([{"after": "", "xml": "<a/>"}] * 2001, "#other"))[0] == "json-too-costly"
    assert refusal(_with([{"after": "", "xml": "<a>" * 40 + "</a>" * 40}], "#other"))[0] == "xml-too-costly"
    assert (
        refusal(_with([{"after": "", "xml": "<a>" + "<b/>" * 20_001 + "</a>"}], "#other"))[0]
        == "xml-too-costly"
    )


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"content": "x"},
            {"content": "QUJD\n"},
            {"content": None},
            {"sha256": "0" * 64},
            {"size": 1},
            {"name": "b"},
        ),
        *(
            {"zipped_at": "2016/02/30 00:00:00"},
            {"zipped_at": "1979/01/01 00:00:00"},
            {"zipped_at": 1},
            {"x": "y"},
        ),
    ],
)
def test_files_that_are_not_what_they_say_are_refused(change: dict[str, Any]) -> None:
    made = a_json()
    made["attachments"][0] |= change
    reason, detail = refusal(made)
    assert reason == "json-invalid"
    assert detail.startswith("$.attachments[0]")


def test_json_may_begin_with_a_mark_and_blanks() -> None:
    told = write_json(document_of(an_edxml()))
    assert write_json(read_json(b"\xef\xbb\xbf\n " + told)) == told
    assert is_json(b"\xef\xbb\xbf\n {")
    assert not is_json(b"<")


def test_reading_json_takes_a_few_times_its_bytes() -> None:
    told = json.dumps(_with("x" * 8_000_000)).encode()
    tracemalloc.start()
    try:
        read_json(told)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(told)


def test_trees_that_break_the_rules_of_form_have_no_json() -> None:
    twice = Node("edXML", items=[Node("edXMLEnvelope"), Node("edXMLEnvelope")])
    nested = Node("edXML", items=[Node("edXMLEnvelope", items=[Node("edXMLHeader", items=[
        Node("MessageHeader", items=[Node("Subject", items=[Node("b")])])])])])  # fmt: skip
    for root in (twice, nested):
        with pytest.raises(Refused, match="json-unsupported"):
            write_json(Document(kind=Kind.EDOC, root=root))
    with pytest.raises(Refused, match="json-unsupported"):
        of_status(a_status(beside="<AttachmentEncoded/>"), parse.Bounds())


def test_both_shapes_are_in_the_schema() -> None:
    assert {EDOC.children.keys() == STATUS.children.keys()} == {True}
    Draft202012Validator.check_schema(VALIDATOR.schema)
    assert not VALIDATOR.is_valid(a_json(kind="status"))
    assert not VALIDATOR.is_valid(_with(""))
    assert VALIDATOR.is_valid(_with("x"))
