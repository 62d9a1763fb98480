"""The papers of the day.

Numbers, dates and organs of Quyết định 517/QĐ-UBND are those of the real one; its text and the names of
all signers are ours (the law's own example names), made for this demonstration.
"""

from __future__ import annotations

from datetime import date

from demo.pdf import Paper

DECISION_DATE = date(2016, 3, 4)
ANSWER_DATE = date(2016, 3, 7)

DECISION = Paper(
    organ=("ỦY BAN NHÂN DÂN", "TỈNH TÂY NINH"),
    code="517/QĐ-UBND",
    place="Tây Ninh",
    dated=DECISION_DATE,
    kind="QUYẾT ĐỊNH",
    subject=(
        "Về việc ban hành Quy định gửi, nhận văn bản điện tử có ký số "
        "giữa các cơ quan nhà nước trên địa bàn tỉnh Tây Ninh"
    ),
    issuer="ỦY BAN NHÂN DÂN TỈNH TÂY NINH",
    grounds=(
        "Căn cứ Luật Tổ chức chính quyền địa phương ngày 19 tháng 6 năm 2015;",
        "Căn cứ Luật Giao dịch điện tử ngày 29 tháng 11 năm 2005;",
        "Căn cứ Luật Công nghệ thông tin ngày 29 tháng 6 năm 2006;",
        "Căn cứ Nghị định số 64/2007/NĐ-CP ngày 10 tháng 4 năm 2007 của Chính phủ về ứng dụng công nghệ "
        "thông tin trong hoạt động của cơ quan nhà nước;",
        "Căn cứ Nghị quyết số 36a/NQ-CP ngày 14 tháng 10 năm 2015 của Chính phủ về Chính phủ điện tử;",
        "Theo đề nghị của Giám đốc Sở Thông tin và Truyền thông.",
    ),
    verdict="QUYẾT ĐỊNH:",
    body=(
        "**Điều 1.** Ban hành kèm theo Quyết định này Quy định gửi, nhận văn bản điện tử có ký số giữa các "
        "cơ quan nhà nước trên địa bàn tỉnh Tây Ninh.",
        "**Điều 2.** Kể từ ngày Quyết định này có hiệu lực, văn bản hành chính được gửi, nhận qua trục liên "
        "thông văn bản của tỉnh, trừ văn bản có nội dung bí mật nhà nước. Văn bản điện tử đã được người có "
        "thẩm quyền và cơ quan, tổ chức ký số có giá trị pháp lý như văn bản giấy; bên gửi không gửi kèm "
        "bản giấy.",
        "Văn thư cơ quan nhận có trách nhiệm kiểm tra tính xác thực và tính toàn vẹn của văn bản điện tử, "
        "xác nhận đã nhận ngay trong ngày; văn bản khẩn phải được xác nhận ngay khi đến. Trường hợp văn "
        "bản gửi nhầm hoặc chữ ký số không hợp lệ, cơ quan nhận trả lại nơi gửi trên hệ thống và nêu rõ "
        "lý do.",
        "**Điều 3.** Giao Sở Thông tin và Truyền thông chủ trì, phối hợp với Văn phòng Ủy ban nhân dân tỉnh "
        "vận hành trục liên thông tại Trung tâm dữ liệu của tỉnh; hướng dẫn, kiểm tra việc thực hiện; định "
        "kỳ hằng quý tổng hợp, báo cáo Ủy ban nhân dân tỉnh tỷ lệ văn bản được gửi, nhận điện tử.",
        "**Điều 4.** Chánh Văn phòng Ủy ban nhân dân tỉnh, Giám đốc Sở Thông tin và Truyền thông, Thủ trưởng "
        "các sở, ban, ngành tỉnh, Chủ tịch Ủy ban nhân dân các huyện, thành phố và các tổ chức, cá nhân có "
        "liên quan chịu trách nhiệm thi hành Quyết định này kể từ ngày ký./.",
    ),
    receivers=(
        "Như Điều 4",
        "Bộ Thông tin và Truyền thông",
        "TT. Tỉnh ủy, TT. HĐND tỉnh",
        "CT, các PCT UBND tỉnh",
        "Trung tâm Công báo tỉnh",
        "Lưu: VT, VP UBND tỉnh",
    ),
    authority="TM. ỦY BAN NHÂN DÂN",
    position="CHỦ TỊCH",
    signer="Nguyễn Văn A",
)

