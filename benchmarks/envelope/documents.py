"""The documents that are read: one PDF of 234 KB, raw and in a ZIP, and one file of 50 MB."""

from __future__ import annotations

import random
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from benchmarks.papers import PDF_BYTES, page

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
LARGE_BYTES = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A document as a producer writes it, and the file in it."""

    name: str
    edxml: bytes
    file: bytes


def ordinary() -> Paper:
    """A PDF of 234 KB as it is."""
    pdf = page(1, PDF_BYTES).pdf
    return Paper(name="234 KB", edxml=edxml(pdf, "application/pdf"), file=pdf)


def wrapped() -> Paper:
    """The same in a deflated ZIP, as the national axis' library writes it."""
    pdf = page(1, PDF_BYTES).pdf
    out = BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        archive.writestr("7a71a0ee-2f35-400d-9c1c-5f0c1a2b3c4d.pdf", pdf)
    return Paper(name="234 KB in a ZIP", edxml=edxml(out.getvalue(), "application/zip"), file=pdf)


def large() -> Paper:
    """A file of 50 MB, raw."""
    pdf = b"%PDF-1.7\n" + random.Random(1).randbytes(LARGE_BYTES - 9)
    return Paper(name="50 MB", edxml=edxml(pdf, "application/pdf"), file=pdf)


def edxml(content: bytes, media_type: str) -> bytes:
    """An edXML in the national axis' shape, to three agencies."""
    p = "edXML:"
    to = "".join(_organ("To", f"000.00.{number}.H53", f"Sở số {number}") for number in (13, 14, 15))
    leaf = [
        ("DocumentId", "000.00.00.H53,2016/03/04,517/QĐ-UBND"),
        ("Subject", "Về việc ban hành Quy chế trao đổi văn bản điện tử trên mạng diện rộng của tỉnh"),
        ("Content", "Về việc ban hành Quy chế trao đổi văn bản điện tử trên mạng diện rộng của tỉnh"),
        ("DueDate", "2016/03/31"),
        ("SteeringType", "1"),
    ]
    leaves = "".join(f"<{p}{name}>{text}</{p}{name}>\n        " for name, text in leaf)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{NS}">
  <edXML:edXMLEnvelope xmlns:edXML="{NS}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        {_organ("From", "000.00.00.H53", "UBND tỉnh Tây Ninh")}{to}
        {leaves}<edXML:Code><edXML:CodeNumber>517</edXML:CodeNumber><edXML:CodeNotation>QĐ-UBND</edXML:CodeNotation></edXML:Code>
        <edXML:PromulgationInfo><edXML:Place>Tây Ninh</edXML:Place><edXML:PromulgationDate>2016/03/04</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>0</edXML:TypeDetail><edXML:TypeName>Quyết định</edXML:TypeName></edXML:DocumentType>
        <edXML:SignerInfo><edXML:Competence>TM.</edXML:Competence><edXML:Position>Chủ tịch</edXML:Position><edXML:FullName>Trần Văn Mẫu</edXML:FullName></edXML:SignerInfo>
        <edXML:OtherInfo><edXML:Priority>0</edXML:Priority><edXML:SphereOfPromulgation>Công nghệ thông tin</edXML:SphereOfPromulgation><edXML:TyperNotation>NTM</edXML:TyperNotation><edXML:PromulgationAmount>62</edXML:PromulgationAmount><edXML:PageAmount>4</edXML:PageAmount></edXML:OtherInfo>
        <edXML:ToPlaces><edXML:Place>Như Điều 3</edXML:Place><edXML:Place>Lưu: VT</edXML:Place></edXML:ToPlaces>
      </edXML:MessageHeader>
      <edXML:TraceHeaderList>
        <edXML:TraceHeader><edXML:OrganId>000.00.00.H53</edXML:OrganId><edXML:Timestamp>2016/03/04 08:30:00</edXML:Timestamp></edXML:TraceHeader>
        <edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:Paper>0</edXML:Paper></edXML:Bussiness>
      </edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest version="1.0">
        <edXML:Reference><edXML:ContentId>cid:1</edXML:ContentId><edXML:ContentType>{media_type}</edXML:ContentType><edXML:AttachmentName>517-QD-UBND.pdf</edXML:AttachmentName></edXML:Reference>
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment><ContentId>cid:1</ContentId><AttachmentName>517-QD-UBND.pdf</AttachmentName><ContentType>{media_type}</ContentType><ContentTransferEncoded>{b64encode(content).decode()}</ContentTransferEncoded></Attachment>
  </AttachmentEncoded>
</edXML>
""".encode()


def _organ(element: str, code: str, name: str) -> str:
    fields = {
        "OrganId": code,
        "OrganizationInCharge": "UBND tỉnh Tây Ninh",
        "OrganName": name,
        "OrganAdd": "Tây Ninh",
        "Email": "vanthu@example.vn",
        "Telephone": "0276 0000000",
        "Fax": "0276 0000001",
        "Website": "example.vn",
    }
    inner = "".join(f"<edXML:{field}>{text}</edXML:{field}>" for field, text in fields.items())
    return f"<edXML:{element}>{inner}</edXML:{element}>\n        "
