"""Documents as PDF: what stands on them, the font in them, what is attached, and how a phone reads their code."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pypdfium2
import pytest
import zxingcpp
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casework.papers.documents import Content, Draft
from casework.papers.kinds import FORMS, REMEDY, DocumentKind
from casework.papers.pages import Check, Sealed, can_draw, html, pdf
from casework.papers.wordings import BUILT_IN, canonical, filled

KEY = ec.generate_private_key(ec.SECP256R1())
NUMBER = "衡住建准〔2026〕1号"
CHECK = Check(
    address="https://zwfw.example/verify", code="7K2QM-XW49T", link="https://zwfw.example/verify/1?c=7K2QMXW49T"
)
REASON = "经审查，申请人提交的用地批准手续与规划条件核实意见不一致；建设资金落实承诺书未加盖公章。"


def sealed(kind: DocumentKind = DocumentKind.GRANT, **changes) -> Sealed:
    facts = {"applicant": "衡江建设有限公司", "case": "202600000001", "item": "建筑工程施工许可证核发"}
    wording = BUILT_IN[kind]
    fields = {
        "kind": kind,
        "template": 1,
        "title": wording.title,
        "unit": "ZJ",
        "issuer": "衡江县住房和城乡建设局",
        "case": "202600000001",
        "addressee": "衡江建设有限公司",
        "opening": tuple(filled(paragraph, facts) for paragraph in wording.opening),
        "lines": (("决定", "同意。"), ("清单", "1. 申请表\n2. 用地批准手续")),
        "closing": tuple(filled(paragraph, facts) for paragraph in wording.closing),
        **changes,
    }
    content = canonical(Content(number=NUMBER, issued_on=date(2026, 9, 18), draft=Draft(**fields)))
    signature = KEY.sign(content, ec.ECDSA(hashes.SHA256()))
    return Sealed(content=content, serial="5f3a", signature=signature, issued_at=datetime(2026, 9, 18, 1, tzinfo=UTC))


@dataclass
class Printed:
    """A PDF as its reader finds it."""

    file: pypdfium2.PdfDocument

    @classmethod
    def of(cls, octets: bytes) -> "Printed":
        return cls(pypdfium2.PdfDocument(octets))

    @property
    def pages(self) -> list[str]:
        return ["".join(page.get_textpage().get_text_range().split()) for page in self.file]

    @property
    def text(self) -> str:
        return "".join(self.pages)

    def fonts(self) -> dict[str, bool]:
        """Name to whether it is embedded."""
        found = {}
        for page in self.file:
            for piece in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT]):
                font = piece.get_font()
                found[font.get_base_name()] = font.is_embedded
        return found

    def attached(self) -> dict[str, bytes]:
        files = [self.file.get_attachment(n) for n in range(self.file.count_attachments())]
        return {file.get_name(): bytes(file.get_data()) for file in files}

    def codes(self) -> list[str]:
        """What a phone reads off the last page."""
        picture = self.file[len(self.file) - 1].render(scale=2, grayscale=True)
        pixels = memoryview(picture.buffer).cast("B").cast("B", shape=[picture.height, picture.stride])
        return [code.text for code in zxingcpp.read_barcodes(pixels)]


@pytest.mark.parametrize("kind", DocumentKind)
def test_every_kind_of_document_is_printed_with_its_font_embedded(kind: DocumentKind):
    printed = Printed.of(pdf(sealed(kind), CHECK))
    title = FORMS[kind].title
    for said in (title, NUMBER, "衡江县住房和城乡建设局", "2026年9月18日", "第1版", "同意。"):
        assert said in printed.text
    assert len(printed.fonts()) == 1
    assert all(printed.fonts().values())
    assert printed.file.get_metadata_dict()["Title"] == f"{title} {NUMBER}"
    assert len(printed.file) == 1


def test_a_phone_reads_the_address_of_verification_off_the_page():
    printed = Printed.of(pdf(sealed(), CHECK))
    assert printed.codes() == [CHECK.link]
    assert CHECK.code in printed.text


def test_what_nobody_verifies_in_public_carries_no_code():
    printed = Printed.of(pdf(sealed(), None))
    assert printed.codes() == []
    assert "verify" not in printed.text


def test_a_copy_carries_what_was_sealed_and_the_seals_signature():
    original = sealed()
    attached = Printed.of(pdf(original, CHECK)).attached()
    assert attached["document.json"] == original.content
    KEY.public_key().verify(attached["seal.der"], attached["document.json"], ec.ECDSA(hashes.SHA256()))
    assert hashlib.sha256(original.content).hexdigest() in Printed.of(pdf(original, CHECK)).text


def test_the_same_document_is_the_same_octets():
    original = sealed()
    assert pdf(original, CHECK) == pdf(original, CHECK)


def test_long_names_and_reasons_run_over_several_pages_and_lose_nothing():
    reasons = "".join(f"第{n}项，{REASON}" for n in range(1, 61))
    name = "衡江县" + "第一建筑安装工程集团" * 8 + "有限责任公司"
    long = sealed(
        DocumentKind.REFUSAL,
        addressee=name,
        issuer="衡江县城市管理和综合行政执法局（行政审批服务中心）",
        lines=(("理由", reasons), ("救济途径", REMEDY), ("网址", "https://zwfw.example/" + "a" * 120)),
    )
    printed = Printed.of(pdf(long, CHECK))
    assert len(printed.file) >= 4
    body = "".join(page.split("第1页共")[0] for page in printed.pages)
    assert name in body
    for said in (*(f"第{n}项，" for n in range(1, 61)), "行政诉讼"):
        assert said in printed.text
    assert printed.text.count("a") >= 120
    assert printed.codes() == [CHECK.link]
    width = printed.file[0].get_width()
    for page in printed.file:
        for piece in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT]):
            left, _, right, _ = piece.get_bounds()
            assert 0 <= left <= right <= width


@pytest.mark.parametrize("rare", ["\U00030edd", "🏗", "\u200f", "\t", "한", "\u00ad", "\uffa0", "\0"])
def test_what_the_font_cannot_draw_is_shown_as_its_code_and_never_dropped(rare):
    printed = Printed.of(pdf(sealed(addressee=f"张{rare}明"), CHECK))
    assert f"张〔U+{ord(rare):04X}〕明：" in printed.text
    assert rare in printed.attached()["document.json"].decode() or rare in "\t\0"


@pytest.mark.parametrize("rare", ["🏗", "\u202e", "\0", "한"])
@pytest.mark.parametrize("kind", [DocumentKind.REFUSAL, DocumentKind.RECEIPT])
def test_it_is_shown_as_its_code_wherever_it_stands(kind: DocumentKind, rare: str):
    text = f"甲{rare}乙"
    said = {"title": text, "issuer": text, "addressee": text, "opening": (text,), "closing": (text,)}
    printed = Printed.of(pdf(sealed(kind, lines=((text, text), ("理由", f"{text}\n{text}")), **said), CHECK))
    assert rare not in printed.text.replace("\r", "")
    assert printed.text.count(f"〔U+{ord(rare):04X}〕") >= 8


def test_the_font_draws_every_common_character_and_rare_ones_of_names():
    assert all(can_draw(chr(point)) for point in range(0x4E00, 0x9FA6))
    assert all(
        can_draw(char) for char in "䶮𬱖㛃𬭎〔〕（）、。《》“”①℃㎡—…·×"
    )  # names of people in the general standard
    assert not can_draw("𰻝")


def test_text_is_never_taken_for_markup():
    name = "#set page(fill: red) *甲* $x$ <b>乙</b>"
    printed = Printed.of(pdf(sealed(addressee=name), CHECK))
    assert "".join(name.split()) in printed.text
    assert "&lt;b&gt;乙&lt;/b&gt;" in html(sealed(addressee=name))


def test_the_page_says_what_the_pdf_says():
    page = html(sealed(DocumentKind.REFUSAL, lines=(("理由", REASON), ("救济途径", REMEDY))))
    for said in ("不予行政许可决定书", NUMBER, "衡江建设有限公司：", REASON, "行政诉讼", "2026年9月18日"):
        assert said in page
