"""What the public hall says by text: login codes, answers, complaints; and whom a late answer is called out to."""

from datetime import timedelta

from alerts.outgoing import words_with_code
from casework.intake.query_passwords import query_password
from hall.accounts import RequestLoginCode, login_code
from hall.consultations import AnswerQuestion, AskQuestion, CallOverdueAnswers
from hall.tables import LoginCode
from kernel.actor import ANYBODY, THE_CLOCK, Actor, ActorKind, Assurance, Role
from supervision.complaints import ComplaintAbout, DecideComplaint, FileComplaint
from tests.alerts.county import SUPERVISOR_PHONE, County, phone_of
from tests.casework.town import person

VISITOR = "13800000005"
SUPERVISOR = Actor(
    kind=ActorKind.OFFICER,
    id="JCCLERK",
    roles=frozenset({Role.SUPERVISOR}),
    unit="JC",
    assurance=Assurance.SESSION,
)


async def leaving(county: County, template: str) -> list[tuple[str, str]]:
    """Phone and text of every message of `template`, as it leaves."""
    rows = await county.database.rows("SELECT to_phone, body, secret, template FROM message ORDER BY id")
    return [
        (str(row["to_phone"]), words_with_code(str(row["body"]), str(row["secret"]), county.secrets))
        for row in rows
        if str(row["template"]).startswith(template)
    ]


async def test_a_login_code_is_texted_at_once_at_any_hour_and_never_stored(county: County) -> None:
    county.at("2026-09-18 23:30")
    await county.do(RequestLoginCode(phone=VISITOR), ANYBODY)
    await county.tell()
    row = await LoginCode.get()
    code = login_code(county.secrets, row)
    ((phone, body),) = await leaving(county, "T21")
    assert phone == VISITOR
    assert body == f"【衡江政务服务】登录验证码{code}，9月18日23:35前有效。请勿告知他人，非本人操作请忽略。"
    (message,) = await county.database.rows("SELECT * FROM message")
    assert code not in str(message["body"])
    assert str(message["send_after"])[:16] == str(county.clock.now())[:16]
    assert str(message["expires_at"])[:16] == str(row.expires_at)[:16]
    assert message["priority"] == 0


async def test_who_asked_is_told_that_there_is_an_answer_and_how_to_read_it(county: County) -> None:
    asked = await county.do(AskQuestion(title="一", question="二", item="ZJ-XK-001", phone=VISITOR), ANYBODY)
    await county.do(AnswerQuestion(number=asked.number, revision=1, answer="不需要。"), person("HANDLER"))
    await county.tell()
    ((phone, body),) = await leaving(county, "T23")
    assert phone == VISITOR
    password = query_password(county.secrets, asked.number)
    assert f"您的咨询{asked.number}已由衡住建答复" in body
    assert f"查询密码{password}" in body
    assert "不需要" not in body


async def test_who_left_no_number_is_told_nothing(county: County) -> None:
    asked = await county.do(AskQuestion(title="一", question="二", item="ZJ-XK-001"), ANYBODY)
    await county.do(AnswerQuestion(number=asked.number, revision=1, answer="不需要。"), person("HANDLER"))
    await county.do(FileComplaint(about=ComplaintAbout.OTHER, subject="三", text="四"), ANYBODY)
    await county.tell()
    assert await county.texts() == []


async def test_a_late_answer_is_called_out_to_the_unit_and_to_supervision_once(county: County) -> None:
    await county.do(AskQuestion(title="一", question="二", item="ZJ-XK-001", phone=VISITOR), ANYBODY)
    county.clock.advance(timedelta(days=10))
    for _ in range(2):
        await county.do(CallOverdueAnswers(), THE_CLOCK)
        await county.tell()
    told = await leaving(county, "T04")
    assert {phone for phone, _ in told} >= {phone_of("HANDLER"), phone_of("HEAD"), SUPERVISOR_PHONE}
    assert VISITOR not in {phone for phone, _ in told}
    assert len(told) == len({phone for phone, _ in told})
    assert "ZX2026000001“建筑工程施工许可证核发”咨询逾期未答复" in told[0][1]


async def test_a_complaint_is_acknowledged_and_its_decision_told_with_the_reasons(county: County) -> None:
    filed = await county.do(
        FileComplaint(about=ComplaintAbout.UNIT, subject="住建局", text="四", name="李四", phone=VISITOR), ANYBODY
    )
    await county.tell()
    ((phone, body),) = await leaving(county, "T18")
    assert phone == VISITOR
    assert body == (
        f"【衡江政务服务】您的投诉已登记，编号{filed.number}，5个工作日内告知是否受理。查询回复CX{filed.number}。"
    )
    refuse = DecideComplaint(number=filed.number, revision=1, accept=False, reason="不属于行政审批事项。")
    await county.do(refuse, SUPERVISOR)
    await county.tell()
    ((_, body),) = await leaving(county, "T22")
    assert f"您的投诉{filed.number}经审查不予受理：不属于行政审批事项。" in body
