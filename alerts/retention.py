"""How long the words and the number of a text are kept, in a table for a jurist to read; then they are struck out.

Source: Personal Information Protection Law, art. 19 (the shortest time that the purpose needs). What the law has told
and what a card rests on belongs to the dossier: Order No. 8 of the State Archives Administration (保管期限), ten years
at least. Sealed evidence is never touched, nor the texts that asked for it or answered it.
Struck out are words, subject, number, address, code and extension. Unit, case, class, template and version, states,
carrier, parts and the carrier's ids stay: what carriers bill is counted from them, and says the same for ever.
Each look goes on behind the last one, by number, so that old texts are not read again and again: texts whose time is
not over end it. A period that was made longer brings nothing back.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from alerts.settings import AlertRules
from alerts.states import State, as_int, as_json, listed
from alerts.tables import RetentionMark
from certs.tables import EvidenceRecord
from hall.ratings import PURPOSE as RATING
from hall.tables import Rating
from kernel.acts import Act, Done
from kernel.db import Database, Row, instant_of
from kernel.work import Work
from supervision.reply_codes import PURPOSE as CARD_REPLY
from supervision.tables import ReplyCode


class Keep(StrEnum):
    LAW = "law"  # 依法保存: alerts.keep_years
    OFFICE = "office"  # 备查: alerts.keep_days
    CODE = "code"  # 验证码: alerts.keep_code_days


#: By the number of the template.
PERIODS: Mapping[str, Keep] = MappingProxyType(
    {
        "T01": Keep.OFFICE,  # 待办提醒: the to-do itself is in the case
        "T02": Keep.OFFICE,  # 黄灯预警: the light is kept as such
        "T03": Keep.LAW,  # 红灯督办: tells of a supervision order
        "T04": Keep.OFFICE,  # 异常预警: the finding is kept as such
        "T05": Keep.LAW,  # 发牌确认
        "T06": Keep.LAW,  # 发牌通知
        "T07": Keep.LAW,  # 回执: names the evidence
        "T08": Keep.LAW,  # 申诉结果
        "T09": Keep.LAW,  # 接件
        "T10": Keep.LAW,  # 补正告知: art. 32
        "T11": Keep.LAW,  # 受理: art. 32
        "T12": Keep.LAW,  # 不予受理或许可: art. 32, 38
        "T13": Keep.LAW,  # 特殊程序: art. 45
        "T14": Keep.LAW,  # 延期: art. 42
        "T15": Keep.LAW,  # 办结取件: art. 44
        "T16": Keep.OFFICE,  # 进度答复: asked for, and asked again
        "T17": Keep.LAW,  # 视为受理: art. 32
        "T18": Keep.LAW,  # 投诉登记
        "T19": Keep.OFFICE,  # 指令帮助
        "T20": Keep.OFFICE,  # 日历预警
        "T21": Keep.CODE,  # 登录验证码
        "T22": Keep.LAW,  # 投诉受理决定
        "T23": Keep.OFFICE,  # 咨询答复: the answer is kept as such
        "T24": Keep.OFFICE,  # 证照到期提醒
        "T25": Keep.LAW,  # 证照注销或撤销: art. 69, 70
        "T26": Keep.LAW,  # 原件核对
        "T27": Keep.LAW,  # 办结电子送达: art. 44
        "T28": Keep.OFFICE,  # 催办
        "T29": Keep.LAW,  # 期限调整
        "T30": Keep.LAW,  # 听证权利告知: art. 47
        "T31": Keep.LAW,  # 听证通知: art. 48
        "T32": Keep.LAW,  # 视为准予延续: art. 50
        "T33": Keep.OFFICE,  # 待办汇总
        "T34": Keep.LAW,  # 短信未达: why somebody was told on paper
        "T35": Keep.OFFICE,  # 值班提醒
        "T36": Keep.OFFICE,  # 短信指令
        "T37": Keep.LAW,  # 评价回执: names the evidence
        "T38": Keep.LAW,  # 办结评价: a rating's evidence names it
        "T39": Keep.OFFICE,  # 通道告警
        "T40": Keep.OFFICE,  # 通道恢复
        "T41": Keep.OFFICE,  # 摆渡告警
        "T42": Keep.OFFICE,  # 摆渡恢复
        "T43": Keep.OFFICE,  # 积压告警
        "T44": Keep.LAW,  # 发牌确认（移动审批）
        "T45": Keep.LAW,  # 发牌通知（移动审批）
        "T46": Keep.OFFICE,  # 报送告警
        "T47": Keep.OFFICE,  # 报送恢复
        "R01": Keep.OFFICE,  # 说明
        "R02": Keep.LAW,  # in the place of any of them
        "O01": Keep.OFFICE,  # 运维短信
    }
)
#: A text in one of these may still go.
_UNDER_WAY = frozenset({State.HELD, State.QUEUED, State.UNKNOWN})


class StrikeOutTexts(Act[Done], frozen=True, tag="alerts.strike_out"):
    """The clock's: looks at up to `limit` texts of each period, the oldest first."""

    limit: int = 1000


