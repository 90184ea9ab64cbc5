"""Which ways are left when nobody got a text: one table, by template and class, each way in its turn.

Source: the public measures (red light: unit and persons responsible are told) and the Administrative Licensing Law,
art. 32, 42, 44, 45: what the applicant must be told is told on paper when no text gets through. How the ways are
taken: alerts/dead_letters.py. Whoever has the app sees there, in any case, what did not reach them.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from alerts.texts import MessageClass


class Way(StrEnum):
    SECOND_PHONE = "second_phone"  # the same person's other number; a code is drawn anew for it
    MAIL = "mail"  # where there is mail and an address; in place of a code only that there is something
    ON_PAPER = "on_paper"  # handlers and section head tell the applicant by telephone or on paper
    DUTY = "duty"  # the officer on duty, by text and mail: one message about all that failed together


class Chain(Struct, frozen=True, kw_only=True):
    """The ways for an officer, and for anybody else; whether supervision's list has it."""

    officer: tuple[Way, ...] = ()
    public: tuple[Way, ...] = ()
    supervised: bool = False


_WARNED = (Way.SECOND_PHONE, Way.MAIL, Way.DUTY)
NOTHING = Chain()

#: Whatever stands not below.
BY_CLASS: Mapping[MessageClass, Chain] = MappingProxyType(
    {
        MessageClass.WARNING: Chain(officer=_WARNED),
        # The law has applicants told; officers find these in the case.
        MessageClass.ITEM: Chain(public=(Way.ON_PAPER,)),
        # To-dos stand in the app; answers and codes are asked for again.
        MessageClass.NOTICE: NOTHING,
    }
)
BY_TEMPLATE: Mapping[str, Chain] = MappingProxyType(
    {
        "T03": Chain(officer=_WARNED, supervised=True),  # 红灯督办
        "T05": Chain(officer=_WARNED, supervised=True),  # 发牌确认
        "T06": Chain(officer=_WARNED, supervised=True),  # 发牌通知
        "T08": Chain(officer=(Way.SECOND_PHONE, Way.MAIL)),  # 申诉结果
        "T16": NOTHING,  # 进度答复: whoever asked asks again
        "T34": Chain(officer=(Way.SECOND_PHONE, Way.MAIL)),  # 短信未达
        "T35": NOTHING,  # 值班提醒: the end of every chain
        "T37": NOTHING,  # 评价回执
        "T38": NOTHING,  # 办结评价: nobody must
        "T39": NOTHING,  # 通道告警: supervision's and the operator's lists show the carrier
        "T40": NOTHING,  # 通道恢复
        "T41": NOTHING,  # 摆渡告警: `zhangban ferry status` and the metrics show it
        "T42": NOTHING,  # 摆渡恢复
        "T43": NOTHING,  # 积压告警
        "T44": Chain(officer=_WARNED, supervised=True),  # 发牌确认（移动审批）
        "T45": Chain(officer=_WARNED, supervised=True),  # 发牌通知（移动审批）
        "T46": NOTHING,  # 报送告警: `zhangban exchange status` and the metrics show it
        "T47": NOTHING,  # 报送恢复
    }
)


def chain_of(template: str, message_class: MessageClass) -> Chain:
    """The row of `template`, an id such as T03_RED_LIGHT."""
    return BY_TEMPLATE.get(template.partition("_")[0], BY_CLASS[message_class])
