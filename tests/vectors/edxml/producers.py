"""edXML as different products write it, made from templates that share nothing with our own writer.

    python -m tests.vectors.edxml.producers      writes every vector beside this file

The habits are those that were seen in public samples and implementations: element order, prefixes, ``cid:`` on one side or both,
ZIP or raw, wrong labels, both date forms, empty elements, dummy signatures.  Names and texts are made up.
"""

from __future__ import annotations

import base64
import textwrap
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
PDF = (
    b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
    b"trailer<</Root 1 0 R/Size 4>>\n%%EOF\n"
)
_DATE = (2016, 3, 4, 8, 30, 0)


def zipped(body: bytes, inner: str = "7a71a0ee-2f35-400d.pdf", *, method: int = ZIP_DEFLATED) -> bytes:
    """*body* in a ZIP with one entry."""
    out = BytesIO()
    with ZipFile(out, "w", method) as archive:
        archive.writestr(ZipInfo(inner, _DATE), body, compress_type=method)
    return out.getvalue()


def office() -> bytes:
    """A document that is a ZIP of several entries by itself."""
    out = BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as archive:
        for name in ("[Content_Types].xml", "_rels/.rels", "word/document.xml"):
            archive.writestr(ZipInfo(name, _DATE), f"<!-- {name} -->")
    return out.getvalue()


def b64(body: bytes, width: int = 0, end: str = "\n") -> str:
    """Base64, in lines of *width* where one is given."""
    text = base64.b64encode(body).decode()
    return text if not width else end + end.join(textwrap.wrap(text, width)) + end


def axis() -> bytes:
    """As the national axis' SDK writes: prefix inside, none outside, deflated ZIP, dummy Signature."""
    p = "edXML:"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{NS}">
  <edXML:edXMLEnvelope xmlns:edXML="{NS}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        {_organ(p, "From", "000.00.00.H53", "UBND tỉnh Tây Ninh")}
        {_organ(p, "To", "000.00.13.H53", "Sở Thông tin và Truyền thông")}
        {_organ(p, "To", "000.25.36.H53", "UBND xã Tân Phong")}
        <edXML:DocumentId>000.00.00.H53,2016/03/04,517/QĐ-UBND</edXML:DocumentId>
        <edXML:Code><edXML:CodeNumber>517</edXML:CodeNumber><edXML:CodeNotation>QĐ-UBND</edXML:CodeNotation></edXML:Code>
        <edXML:PromulgationInfo><edXML:Place>Tây Ninh</edXML:Place><edXML:PromulgationDate>2016/03/04</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>0</edXML:TypeDetail><edXML:TypeName>Quyết định</edXML:TypeName></edXML:DocumentType>
        <edXML:Subject>Về việc ban hành Quy chế trao đổi văn bản điện tử</edXML:Subject>
        <edXML:Content>Về việc ban hành Quy chế trao đổi văn bản điện tử</edXML:Content>
        <edXML:SignerInfo><edXML:Competence>TM.</edXML:Competence><edXML:Position>Chủ tịch</edXML:Position><edXML:FullName>Trần Văn Mẫu</edXML:FullName></edXML:SignerInfo>
        <edXML:DueDate>2016/03/31</edXML:DueDate>
        <edXML:OtherInfo>
          <edXML:Priority>1</edXML:Priority>
          <edXML:SphereOfPromulgation>Công nghệ thông tin</edXML:SphereOfPromulgation>
          <edXML:TyperNotation>NTM</edXML:TyperNotation>
          <edXML:PromulgationAmount>62</edXML:PromulgationAmount>
          <edXML:PageAmount>4</edXML:PageAmount>
          <edXML:Direction>false</edXML:Direction>
          <edXML:Appendixes><edXML:Appendix>Quy chế</edXML:Appendix></edXML:Appendixes>
        </edXML:OtherInfo>
        <edXML:SteeringType>1</edXML:SteeringType>
        <edXML:ToPlaces><edXML:Place>Như Điều 3</edXML:Place><edXML:Place>Lưu: VT</edXML:Place></edXML:ToPlaces>
      </edXML:MessageHeader>
      <edXML:TraceHeaderList>
        <edXML:TraceHeader><edXML:OrganId>000.00.00.H53</edXML:OrganId><edXML:Timestamp>2016/03/04 08:30:00</edXML:Timestamp></edXML:TraceHeader>
        {_business(p)}
      </edXML:TraceHeaderList>
      {_dummy_signature()}
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest version="1.0">
        {_reference(p, "cid:209", "application/zip", "517-QD-UBND.pdf")}
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment>
      <ContentId>cid:209</ContentId>
      <AttachmentName>517-QD-UBND.pdf</AttachmentName>
      <Description>Quyết định</Description>
      <ContentType>application/zip</ContentType>
      <edXML:ContentTransferEncoded xmlns:edXML="{NS}">{b64(zipped(PDF))}</edXML:ContentTransferEncoded>
    </Attachment>
  </AttachmentEncoded>
