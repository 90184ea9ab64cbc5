"""What texts cost: a month's bill for the information centre, and nobody else."""

from alerts.outgoing import Channel, Letter, claim, enqueue
from alerts.settling import Heard, Outcome, Report, record
from alerts.states import State
from alerts.templates import TEMPLATES
from alerts.texts import Template, Text, parts_needed
from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import HANDLER, Stage

INFORMATION_CENTRE = "OFF-0035"
#: Template, unit, words: two units, the office's own, and a text of two parts.
TEXTS = (
    ("T11", "ZJJ", "您的申请已受理。"),
    ("T11", "ZJJ", "您的申请已受理，" + "请留意短信通知。" * 9),
    ("T02", "ZJJ", "时限预警（黄灯）。"),
    ("T15", "SJJ", "您的申请已办结。"),
    ("T21", "", "登录验证码已发。"),
)


async def tell(record: Recorder) -> None:
    await a_carrier_takes_texts(record.stage)
    month = f"{record.stage.clock.now():%Y-%m}"
    await record("SmsBill/happy", INFORMATION_CENTRE, month=month)
    await record("SmsBill/empty", INFORMATION_CENTRE, month="2020-01")
    await record("SmsBill/not_a_month", INFORMATION_CENTRE, month="2020-13")
    await record("SmsBill/not_permitted", HANDLER, month=month)


async def a_carrier_takes_texts(stage: Stage) -> None:
    """Two receipts have come; the others are still out."""
    database, now = stage.database, stage.clock.now()
    letters = [
        Letter(
            dedupe_key=f"billed:{number}",
            channel=Channel.SMS,
            text=_text(TEMPLATES[template], f"【衡江政务服务】{words}"),
            to="13800000001",
            send_after=now,
            expires_at=now.replace(year=now.year + 1),
            unit_code=unit,
        )
        for number, (template, unit, words) in enumerate(TEXTS)
    ]
    async with database.transaction():
        await enqueue(database, letters, now=now)
    taken = await claim(database, now=now, limit=100, channel=Channel.SMS, carrier="mobile")
    reports = [
        Report(
            message=message,
            outcome=Outcome.SUBMITTED,
            accepted=tuple((seq, f"{message.id}-{seq}") for seq in range(1, message.parts + 1)),
        )
        for message in taken
    ]
    heard = [Heard(f"{taken[0].id}-1", State.DELIVERED), Heard(f"{taken[1].id}-1", State.FAILED, error="MK:0001 MK")]
    await record(database, now=now, carrier="mobile", reports=reports, heard=heard)


def _text(template: Template, body: str) -> Text:
    return Text(template, body, parts_needed(body))
