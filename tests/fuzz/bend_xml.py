"""How edXML and its JSON are bent: elements, names, texts, files; keys and values.

Every function takes its chance from *chance* alone, so that the same seed gives the same inputs.
"""

from __future__ import annotations

import json
import random
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.bend import blindly

Bend = Callable[[random.Random, bytes, Sequence[bytes]], bytes]

_TAG = re.compile(rb"<(/?)([A-Za-z_][\w:.-]*)([^<>]*?)(/?)>")
_TEXT = re.compile(rb">([^<>]{1,4096})<")
_BASE64 = re.compile(rb">([A-Za-z0-9+/\s]{60,}={0,2}\s*)<")
_ATTRIBUTE = re.compile(rb"\s[\w:.-]+\s*=\s*(\"[^\"<]*\"|'[^'<]*')")

PIECES = (
    b"<!-- x -->", b"<?x y?>", b"<![CDATA[<a/>]]>", b"&#x10FFFF;", b"&amp;", b"&#13;", b"<a/>", b"<v:x xmlns:v='urn:v' v:a='1'>t</v:x>",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xc2\x85", b" " * 4000, b"\t\r\n", b'<x xmlns="">t</x>', b"t", b"<a>" * 9 + b"</a>" * 9,
    b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>', b"<ContentTransferEncoded>QUJD</ContentTransferEncoded>",
    b"<To xmlns='http://www.mic.gov.vn/TBT/QCVN_102_2016'><OrganId>H53</OrganId></To>", b"<Subject>x</Subject>", b"<a b='c'/>" * 20,
)  # fmt: skip
BREAKING = (
    b"]]>", b"&#0;", b"&#xD800;", b"&x;", b"<!DOCTYPE a>", b'<!DOCTYPE a [<!ENTITY b "c">]>', b"\0", b"\xed\xa0\x80", b"\xff\xfe", b"<" * 40,
    b"<a>" * 40, b"</edXML>", b"ContentTransferEncoded>", b"<edXML:x/>",
)  # fmt: skip
TEXTS = (
    b"", b" ", b"0", b"1", b"2", b"3", b"4", b"-1", b"99999999999999999999", b"13", b"14", b"02", b"\xd9\xa1", b"2016/02/30", b"30/02/2016",
    b"0000/00/00", b"9999/12/31", b"2016/03/04 25:00:00", b"H53.13", b"." * 36, b"a,2016/03/04,b/c", b",,/", b"cid:", b"cid:cid:", b"cid:209",
    b"a.zip", b"a.ZIP", b"../a", b"x" * 11_000, b"M\xe1\xba\xadt", b"application/zip", b"application/pdf", b"UEsDBA==", b"====", b"QQ==QQ==",
)  # fmt: skip
_WORDS = (
    "edXML edXMLEnvelope edXMLHeader MessageHeader Status From To OrganId OrganName DocumentId Code CodeNumber Subject"
    " TraceHeaderList TraceHeader Timestamp Bussiness Business BussinessDocType ReplacementInfoList ReceiverList"
    " ResponseFor StatusCode Description edXMLBody edXMLManifest Manifest Reference ContentId ContentType AttachmentName"
    " AttachmentEncoded Attachment ContentTransferEncoded Signature DigitalSignature StaffInfo DueDate x"
)
NAMES = tuple(_WORDS.encode().split())
ATTRIBUTES = (
    b' xmlns=""', b' xmlns="urn:x"', b' xmlns:edXML="urn:x"', b' x:y="1"', b' xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"', b' a="1"', b" a='&lt;'",
    b' xml:space="preserve"', b' xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="cid:1"', b' b="1" c="2"', b' \xc4\x91="1"',
)  # fmt: skip