</edXML>
""".encode()


def axis_reordered() -> bytes:
    """The same product, another version: Bussiness before the traces, ``text/plain`` around a ZIP."""
    text = axis().decode()
    business = _business("edXML:")
    text = text.replace(business, "").replace("<edXML:TraceHeaderList>", f"<edXML:TraceHeaderList>{business}")
    subject = text[text.index("<edXML:Subject>") : text.index("<edXML:Content>")]
    text = text.replace(subject, "").replace("<edXML:OtherInfo>", f"{subject}<edXML:OtherInfo>")
    return text.replace("application/zip", "text/plain").encode()


def dotnet() -> bytes:
    """CRLF, wrapped base64, xlink attributes, ``cid:`` on the reference alone, an empty DigitalSignature."""
    text = f"""<?xml version="1.0" encoding="utf-8"?>
<edXML xmlns="{NS}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <edXML:edXMLEnvelope xmlns:edXML="{NS}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>{_message("edXML:")}</edXML:MessageHeader>
      <edXML:TraceHeaderList id="t1" version="1.0">
        <edXML:TraceHeader><edXML:Timestamp>2016/03/04 08:30:00</edXML:Timestamp><edXML:OrganId>H53.13</edXML:OrganId></edXML:TraceHeader>
      </edXML:TraceHeaderList>
      <edXML:DigitalSignature />
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest version="1.0">
        <edXML:Reference xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="cid:a-1" xlink:role="XLinkRole" xlink:type="simple">
          <edXML:AttachmentName>Tờ trình.PDF</edXML:AttachmentName>
          <edXML:ContentId>cid:a-1</edXML:ContentId>
          <edXML:ContentType>application/pdf</edXML:ContentType>
        </edXML:Reference>
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment>
      <ContentType>application/pdf</ContentType>
      <ContentId>a-1</ContentId>
      <AttachmentName>Tờ trình.PDF</AttachmentName>
      <ContentTransferEncoded>{b64(PDF * 4, 76)}</ContentTransferEncoded>
    </Attachment>
  </AttachmentEncoded>
</edXML>
"""
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def unprefixed() -> bytes:
    """No prefix at all, day first, comments and CDATA, empty optional elements, ``cid:`` nowhere."""
    message = _message("").replace("2016/03/04", "04/03/2016")
    message = message.replace("<Subject>", "<!-- trích yếu --><Subject>").replace(
        "Báo cáo kết quả", "<![CDATA[Báo cáo]]> kết quả"
    )
    empty = "<ResponseFor><OrganId></OrganId><Code></Code><PromulgationDate/><DocumentId/></ResponseFor>"
    return f"""<edXML xmlns="{NS}"><edXMLEnvelope><edXMLHeader>
