"""What edXML looks like: every element we know, once, as data.

The order here is the order in which we write; reading goes by name.  ``limit`` is the length that the
standard's tables give, ``form`` how the text must look and ``rule`` what a text of another form breaks.
``schemas/edxml.xsd`` says the same to XML tools and ``schemas/edxml.schema.json`` to JSON tools; both are
generated from here (``tools/edxml_schemas.py``).

spec: QCVN 102:2016/BTTTT as known from public implementations (edXML facts §3, §4)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Form(Enum):
    """How a leaf's text must look."""

    TEXT = "text"
    ORGAN = "organ"
    DATE = "date"
    STAMP = "stamp"
    NUMBER = "number"
    AMOUNT = "amount"
    BOOLEAN = "boolean"
    FLAG = "flag"
    PRIORITY = "priority"
    STEERING = "steering"
    BUSINESS = "business"
    STATUS = "status"
    CONTENT_ID = "content-id"
    BASE64 = "base64"

    __hash__ = object.__hash__  # as members are compared; an enum's own is computed anew each time

    @property
    def is_empty_harmful(self) -> bool:
        """Whether public readers break at an empty element: they parse its text as a number or a date."""
        return self in _PARSED


_PARSED = frozenset(
    {
        *(Form.DATE, Form.STAMP, Form.NUMBER, Form.AMOUNT, Form.BOOLEAN, Form.FLAG),
        *(Form.PRIORITY, Form.STEERING, Form.BUSINESS),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One element: a leaf with text, a group with children, or opaque (carried exactly as it came).

    ``is_required`` says that the strict form has it in every group of its kind.
    """

    children: dict[str, Shape] = field(default_factory=dict)
    is_many: bool = False
    is_required: bool = False
    is_opaque: bool = False
    is_bare: bool = False  # written without the edXML: prefix
    limit: int = 0
    form: Form = Form.TEXT
    rule: str = ""
    position: dict[str, int] = field(default_factory=dict)


def _leaf(
    limit: int = 0,
    *,
    many: bool = False,
    form: Form = Form.TEXT,
    rule: str = "",
    bare: bool = False,
    required: bool = False,
) -> Shape:
    return Shape(limit=limit, is_many=many, form=form, rule=rule, is_bare=bare, is_required=required)


def _group(
    children: dict[str, Shape], *, many: bool = False, bare: bool = False, required: bool = False
) -> Shape:
    position = {name: at for at, name in enumerate(children)}
    return Shape(children=children, is_many=many, is_bare=bare, is_required=required, position=position)


def _opaque(*, bare: bool = False) -> Shape:
    return Shape(is_opaque=True, is_many=True, is_bare=bare)


def _organ(*, many: bool = False) -> Shape:
    return _group(
        {
            "OrganId": _leaf(form=Form.ORGAN, rule="EDX-012", required=True),
            "OrganizationInCharge": _leaf(500),
            "OrganName": _leaf(200),
            "OrganAdd": _leaf(500),
            "Email": _leaf(100),
            "Telephone": _leaf(20),
            "Fax": _leaf(20),
            "Website": _leaf(100),
        },
        many=many,
        required=True,
    )


def _response_for(*, many: bool = False) -> Shape:
    return _group(
        {
            "OrganId": _leaf(form=Form.ORGAN, rule="EDX-042"),
            "Code": _leaf(42),
            "PromulgationDate": _leaf(form=Form.DATE, rule="EDX-043"),
            "DocumentId": _leaf(),
        },
        many=many,
        required=not many,
    )


def _staff(*, many: bool = False) -> Shape:
    return _group(
        {
            "Department": _leaf(),
            "DepartmentId": _leaf(),
            "Staff": _leaf(),
            "StaffId": _leaf(),
            "Email": _leaf(100),
            "Mobile": _leaf(20),
        },
        many=many,
    )


_EDOC_HEADER = _group(
    {
        "From": _organ(),
        "To": _organ(many=True),
        "DocumentId": _leaf(),
        "Code": _group(
            {"CodeNumber": _leaf(11, required=True), "CodeNotation": _leaf(30, required=True)},
            required=True,
        ),
        "PromulgationInfo": _group(
            {
                "Place": _leaf(50),
                "PromulgationDate": _leaf(form=Form.DATE, rule="EDX-031", required=True),
            },
            required=True,
        ),
        "DocumentType": _group(
            {
                "Type": _leaf(form=Form.NUMBER, rule="EDX-034", required=True),
                "TypeDetail": _leaf(form=Form.NUMBER, rule="EDX-008"),
                "TypeName": _leaf(100),
            },
            required=True,
        ),
        "Subject": _leaf(500, required=True),
        "Content": _leaf(500),
        "SignerInfo": _group({"Competence": _leaf(100), "Position": _leaf(100), "FullName": _leaf(50)}),
        "DueDate": _leaf(form=Form.DATE, rule="EDX-037"),
        "OtherInfo": _group(
            {
                "Priority": _leaf(form=Form.PRIORITY, rule="EDX-038"),
                "SphereOfPromulgation": _leaf(100),
                "TyperNotation": _leaf(10),
                "PromulgationAmount": _leaf(form=Form.AMOUNT, rule="EDX-008"),
                "PageAmount": _leaf(form=Form.AMOUNT, rule="EDX-008"),
                "Direction": _leaf(form=Form.BOOLEAN, rule="EDX-017"),
                "ReplyFors": _leaf(),
                "ReferenceCodes": _leaf(),
                "Appendixes": _group({"Appendix": _leaf(many=True)}),
            }
        ),
        "ResponseFor": _response_for(many=True),
        "SteeringType": _leaf(form=Form.STEERING, rule="EDX-039"),
        "ToPlaces": _group({"Place": _leaf(150, many=True)}),
        "ResponseForTask": _opaque(),
        "ApplicationType": _leaf(),
    },
    required=True,
)

_STATUS_HEADER = _group(
    {
        "From": _organ(),
        "ResponseFor": _response_for(),
        "StaffInfo": _staff(),
        "StatusCode": _leaf(form=Form.STATUS, required=True),
        "Description": _leaf(1000),
        "Timestamp": _leaf(form=Form.STAMP, rule="EDX-087", required=True),
    },
    required=True,
)

_TRACE = _group(
    {
        "TraceHeader": _group(
            {"OrganId": _leaf(35), "Timestamp": _leaf(form=Form.STAMP, rule="EDX-051")}, many=True
        ),
        # Of StaffInfo, BussinessDocumentInfo, ReceiverList and ReplacementInfoList one is usual; the national
        # axis' library has lists of them, and writes as many as its caller puts in.
        "Bussiness": _group(
            {
                "DocumentId": _leaf(),
                "BussinessDocType": _leaf(form=Form.BUSINESS),
                "BussinessDocReason": _leaf(500),
                "Paper": _leaf(form=Form.NUMBER, rule="EDX-008"),
                "BussinessDocumentInfo": _group(
                    {
                        "DocumentInfo": _leaf(form=Form.FLAG, rule="EDX-056"),
                        "DocumentReceiver": _leaf(form=Form.FLAG, rule="EDX-056"),
                        "ReceiverList": _group(
                            {
                                "Receiver": _group(
                                    {
                                        "OrganId": _leaf(form=Form.ORGAN, rule="EDX-012"),
                                        "ReceiverType": _leaf(form=Form.FLAG, rule="EDX-056"),
                                    },
                                    many=True,
                                )
                            },
                            many=True,
                        ),
                    },
                    many=True,
                ),
                "ReplacementInfoList": _group(
                    {
                        "ReplacementInfo": _group(
                            {
                                "DocumentId": _leaf(),
                                "OrganIdList": _group(
                                    {"OrganId": _leaf(many=True, form=Form.ORGAN, rule="EDX-012")}
                                ),
                            },
                            many=True,
                        )
                    },
                    many=True,
                ),
                "StaffInfo": _staff(many=True),
            }
        ),
    }
)

_MANIFEST = _group(
    {
        "Reference": _group(
            {
                "ContentId": _leaf(form=Form.CONTENT_ID, required=True),
                "ContentType": _leaf(required=True),
                "Description": _leaf(500),
                "AttachmentName": _leaf(255, required=True),
            },
            many=True,
        )
    }
)

# A .NET consumer rejects unprefixed children of the envelope, and prefixed ones beside it.
# spec: edXML facts §1
_ATTACHMENTS = _group(
    {
        "Attachment": _group(
            {
                "ContentId": _leaf(form=Form.CONTENT_ID, bare=True, required=True),
                "AttachmentName": _leaf(255, bare=True, required=True),
                "Description": _leaf(500, bare=True),
                "ContentType": _leaf(bare=True, required=True),
                "ContentTransferEncoded": _leaf(form=Form.BASE64, bare=True, required=True),
            },
            many=True,
            bare=True,
        )
    },
    bare=True,
)


def _document(message: Shape) -> Shape:
    header = _group(
        {
            "MessageHeader": message,
            "TraceHeaderList": _TRACE,
            # Dummies that prove nothing, but consumers look for them: carried as they came.
            "Signature": _opaque(bare=True),
            "DigitalSignature": _opaque(),
        },
        required=True,
    )
    return _group(
        {
            "edXMLEnvelope": _group(
                {
                    "edXMLHeader": header,
                    "edXMLBody": _group({"edXMLManifest": _MANIFEST}),
                },
                required=True,
            ),
            "AttachmentEncoded": _ATTACHMENTS,
        },
        bare=True,
    )


EDOC = _document(_EDOC_HEADER)
STATUS = _document(_STATUS_HEADER)

ALIASES: dict[str, dict[str, str]] = {
    "edXMLHeader": {"Status": "MessageHeader"},
    "edXMLBody": {"Manifest": "edXMLManifest"},
    "TraceHeaderList": {"Business": "Bussiness"},
    "Bussiness": {
        "BusinessDocType": "BussinessDocType",
        "BusinessDocReason": "BussinessDocReason",
        "BusinessDocumentInfo": "BussinessDocumentInfo",
    },
}
"""Other names under which public producers write an element, by the element around it."""