ANSWER = Paper(
    parent="UBND TỈNH TÂY NINH",
    organ=("SỞ THÔNG TIN", "VÀ TRUYỀN THÔNG"),
    code="105/STTTT-CNTT",
    place="Tây Ninh",
    dated=ANSWER_DATE,
    subject="triển khai Quyết định số 517/QĐ-UBND của Ủy ban nhân dân tỉnh",
    addressees=("Ủy ban nhân dân tỉnh Tây Ninh",),
    body=(
        "Thực hiện Quyết định số 517/QĐ-UBND ngày 04 tháng 3 năm 2016 của Ủy ban nhân dân tỉnh về việc ban "
        "hành Quy định gửi, nhận văn bản điện tử có ký số giữa các cơ quan nhà nước trên địa bàn tỉnh Tây "
        "Ninh, Sở Thông tin và Truyền thông báo cáo như sau:",
        "1. Trục liên thông đã kết nối 62 cơ quan cấp tỉnh và cấp huyện; các đơn vị chưa có phần mềm quản "
        "lý văn bản nhận văn bản qua cổng của trung tâm dữ liệu.",
        "2. Danh mục cơ quan và tình trạng kết nối được gửi kèm văn bản này (tệp bảng tính).",
        "3. Sở đề nghị các cơ quan rà soát chứng thư số của người có thẩm quyền trước ngày 31 tháng 3 năm "
        "2016.",
        "Kính trình Ủy ban nhân dân tỉnh xem xét, chỉ đạo./.",
    ),
    receivers=("Như trên", "Văn phòng UBND tỉnh", "Lưu: VT, CNTT"),
    position="GIÁM ĐỐC",
    signer="Trần Văn B",
)

EXPRESS = Paper(
    parent="UBND TỈNH TÂY NINH",
    organ=("VĂN PHÒNG",),
    code="219/VP-KTN",
    place="Tây Ninh",
    dated=ANSWER_DATE,
    subject="ứng phó mưa dông diện rộng trong đêm 07 tháng 3",
    urgency="HỎA TỐC",
    addressees=("Sở Kế hoạch và Đầu tư",),
    body=(
        "Theo bản tin của Đài Khí tượng Thủy văn tỉnh, trong đêm nay trên địa bàn có mưa dông diện rộng, khả "
        "năng xảy ra lốc, sét và gió giật mạnh.",
        "Thừa lệnh Chủ tịch Ủy ban nhân dân tỉnh, Văn phòng đề nghị quý cơ quan tổ chức trực ban 24/24 giờ, "
        "chuẩn bị kinh phí dự phòng và báo cáo về Văn phòng trước 17 giờ hôm nay./.",
    ),
    receivers=("Như trên", "CT, các PCT UBND tỉnh", "Lưu: VT, KTN"),
    authority="TL. CHỦ TỊCH",
    position="CHÁNH VĂN PHÒNG",
    signer="Lê Văn C",
)

DISTRICT = Paper(
    organ=("ỦY BAN NHÂN DÂN", "HUYỆN TÂN BIÊN"),
    code="88/UBND-VX",
    place="Tân Biên",
    dated=ANSWER_DATE,
    subject="tiếp nhận hồ sơ qua bộ phận một cửa",
    addressees=("Ủy ban nhân dân xã Tân Phong", "Phòng Nội vụ huyện"),
    body=(
        "Để chuẩn bị việc gửi, nhận văn bản điện tử theo Quyết định số 517/QĐ-UBND của Ủy ban nhân dân tỉnh, "
        "Ủy ban nhân dân huyện đề nghị các cơ quan nêu trên phân công công chức trực tại bộ phận một cửa và "
        "báo cáo kết quả tiếp nhận hồ sơ trong tuần./.",
    ),
    receivers=("Như trên", "CT, các PCT UBND huyện", "Lưu: VT, VX"),
    authority="TM. ỦY BAN NHÂN DÂN",
    position="CHỦ TỊCH",
    signer="Phạm Văn D",
)

