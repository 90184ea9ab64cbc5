"""The red team: what must never leave in a text, however it is spelt, and what looks like it and must leave."""

import pytest

from alerts.by_hand import BY_HAND, SendText
from alerts.dispatch import Notice, Recipient, notify
from alerts.linter import HIDDEN, Secret, hidden, secrets_in
from alerts.templates import TEMPLATES
from alerts.texts import Template, TextRefused, render, unfit_for_a_text
from casework.tables import ItemVersion
from kernel.actor import THE_OPERATOR
from kernel.refusals import Refusal
from tests.alerts.county import ALERT_RULES, APPLICANT

#: Invented; the check characters are right.
IDENTITY, WITH_X, OLD = "430102199003074515", "11010519491231002X", "430102900307451"

#: Hostile words, and what they try to say.
HOSTILE: tuple[tuple[Secret, str], ...] = (
    # identity numbers, plainly
    (Secret.IDENTITY, f"身份证号{IDENTITY}有误"),
    (Secret.IDENTITY, IDENTITY),
    (Secret.IDENTITY, f"证件{WITH_X}"),
    (Secret.IDENTITY, f"证件{WITH_X.lower()}。"),
    (Secret.IDENTITY, "身份证430102199003074518"),  # a slip in the check digit is a person's number all the same
    (Secret.IDENTITY, f"编号0{IDENTITY}"),  # hidden in a longer number
    (Secret.IDENTITY, f"{IDENTITY}{IDENTITY}"),
    (Secret.IDENTITY, f"CX{IDENTITY}"),
    # with something between
    (Secret.IDENTITY, "430102 19900307 4515"),
    (Secret.IDENTITY, "430102-19900307-4515"),
    (Secret.IDENTITY, "430102.1990.03.07.4515"),
    (Secret.IDENTITY, "4 3 0 1 0 2 1 9 9 0 0 3 0 7 4 5 1 5"),
    (Secret.IDENTITY, "430102，19900307，4515"),
    (Secret.IDENTITY, "430102·19900307·4515"),
    (Secret.IDENTITY, "430102/19900307/4515"),
    (Secret.IDENTITY, "430102\n19900307\n4515"),
    (Secret.IDENTITY, "430102　19900307　4515"),
    (Secret.IDENTITY, "110105 19491231 002 x"),
    (Secret.IDENTITY, "43010\u200b21990\u200b03074515"),
    (Secret.IDENTITY, "43010\ufeff2199003\u20600745\u00ad15"),
    (Secret.IDENTITY, "\u202e430102199003074515\u202c"),
    (Secret.IDENTITY, "4\ufe0f\u20e33\ufe0f\u20e30\ufe0f\u20e31\ufe0f\u20e30\ufe0f\u20e32\ufe0f\u20e3199003074515"),
    # in other digits
    (Secret.IDENTITY, "４３０１０２１９９００３０７４５１５"),
    (Secret.IDENTITY, "430102１９９００３０７4515"),
    (Secret.IDENTITY, "四三零一零二一九九零零三零七四五一五"),
    (Secret.IDENTITY, "四三〇一〇二 一九九〇〇三〇七 四五一五"),
    (Secret.IDENTITY, "肆叁零壹零贰壹玖玖零零叁零柒肆伍壹伍"),
    (Secret.IDENTITY, "④③⓪①⓪②①⑨⑨⓪⓪③⓪⑦④⑤①⑤"),
    (Secret.IDENTITY, "𝟒𝟑𝟎𝟏𝟎𝟐𝟏𝟗𝟗𝟎𝟎𝟑𝟎𝟕𝟒𝟓𝟏𝟓"),
    (Secret.IDENTITY, "٤٣٠١٠٢١٩٩٠٠٣٠٧٤٥١٥"),
    (Secret.IDENTITY, "11010519491231002Ｘ"),
    (Secret.IDENTITY, "11010519491231002Ⅹ"),  # the Roman ten
    (Secret.IDENTITY, "110105 19491231 002Х"),  # a Cyrillic letter
    # of the first generation
    (Secret.IDENTITY, f"老身份证{OLD}"),
    (Secret.IDENTITY, "430102 900307 451"),
    # a person's phone, with a name or without
    (Secret.PHONE, "请联系张伟13812345678"),
    (Secret.PHONE, "张伟，138 1234 5678"),
    (Secret.PHONE, "张伟（138-1234-5678）"),
    (Secret.PHONE, "13812345678（王小明）"),
    (Secret.PHONE, "欧阳娜娜，手机１３８１２３４５６７８"),
    (Secret.PHONE, "张伟 +86 138 1234 5678"),
    (Secret.PHONE, "张伟 0086-13812345678"),
    (Secret.PHONE, "张伟 86 13812345678"),
    (Secret.PHONE, "张伟电话一三八一二三四五六七八"),
    (Secret.PHONE, "张伟电话幺三八 一二三四 五六七八"),
    (Secret.PHONE, "张\u200b伟 138\u200b1234\u200b5678"),
    (Secret.PHONE, "张伟 1.3.8.1.2.3.4.5.6.7.8"),
    # a bank card
    (Secret.CARD, "退费至6228 4804 0256 4890 018"),
    (Secret.CARD, "账号4367421234567896"),
)