def made_before(rules: AlertRules, period: Keep, now: datetime) -> datetime:
    """What was made before then, its period is over."""
    return (
        now
        - {
            Keep.LAW: timedelta(days=366 * rules.keep_years),
            Keep.OFFICE: timedelta(days=rules.keep_days),
            Keep.CODE: timedelta(days=rules.keep_code_days),
        }[period]
    )


def period_of(template: str) -> Keep:
    """Of a text that the program says no more nobody knows what it told."""
    return PERIODS.get(template.partition("_")[0], Keep.LAW)


async def strike_out_texts(work: Work, act: StrikeOutTexts) -> Done:
    """`count`: texts that were struck out."""
    count, rules = 0, work.given(AlertRules)
    for period in Keep:
        count += await _look(work.database, period, made_before(rules, period, work.now), act.limit, work.now)
    return Done(count=count)


async def reached(name: str) -> int:
    """The number behind which the next look of `name` begins."""
    mark = await RetentionMark.get_or_none(name=name)
    return mark.reached if mark else 0


async def reach(name: str, number: int) -> None:
    await RetentionMark.update_or_create({"reached": number}, name=name)


async def sealed_among(inbound: Iterable[int]) -> frozenset[int]:
    """Which texts from people are evidence, by their numbers."""
    numbers = list(inbound)
    found = await EvidenceRecord.filter(inbound__in=numbers).values_list("inbound", flat=True) if numbers else []
    return frozenset(int(str(number)) for number in found)


# ------------------------------------------------------------------------------------------------------------ below

_REPLY = re.compile(r"reply:(\d+):")
#: A key names whom it was for.
_NUMBER = re.compile(r"(?<![0-9A-Za-z])\+?1[3-9]\d{9}(?!\d)")


async def _look(database: Database, period: Keep, before: datetime, limit: int, now: datetime) -> int:
    name = f"texts.{period}"
    rows = await database.rows(
        "SELECT id, dedupe_key, template, to_phone, secret, case_number, state, created_at, masked_at FROM message"
        f" WHERE id > $1 ORDER BY id LIMIT {int(limit)}",
        await reached(name),
    )
    ended = _before(rows, before)
    if not ended:
        return 0
    ours = [row for row in ended if row["masked_at"] is None and period_of(str(row["template"])) is period]
    exempt = await _of_evidence(ours)
    chosen = [row for row in ours if as_int(row["id"]) not in exempt]
    await database.execute(
        "UPDATE message SET body = '', subject = '', to_phone = '', to_email = '', secret = '', extension = '',"
        f" dedupe_key = r.key, masked_at = $2 FROM {listed(database, 1, id='bigint', key='text')}"
        " WHERE message.id = r.id",
        as_json({"id": row["id"], "key": _without_number(row)} for row in chosen),
        now,
    )
    await reach(name, as_int(ended[-1]["id"]))
    return len(chosen)


def _before(rows: Sequence[Row], before: datetime) -> list[Row]:
    """The rows up to the first that is too young or may still go."""
    ended: list[Row] = []
    for row in rows:
        if instant_of(row["created_at"]) >= before or row["state"] in _UNDER_WAY:
            break
        ended.append(row)
    return ended


async def _of_evidence(rows: Sequence[Row]) -> frozenset[int]:
    """Those that asked for an answer that was sealed, or answered one."""
    answers = {as_int(row["id"]): int(found[1]) for row in rows if (found := _REPLY.match(str(row["dedupe_key"])))}
    cards = {as_int(row["id"]): int(_asked(row).partition(":")[0]) for row in rows if _asks(row, CARD_REPLY)}
    ratings = {as_int(row["id"]): str(row["case_number"]) for row in rows if _asks(row, RATING)}
    sealed = await sealed_among(answers.values())
    used = await ReplyCode.filter(id__in=list(cards.values()), used_at__isnull=False).values_list("id", flat=True)
    rated = await Rating.filter(case_number__in=list(ratings.values())).values_list("case_number", flat=True)
    return frozenset(
        text
        for asked, kept in ((answers, set(sealed)), (cards, set(used)), (ratings, set(rated)))
        for text, about in asked.items()
        if about in kept
    )


def _asks(row: Row, purpose: str) -> bool:
    return str(row["secret"]).startswith(f"{purpose}|")


def _asked(row: Row) -> str:
    return str(row["secret"]).split("|")[1]


def _without_number(row: Row) -> str:
    """Its own key still, and nobody's number."""
    key, stroke = str(row["dedupe_key"]), f"*{row['id']}"
    if row["to_phone"]:
        key = key.replace(f":{row['to_phone']}:", f":{stroke}:")
    return _NUMBER.sub(stroke, key)
