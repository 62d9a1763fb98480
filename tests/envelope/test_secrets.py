"""A secrecy mark is found however the header is written; what merely mentions secrecy passes."""

from __future__ import annotations

import pytest

from adapters.envelope.edxml import EdxmlEnvelopes, Options
from adapters.memory import MemoryVault
from gateway.model.policy import Acceptance
from gateway.stages import receive

QCVN = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
FROM = (
    "<e:From><e:OrganId>000.00.00.H53</e:OrganId></e:From><e:To><e:OrganId>000.00.13.H53</e:OrganId></e:To>"
)


def is_refused(fields: str) -> bool:
    """Whether a document with *fields* in its header is a state secret to us."""
    body = (
        f'<edXML xmlns="{QCVN}"><e:edXMLEnvelope xmlns:e="{QCVN}" xmlns:o="urn:other"><e:edXMLHeader>'
        f"<e:MessageHeader>{FROM}{fields}</e:MessageHeader></e:edXMLHeader></e:edXMLEnvelope></edXML>"
    )
    marks = EdxmlEnvelopes(Options(), MemoryVault()).peek(body.encode(), is_whole=True)
    return receive.screen(marks, Acceptance()) is not None


@pytest.mark.parametrize(
    "fields",
    [
        "<e:Subject>Tờ trình (MẬT)</e:Subject>",
        "<e:DocumentType><e:TypeName>Mật</e:TypeName></e:DocumentType>",
        "<e:OtherInfo><e:SphereOfPromulgation>Tối mật</e:SphereOfPromulgation></e:OtherInfo>",
        "<e:Subject>Thường</e:Subject><e:Subject>Mật</e:Subject>",
        "<o:Subject>Mật</o:Subject>",
        "<e:Content><e:Subject>Mật</e:Subject></e:Content>",
        "<e:Subject>M<!-- -->ậ<?x?>t</e:Subject>",
        "<e:Subject><![CDATA[Mậ]]>t</e:Subject>",
        "<e:Subject>&#77;&#x1EAD;t</e:Subject>",
        "<e:Subject><o:b>Mật</o:b></e:Subject>",
        "<e:Subject>M<o:b>ậ</o:b>t</e:Subject>",
        "<e:Subject>Quyết định&#10;mật</e:Subject>",
        "<e:Subject>Quyết định&#xA0;-&#xA0;M&#x200B;ật</e:Subject>",
        "<e:Subject>\uff2d\u1eac\uff34</e:Subject>",
    ],
)
def test_a_mark_is_found_however_it_is_written(fields: str) -> None:
    assert is_refused(fields)


@pytest.mark.parametrize(
    "fields",
    [
        "<e:Subject>Báo cáo mật độ dân số</e:Subject>",
        "<e:Subject>Luật Bảo vệ bí mật nhà nước</e:Subject>",
        "<e:Subject>Bảo mật</e:Subject><e:DocumentType><e:TypeName>Kế hoạch</e:TypeName></e:DocumentType>",
        "<e:Subject>Bảo</e:Subject><e:Content>Mật</e:Content>",
    ],
)
def test_what_mentions_secrecy_passes(fields: str) -> None:
    assert not is_refused(fields)