def xml(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four changes to the elements of a document, or to a file in it; blindly now and then."""
    if chance.random() < 0.04:
        return blindly(chance, data, others)
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = _bent(chance, data, others)
    return data


def _bent(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    match chance.randrange(10):
        case 0 | 1:
            return _replaced(chance, data, _TEXT, lambda old: b">" + chance.choice(TEXTS) + b"<")
        case 2:
            return _in_a_file(chance, data, others)
        case 3:
            at = chance.choice([0, len(data), *(found.end() for found in _TAG.finditer(data))])
            piece = chance.choice(BREAKING if chance.random() < 0.1 else PIECES)
            return data[:at] + piece + data[at:]
        case 4:
            return _renamed(chance, data)
        case 5:
            return _replaced(chance, data, _TAG, lambda tag: tag[:-1] + chance.choice(ATTRIBUTES) + tag[-1:])
        case 6:
            return _replaced(chance, data, _ATTRIBUTE, lambda _: chance.choice((b"", *ATTRIBUTES[4:])))
        case 7:
            element = _element(chance, data)
            return data if element is None else data[: element.start] + data[element.stop :]
        case _:
            element = _element(chance, data)
            other = chance.choice(others) if others and chance.random() < 0.3 else data
            source = element if other is data else _element(chance, other)
            if element is None or source is None:
                return data
            at = chance.choice(
                (element.start, element.stop, chance.choice([tag.end() for tag in _TAG.finditer(data)]))
            )
            piece = other[source.start : source.stop] * chance.choice((1, 1, 1, 3, 60))
            return data[:at] + piece + data[at:]


def _renamed(chance: random.Random, data: bytes) -> bytes:
    """An element under another name, at both its ends but for now and then."""
    element = _element(chance, data)
    if element is None:
        return data
    whole = data[element]
    tag = _TAG.match(whole)
    assert tag is not None
    prefix, colon, _ = tag[2].rpartition(b":")
    name = prefix + colon + chance.choice(NAMES)
    whole = b"<" + name + whole[tag.end(2) :]
    if whole.endswith(b"</" + tag[2] + b">") and chance.random() < 0.9:
        whole = whole[: -len(tag[2]) - 1] + name + b">"
    return data[: element.start] + whole + data[element.stop :]


def _replaced(
    chance: random.Random, data: bytes, pattern: re.Pattern[bytes], change: Callable[[bytes], bytes]
) -> bytes:
    found = list(pattern.finditer(data))
    if not found:
        return data
    one = chance.choice(found)
    return data[: one.start()] + change(one[0]) + data[one.end() :]


def _in_a_file(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    found = list(_BASE64.finditer(data))
    if not found:
        return data
    one = chance.choice(found)
    if chance.random() < 0.3:
        text = blindly(chance, one[1], ())
    else:
        try:
            text = b64encode(blindly(chance, b64decode(one[1]), ()))
        except ValueError:
            return data
    return data[: one.start(1)] + text + data[one.end(1) :]


def _element(chance: random.Random, data: bytes) -> slice | None:
    """Where some element stands, by its tags."""
    found = [tag for tag in _TAG.finditer(data) if not tag[1]]
    if not found:
        return None
    tag = chance.choice(found)
    if tag[4]:
        return slice(tag.start(), tag.end())
    end = data.find(b"</" + tag[2] + b">", tag.end())
    return None if end < 0 else slice(tag.start(), end + len(tag[2]) + 3)


# --- JSON -----------------------------------------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**17, "", "x", "a\0b", "\ud800", "\x85\u2028", "<a/>", "<a", "To[1]", "cid:1", "1", "4", "2016/02/30", [], {}, [[]],
    {"#text": "x"}, {"@a": "b"}, {"@{urn:x}a": "b"}, {"@xmlns": "x"}, {"after": "", "xml": "<a/>"}, [{"after": "To[2]", "xml": "<v:a xmlns:v='u'/>"}],
)  # fmt: skip
KEYS = (
    *(
        "#other",
        "#text",
        "@a",
        "@{urn:x}y",
        "@id",
        "form",
        "kind",
        "edXML",
        "attachments",
        "content",
        "sha256",
        "size",
    ),
    *(name.decode() for name in NAMES),
)


def canonical(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four changes to the keys and values of a JSON; blindly now and then, and where it is none."""
    if chance.random() < 0.15:
        return blindly(chance, data, others)
    try:
        value = json.loads(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            value = _bent_value(chance, value)
        return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return blindly(chance, data, others)


def _bent_value(chance: random.Random, value: Any) -> Any:
    """Go down by chance and change what is there."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        match chance.randrange(20):
            case 0:
                del value[key]
            case 1:
                value[chance.choice(KEYS)] = value[key]
            case 2:
                value[chance.choice(KEYS)] = chance.choice(VALUES)
            case _:
                value[key] = _bent_value(chance, value[key])
        return value
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        match chance.randrange(12):
            case 0:
                del value[at]
            case 1:
                value.insert(at, json.loads(json.dumps(value[at])))
            case 2:
                chance.shuffle(value)
            case _:
                value[at] = _bent_value(chance, value[at])
        return value
    if isinstance(value, str) and chance.random() < 0.4:
        return blindly(chance, value.encode("utf-8", "surrogatepass"), ()).decode("utf-8", "replace")
    return chance.choice(VALUES)