REPORT = Paper(
    parent="UBND HUYỆN TÂN BIÊN",
    organ=("ỦY BAN NHÂN DÂN", "XÃ TÂN PHONG"),
    code="09/BC-UBND",
    place="Tân Phong",
    dated=ANSWER_DATE,
    kind="BÁO CÁO",
    subject="Kết quả tiếp nhận hồ sơ tại bộ phận một cửa, tuần 10 năm 2016",
    addressees=("Ủy ban nhân dân huyện Tân Biên",),
    body=(
        "Thực hiện Công văn số 88/UBND-VX ngày 07 tháng 3 năm 2016 của Ủy ban nhân dân huyện, Ủy ban nhân "
        "dân xã Tân Phong báo cáo kết quả như sau:",
        "**I. KẾT QUẢ TIẾP NHẬN**",
        "**1. Lĩnh vực tư pháp - hộ tịch**",
        "Tiếp nhận 37 hồ sơ, giải quyết đúng hạn 37 hồ sơ, đạt 100%.",
        "**2. Lĩnh vực đất đai, xây dựng**",
        "Tiếp nhận 12 hồ sơ, chuyển cấp huyện 09 hồ sơ, đang giải quyết 03 hồ sơ.",
        "**II. KIẾN NGHỊ**",
        "Đề nghị Ủy ban nhân dân huyện trang bị máy quét cho bộ phận một cửa của xã./.",
    ),
    receivers=("Như trên", "TT. Đảng ủy, TT. HĐND xã", "Lưu: VT"),
    authority="TM. ỦY BAN NHÂN DÂN",
    position="CHỦ TỊCH",
    signer="Võ Thị E",
)


def notice(code: str, when: str) -> Paper:
    """The notice of a training course: its day is moved, then it is replaced, then taken back."""
    return Paper(
        parent="UBND TỈNH TÂY NINH",
        organ=("SỞ THÔNG TIN", "VÀ TRUYỀN THÔNG"),
        code=code,
        place="Tây Ninh",
        dated=ANSWER_DATE,
        subject="tập huấn gửi, nhận văn bản điện tử",
        addressees=("Sở Tài chính", "Sở Xây dựng", "Phòng Nội vụ huyện Tân Biên"),
        body=(
            f"Sở Thông tin và Truyền thông tổ chức tập huấn gửi, nhận văn bản điện tử vào {when}, đề nghị quý "
            "cơ quan cử công chức văn thư tham dự./.",
        ),
        receivers=("Như trên", "Lưu: VT, CNTT"),
        position="GIÁM ĐỐC",
        signer="Trần Văn B",
    )


def ordinary(number: int) -> Paper:
    """One of the many everyday letters of the provincial office."""
    return Paper(
        parent="UBND TỈNH TÂY NINH",
        organ=("VĂN PHÒNG",),
        code=f"{number}/VP-TH",
        place="Tây Ninh",
        dated=ANSWER_DATE,
        subject=f"cung cấp số liệu phục vụ phiên họp số {number}",
        addressees=("Sở Kế hoạch và Đầu tư",),
        body=(
            f"Để chuẩn bị phiên họp số {number} của Ủy ban nhân dân tỉnh, Văn phòng đề nghị quý cơ quan cung "
            "cấp số liệu đầu tư công quý I năm 2016 trước ngày 15 tháng 3 năm 2016./.",
        ),
        receivers=("Như trên", "Lưu: VT, TH"),
        authority="TL. CHỦ TỊCH",
        position="CHÁNH VĂN PHÒNG",
        signer="Lê Văn C",
    )


def sample(number: int, subject: str) -> Paper:
    """A letter with which the bad cases are made."""
    return Paper(
        parent="UBND TỈNH TÂY NINH",
        organ=("SỞ XÂY DỰNG",),
        code=f"{number}/SXD-VP",
        place="Tây Ninh",
        dated=ANSWER_DATE,
        subject=subject,
        addressees=("Sở Tài chính",),
        body=("Sở Xây dựng gửi quý cơ quan văn bản này để phối hợp thực hiện./.",),
        receivers=("Như trên", "Lưu: VT"),
        position="GIÁM ĐỐC",
        signer="Hoàng Văn G",
    )