<MessageHeader>{message}<DueDate></DueDate>{empty}</MessageHeader>
</edXMLHeader><edXMLBody><edXMLManifest>
<Reference><ContentId>1</ContentId><AttachmentName>baocao.pdf</AttachmentName></Reference>
<Reference><ContentId>2</ContentId><AttachmentName>số liệu.docx</AttachmentName></Reference>
</edXMLManifest></edXMLBody></edXMLEnvelope>
<AttachmentEncoded>
<Attachment><ContentId>2</ContentId><AttachmentName>số liệu.docx</AttachmentName><ContentTransferEncoded>{b64(office())}</ContentTransferEncoded></Attachment>
<Attachment><ContentId>1</ContentId><AttachmentName>baocao.pdf</AttachmentName><ContentTransferEncoded>{b64(PDF)}</ContentTransferEncoded></Attachment>
</AttachmentEncoded></edXML>""".encode()


def other_prefix() -> bytes:
    """A prefix of its own everywhere, unknown elements of ours and of others, character references."""
    message = _message("n:").replace("Báo cáo", "B&#xE1;o c&#225;o")
    return f"""<?xml version='1.0'?>
<n:edXML xmlns:n="{NS}" xmlns:v="urn:vendor"><n:edXMLEnvelope><n:edXMLHeader>
<n:MessageHeader>{message}<n:Confidence>high</n:Confidence><v:Ext v:a="1&amp;2"><v:in>x &lt; y</v:in></v:Ext></n:MessageHeader>
<n:TraceHeaderList><n:TraceHeader><n:OrganId>H53.13</n:OrganId><n:Timestamp>2016/03/04 08:30:00</n:Timestamp></n:TraceHeader></n:TraceHeaderList>
<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><Reference URI=""/></SignedInfo></Signature>
</n:edXMLHeader><n:edXMLBody><n:edXMLManifest version="1.0">
{_reference("n:", "cid:x", "application/octet-stream", "khong-phai.PDF")}
</n:edXMLManifest></n:edXMLBody></n:edXMLEnvelope>
<n:AttachmentEncoded><n:Attachment><n:ContentId>cid:x</n:ContentId><n:AttachmentName>khong-phai.PDF</n:AttachmentName><n:ContentType>application/pdf</n:ContentType><n:ContentTransferEncoded>{b64(b"{rtf1 no PDF at all}")}</n:ContentTransferEncoded></n:Attachment></n:AttachmentEncoded>
</n:edXML>""".encode()


def dotnet_sdk() -> bytes:
    """A .NET kit for e-offices: XSI and XSD declared, SOAP's attributes on the traces, DocumentId last, empty elements
    for what it does not know, ``cid:`` on the reference alone, elements of Attachment in an order of their own."""
    p = "edXML:"
    nothing = "".join(f"<edXML:{name} />" for name in ("Email", "Telephone", "Fax", "Website"))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<edXML xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="{NS}">
  <edXML:edXMLEnvelope xmlns:edXML="{NS}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        <edXML:From><edXML:OrganId>H53.13</edXML:OrganId><edXML:OrganName>Sở Thông tin và Truyền thông</edXML:OrganName>{nothing}</edXML:From>
        <edXML:To><edXML:OrganId>H53.00</edXML:OrganId><edXML:OrganName>Văn phòng UBND tỉnh</edXML:OrganName>{nothing}</edXML:To>
        <edXML:Code><edXML:CodeNumber>12</edXML:CodeNumber><edXML:CodeNotation>BC-STTTT</edXML:CodeNotation></edXML:Code>
        <edXML:PromulgationInfo><edXML:Place>Tây Ninh</edXML:Place><edXML:PromulgationDate>2016/03/04</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>18</edXML:Type><edXML:TypeName>Báo cáo</edXML:TypeName><edXML:TypeDetail>0</edXML:TypeDetail></edXML:DocumentType>
        <edXML:Subject>Báo cáo kết quả</edXML:Subject>
        <edXML:Content>Báo cáo kết quả</edXML:Content>
        <edXML:SignerInfo><edXML:Competence>Trực tiếp</edXML:Competence><edXML:Position>Giám đốc</edXML:Position><edXML:FullName>Nguyễn Thị Ví Dụ</edXML:FullName></edXML:SignerInfo>
        <edXML:DueDate xsi:nil="true" />
        <edXML:ToPlaces><edXML:Place>Như trên</edXML:Place></edXML:ToPlaces>
        <edXML:OtherInfo><edXML:Priority>0</edXML:Priority><edXML:SphereOfPromulgation>Thống kê</edXML:SphereOfPromulgation><edXML:TyperNotation>TVC</edXML:TyperNotation><edXML:PromulgationAmount>1</edXML:PromulgationAmount><edXML:PageAmount>1</edXML:PageAmount><edXML:Appendixes><edXML:Appendix></edXML:Appendix></edXML:Appendixes></edXML:OtherInfo>
        <edXML:ResponseFor><edXML:OrganId>H53.00</edXML:OrganId><edXML:Code>1/UBND-VP</edXML:Code><edXML:PromulgationDate></edXML:PromulgationDate><edXML:DocumentId /></edXML:ResponseFor>
        <edXML:SteeringType>0</edXML:SteeringType>
        <edXML:DocumentId>H53.13,2016/03/04,12/BC-STTTT</edXML:DocumentId>
      </edXML:MessageHeader>
      <edXML:TraceHeaderList id="5f0c1a2b" version="1.0" mustUnderstand="1" actor="http://schemas.xmlsoap.org/soap/actor/next">
        <edXML:TraceHeader><edXML:OrganId>H53.13</edXML:OrganId><edXML:Timestamp>2016/03/04 08:30:00</edXML:Timestamp></edXML:TraceHeader>
        {_business(p).replace("<edXML:Paper>0</edXML:Paper>", "<edXML:Paper />")}
      </edXML:TraceHeaderList>
      <edXML:DigitalSignature />
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest version="1.0">
        <edXML:Reference xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="cid:0b1c" xlink:role="XLinkRole" xlink:type="simple"><edXML:Description>Tệp đính kèm 1</edXML:Description><edXML:AttachmentName>báo cáo (1).pdf</edXML:AttachmentName><edXML:ContentType>application/pdf</edXML:ContentType><edXML:ContentId>cid:0b1c</edXML:ContentId></edXML:Reference>
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment><ContentType>application/pdf</ContentType><ContentId>0b1c</ContentId><Description>Tệp đính kèm 1</Description><ContentTransferEncoded>{b64(PDF)}</ContentTransferEncoded><AttachmentName>báo cáo (1).pdf</AttachmentName></Attachment>
  </AttachmentEncoded>
</edXML>""".encode()