#: Must leave as they are.
INNOCENT: tuple[str, ...] = (
    "202600000123",  # a case
    "办件202600000123、202600000124、202600000125已转办",
    "查进度回复CX202600000123",
    "2026年10月22日",
    "2026-10-22 14:30至16:00",
    "10月22日9:00",
    "二〇二六年十月二十二日",
    "一、二、三、四、五、六、七、八、九、十项材料均已收到",
    "咨询07348123456",
    "咨询0734-8123456转8001",
    "拨打12345政务服务热线",
    "投诉TS2026000123已登记",
    "咨询ZX2026000123已答复",
    "存证号EV00000123",
    "衡住建准〔2026〕123号",
    "衡江监察督〔2026〕45号",
    "证号ZJ-XK-001-2026-00012",
    "统一社会信用代码91430400MA4L000000",
    "金额1,380,000.00元",
    "建筑面积13812.56平方米",
    "缺少施工图审查合格书第2页、第13页",
    "第1期第3栋第810号至第815号",
    "邮编421001，衡江市解放大道138号",
    "GB 50016-2014（2018年版）",
    "张伟的申请材料不齐",  # a name alone; the applicant's own is hidden where it is known
    "回复104711同意，204711不同意",
    "20260918-20261022",
    "排队号A138，3号窗口",
)


def test_the_lists_are_long_enough_to_mean_something():
    assert len(HOSTILE) >= 40
    assert len(INNOCENT) >= 20


@pytest.mark.feature("SMS-17")
@pytest.mark.parametrize(("kind", "words"), HOSTILE, ids=[ascii(words) for _, words in HOSTILE])
def test_what_a_person_is_known_by_leaves_in_no_spelling(kind, words):
    assert kind in secrets_in(words)
    said = hidden(words)
    assert HIDDEN in said
    assert secrets_in(said) == ()
    # From a form the rest of the sentence goes out; an operator is told to word it otherwise.
    variables = {"no": "202600000123", "n": "1", "sum": words, "tel": "07348123456"}
    body = render(TEMPLATES["T10"], signature="衡江政务服务", variables=variables).body
    assert secrets_in(body, ours=("07348123456",)) == ()
    assert kind in unfit_for_a_text(words)


@pytest.mark.feature("SMS-17")
@pytest.mark.parametrize("words", INNOCENT)
def test_what_only_looks_like_it_leaves_as_it_is(words):
    assert secrets_in(words) == ()
    assert hidden(words) == words
    assert unfit_for_a_text(words) == ""


def test_the_service_line_is_no_private_phone_even_where_it_is_a_mobile_one():
    variables = {"tel": "13812345678"}
    assert "13812345678" in render(TEMPLATES["T19"], signature="衡江政务服务", variables=variables).body
    assert unfit_for_a_text("请拨13812345678", ours=("+8613812345678",)) == ""
    assert unfit_for_a_text("请拨13812345679", ours=("+8613812345678",))


@pytest.mark.parametrize("spelt", ["欧阳振华", "欧 阳 振 华", "欧阳\u200b振华", "欧阳·振华", "欧-阳-振-华"])
def test_a_known_name_is_hidden_however_it_is_spelt(spelt):
    assert hidden(f"{spelt}的材料", unsayable=("欧阳振华",)) == f"{HIDDEN}的材料"


def test_two_values_that_make_a_number_together_are_refused():
    parted = Template("X", "分开", TEMPLATES["T14"].message_class, 6, "{no}{exp}")
    with pytest.raises(TextRefused, match="身份证"):
        render(parted, signature="衡江政务服务", variables={"no": IDENTITY[:10], "exp": IDENTITY[10:]})


# --------------------------------------------------------------------------------------------------------- secret items


async def keep_secret(county) -> None:
    [row] = await ItemVersion.all()
    await ItemVersion.create(
        item_code="S1", version=1, name="隐芒工程许可", unit_code=row.unit_code, secret=True, definition="{}"
    )


@pytest.mark.feature("SMS-17")
async def test_the_name_of_a_secret_item_is_hidden_where_an_officer_wrote_it_about_another_case(county):
    await keep_secret(county)
    words = {"no": "202600000123", "n": "1", "sum": "另附隐芒 工程许可批复", "tel": "07348123456"}
    notice = Notice(key="1", template=TEMPLATES["T10"], to=Recipient(phone=APPLICANT), variables=words)
    await notify(county.database, [notice], rules=ALERT_RULES, now=county.clock.now())
    [(_, body)] = await county.texts("T10")
    assert f"另附{HIDDEN}批复" in body


@pytest.mark.feature("SMS-17")
@pytest.mark.parametrize(
    "words", ["隐芒工程许可已办结", f"请带{WITH_X}的身份证来", "张伟13812345678", "请看\u200b通知"]
)
async def test_an_operator_is_refused_what_no_text_may_say(county, words):
    await keep_secret(county)
    refused = await county.do(SendText(to=APPLICANT, words=words), THE_OPERATOR)
    assert isinstance(refused, Refusal)
    assert refused.code == "TEXT_REFUSED"
    assert BY_HAND.id in refused.text
    assert await county.texts() == []


@pytest.mark.feature("SMS-17")
async def test_of_a_secret_case_no_text_says_more_than_its_number(county):
    number = await county.accepted()
    await county.database.execute("UPDATE case_file SET secret = TRUE")
    await county.tell()
    for _, body in await county.texts():
        assert body in {f"【衡江政务服务】{number}有新的{what}，请登录系统查看。" for what in ("通知", "进展", "预警")}