def java_gateway() -> bytes:
    """A gateway in Java that writes text: Bussiness before the traces, a ZIP labelled as the PDF in it, no Description,
    the prefix declared again on the content."""
    message = _message("edXML:").replace(
        "<edXML:SphereOfPromulgation>", "<edXML:Direction>false</edXML:Direction><edXML:SphereOfPromulgation>"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{NS}">
  <edXML:edXMLEnvelope xmlns:edXML="{NS}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>{message}</edXML:MessageHeader>
      <edXML:TraceHeaderList>
        <edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:Paper>0</edXML:Paper></edXML:Bussiness>
        <edXML:TraceHeader><edXML:OrganId>H53.13</edXML:OrganId><edXML:Timestamp>2016/03/04 08:30:00</edXML:Timestamp></edXML:TraceHeader>
      </edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody>
      <edXML:edXMLManifest version="1.0">
        <edXML:Reference><edXML:ContentId>cid:a1</edXML:ContentId><edXML:ContentType>application/pdf</edXML:ContentType><edXML:AttachmentName>tờ trình.pdf</edXML:AttachmentName></edXML:Reference>
        <edXML:Reference><edXML:ContentId>cid:a2</edXML:ContentId><edXML:ContentType>application/zip</edXML:ContentType><edXML:AttachmentName>phụ lục.zip</edXML:AttachmentName></edXML:Reference>
      </edXML:edXMLManifest>
    </edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>
    <Attachment><ContentId>cid:a1</ContentId><AttachmentName>tờ trình.pdf</AttachmentName><ContentType>application/pdf</ContentType><edXML:ContentTransferEncoded xmlns:edXML="{NS}">{b64(zipped(PDF, "7a71a0ee.pdf"))}</edXML:ContentTransferEncoded></Attachment>
    <Attachment><ContentId>cid:a2</ContentId><AttachmentName>phụ lục.zip</AttachmentName><ContentType>application/zip</ContentType><edXML:ContentTransferEncoded xmlns:edXML="{NS}">{b64(zipped(PDF, "phu luc.pdf"))}</edXML:ContentTransferEncoded></Attachment>
  </AttachmentEncoded>
</edXML>
""".encode()


def java_service() -> bytes:
    """A service in Java that spells business rightly, and carries several lists where one would do; office files as
    they are, under the label of a ZIP."""
    message = _message("edXML:").replace("BC-STTTT", "BC-STTTT ")
    business = (
        _business("edXML:").replace("Bussiness", "Business") + "<edXML:Note>của hãng</edXML:Note>"
    ).replace(
        "</edXML:Business>",
        "<edXML:StaffInfo><edXML:Staff>Trần Văn Mẫu</edXML:Staff></edXML:StaffInfo></edXML:Business>",
    )
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<edXML xmlns="{NS}"><edXML:edXMLEnvelope xmlns:edXML="{NS}"><edXML:edXMLHeader>
<edXML:MessageHeader>{message}</edXML:MessageHeader>
<edXML:TraceHeaderList>{business}<edXML:TraceHeader><edXML:OrganId>H53.13</edXML:OrganId><edXML:Timestamp>2016/03/04 08:30:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>
{_dummy_signature()}
</edXML:edXMLHeader><edXML:edXMLBody><edXML:Manifest>
{_reference("edXML:", "cid:1", "application/pdf", "báo cáo.pdf")}
{_reference("edXML:", "cid:2", "application/zip", "số liệu.docx")}
</edXML:Manifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<AttachmentEncoded>
<Attachment><ContentId>cid:1</ContentId><AttachmentName>báo cáo.pdf</AttachmentName><ContentType>application/pdf</ContentType><edXML:ContentTransferEncoded xmlns:edXML="{NS}">{b64(PDF)}</edXML:ContentTransferEncoded></Attachment>
<Attachment><ContentId>cid:2</ContentId><AttachmentName>số liệu.docx</AttachmentName><ContentType>application/zip</ContentType><edXML:ContentTransferEncoded xmlns:edXML="{NS}">{b64(office())}</edXML:ContentTransferEncoded></Attachment>
</AttachmentEncoded></edXML>""".encode()


def php() -> bytes:
    """A site in PHP: single quotes, another prefix, base64 in lines as mail has it, no namespace on what stands beside
    the envelope, a label with parameters."""
    message = (
        _message("ed:")
        .replace("<ed:Subject>", "<ed:Subject xml:lang='vi'>")
        .replace("2016/03/04", "2016-03-04")
    )
    return f"""<?xml version='1.0' encoding='utf-8'?>
<ed:edXML xmlns:ed='{NS}'>
 <ed:edXMLEnvelope>
  <ed:edXMLHeader>
   <ed:MessageHeader>{message}<ed:DueDate>15/04/2016</ed:DueDate></ed:MessageHeader>
   <ed:TraceHeaderList><ed:TraceHeader><ed:OrganId>H53.13</ed:OrganId><ed:Timestamp>2016/03/04 08:30:00</ed:Timestamp></ed:TraceHeader></ed:TraceHeaderList>
  </ed:edXMLHeader>
  <ed:edXMLBody><ed:edXMLManifest version='1.0'>{_reference("ed:", "f1", "application/pdf; name=bao-cao.pdf", "bao-cao.pdf")}</ed:edXMLManifest></ed:edXMLBody>
 </ed:edXMLEnvelope>
 <AttachmentEncoded>
  <Attachment>
   <ContentId>cid:f1</ContentId>
   <AttachmentName>bao-cao.pdf</AttachmentName>
   <ContentTransferEncoded>{b64(PDF * 3, 76, chr(13) + chr(10))}</ContentTransferEncoded>
  </Attachment>
 </AttachmentEncoded>
</ed:edXML>
""".encode()


def business(kind: str) -> bytes:
    """The axis' document as ``recall``, ``update`` or ``replace``, in the shapes of the national samples."""
    number, inner = {
        "recall": (1, "<edXML:DocumentId>000.00.00.H53,2016/03/04,516/QĐ-UBND</edXML:DocumentId>"),
        "recall_by_reference": (1, ""),
        "update": (
            2,
            "<edXML:DocumentId>000.00.00.H53,2016/03/04,516/QĐ-UBND</edXML:DocumentId>"
            "<edXML:BussinessDocumentInfo><edXML:DocumentInfo>1</edXML:DocumentInfo><edXML:DocumentReceiver>1"
            "</edXML:DocumentReceiver><edXML:ReceiverList><edXML:Receiver><edXML:ReceiverType>0</edXML:ReceiverType>"
            "<edXML:OrganId>000.00.13.H53</edXML:OrganId></edXML:Receiver><edXML:Receiver><edXML:ReceiverType>1"
            "</edXML:ReceiverType><edXML:OrganId>000.00.14.H53</edXML:OrganId></edXML:Receiver></edXML:ReceiverList>"
            "</edXML:BussinessDocumentInfo>",
        ),
        "replace": (
            3,
            "<edXML:ReplacementInfoList><edXML:ReplacementInfo><edXML:DocumentId>000.00.00.H53,2016/03/04,515/QĐ-UBND"
            "</edXML:DocumentId><edXML:OrganIdList><edXML:OrganId>000.00.13.H53</edXML:OrganId></edXML:OrganIdList>"
            "</edXML:ReplacementInfo></edXML:ReplacementInfoList><edXML:ReplacementInfoList><edXML:ReplacementInfo>"
            "<edXML:DocumentId>000.00.00.H53,2016/03/04,516/QĐ-UBND</edXML:DocumentId><edXML:OrganIdList><edXML:OrganId>"
            "000.00.13.H53</edXML:OrganId><edXML:OrganId>000.25.36.H53</edXML:OrganId></edXML:OrganIdList>"
            "</edXML:ReplacementInfo></edXML:ReplacementInfoList>",
        ),
    }[kind]
    text = axis().decode()
    text = text.replace(
        "<edXML:BussinessDocType>0</edXML:BussinessDocType>",
        f"<edXML:BussinessDocType>{number}</edXML:BussinessDocType>{inner}",
    )
    if kind == "recall_by_reference":
        text = text.replace(
            "<edXML:SteeringType>",
            "<edXML:ResponseFor><edXML:OrganId>000.00.00.H53</edXML:OrganId><edXML:Code>516/QĐ-UBND</edXML:Code>"
            "<edXML:PromulgationDate>2016/03/04</edXML:PromulgationDate><edXML:DocumentId>000.00.00.H53,2016/03/04,516/QĐ-UBND"
            "</edXML:DocumentId></edXML:ResponseFor><edXML:SteeringType>",
        )
    return text.encode()


def status_service(code: str = "03") -> bytes:
    """The same service's statuses: ``Status`` where others write MessageHeader."""
    return status(code, "Đã vào sổ").replace(b"MessageHeader", b"Status")


def status(code: str = "01", description: str = "Đã đến") -> bytes:
    """A business status on the axis' document."""
    p = "edXML:"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="{NS}">
  <edXML:edXMLEnvelope xmlns:edXML="{NS}">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        {_organ(p, "From", "000.00.13.H53", "Sở Thông tin và Truyền thông")}
        <edXML:ResponseFor><edXML:OrganId>000.00.00.H53</edXML:OrganId><edXML:Code>517/QĐ-UBND</edXML:Code><edXML:PromulgationDate>2016/03/04</edXML:PromulgationDate><edXML:DocumentId>000.00.00.H53,2016/03/04,517/QĐ-UBND</edXML:DocumentId></edXML:ResponseFor>
        <edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department><edXML:Staff>Lê Thị Thử</edXML:Staff><edXML:Mobile>84900000001</edXML:Mobile><edXML:Email>vanthu@example.vn</edXML:Email></edXML:StaffInfo>
        <edXML:StatusCode>{code}</edXML:StatusCode>
        <edXML:Description>{description}</edXML:Description>
        <edXML:Timestamp>2016/03/04 09:15:00</edXML:Timestamp>
      </edXML:MessageHeader>
    </edXML:edXMLHeader>
  </edXML:edXMLEnvelope>
</edXML>
""".encode()


def edocs() -> dict[str, bytes]:
    """Every edoc by the producer's name."""
    makers = (
        *(axis, axis_reordered, dotnet, unprefixed, other_prefix),
        *(dotnet_sdk, java_gateway, java_service, php),
    )
    return {make.__name__: make() for make in makers}


def statuses() -> dict[str, bytes]:
    """Statuses by name."""
    return {
        "status_01": status(),
        "status_02": status("02", "Sai nơi nhận"),
        "status_03": status("03", "Đã vào sổ"),
        "status_13": status("13", "Yêu cầu lấy lại: ban hành nhầm"),
        "status_service": status_service(),
    }


def businesses() -> dict[str, bytes]:
    """Recalls, updates and replacements by name."""
    return {name: business(name) for name in ("recall", "recall_by_reference", "update", "replace")}


def _message(p: str) -> str:
    return (
        _organ(p, "To", "H53.00", "Văn phòng UBND tỉnh")
        + f"<{p}DocumentId>9fbfbad2-f1f8-4256-a2eb-50fb1061cddb</{p}DocumentId>"
        + f"<{p}Subject>Báo cáo kết quả</{p}Subject>"
        + f"<{p}Code><{p}CodeNotation>BC-STTTT</{p}CodeNotation><{p}CodeNumber>12</{p}CodeNumber></{p}Code>"
        + f"<{p}DocumentType><{p}TypeName>Báo cáo</{p}TypeName><{p}Type>18</{p}Type></{p}DocumentType>"
        + f"<{p}PromulgationInfo><{p}PromulgationDate>2016/03/04</{p}PromulgationDate>"
        + f"<{p}Place>Tây Ninh</{p}Place></{p}PromulgationInfo>"
        + f"<{p}OtherInfo><{p}SphereOfPromulgation>Thống kê</{p}SphereOfPromulgation>"
        + f"<{p}Priority>0</{p}Priority></{p}OtherInfo>"
        + f"<{p}SignerInfo><{p}FullName>Nguyễn Thị Ví Dụ</{p}FullName></{p}SignerInfo>"
        + _organ(p, "From", "H53.13", "Sở Thông tin và Truyền thông")
    )


def _organ(p: str, name: str, code: str, title: str) -> str:
    return (
        f"<{p}{name}><{p}OrganId>{code}</{p}OrganId><{p}OrganizationInCharge>UBND tỉnh</{p}OrganizationInCharge>"
        f"<{p}OrganName>{title}</{p}OrganName><{p}OrganAdd>Tây Ninh</{p}OrganAdd><{p}Email>vt@example.vn</{p}Email>"
        f"<{p}Telephone>0276 0000000</{p}Telephone><{p}Fax></{p}Fax><{p}Website>example.vn</{p}Website></{p}{name}>"
    )


def _business(p: str) -> str:
    return (
        f"<{p}Bussiness><{p}BussinessDocType>0</{p}BussinessDocType><{p}BussinessDocReason>Văn bản mới"
        f"</{p}BussinessDocReason><{p}Paper>0</{p}Paper><{p}StaffInfo><{p}Department>Văn thư</{p}Department>"
        f"<{p}Staff>Lê Thị Thử</{p}Staff></{p}StaffInfo></{p}Bussiness>"
    )


def _reference(p: str, content_id: str, media_type: str, name: str) -> str:
    return (
        f"<{p}Reference><{p}ContentId>{content_id}</{p}ContentId><{p}ContentType>{media_type}</{p}ContentType>"
        f"<{p}Description>Tệp</{p}Description><{p}AttachmentName>{name}</{p}AttachmentName></{p}Reference>"
    )


def _dummy_signature() -> str:
    return """<Signature>
        <SignedInfo><SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1" /><Reference URI=""></Reference></SignedInfo>
        <SignatureValue>Z2lhIHRo</SignatureValue>
        <KeyInfo><X509Data><X509SubjectName>CN=user</X509SubjectName></X509Data></KeyInfo>
      </Signature>"""


def main() -> None:
    """Write every vector beside this file."""
    for name, body in (edocs() | statuses() | businesses()).items():
        (Path(__file__).parent / f"{name}.edxml").write_bytes(body)


if __name__ == "__main__":
    main()
