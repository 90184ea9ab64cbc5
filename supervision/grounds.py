"""The published grounds on which a card may be issued (发牌情形), each with the law or rule it rests on.

Source: the eight grounds of the public measures for electronic supervision, cited to the Administrative Licensing
Law (行政许可法) where it speaks, else to the city's own supervision rules (行政审批电子监察办法). A card names one
ground; "other" must say what happened.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec


class Ground(StrEnum):
    REFUSED_LAWFUL_APPLICATION = "refused_lawful_application"
    OVER_COMMITTED_LIMIT = "over_committed_limit"
    STEP_OVERTIME = "step_overtime"
    LATE_REPORT_UP = "late_report_up"
    NO_REASONS = "no_reasons"
    NOT_ONLINE = "not_online"
    ILLEGAL_FEE = "illegal_fee"
    OTHER = "other"


class Citation(msgspec.Struct, frozen=True):
    """`short` fits into a text message; `law` is what the card's paper cites."""

    short: str
    law: str


GROUNDS: Mapping[Ground, Citation] = MappingProxyType(
    {
        Ground.REFUSED_LAWFUL_APPLICATION: Citation("应受理而不予受理", "《行政许可法》第七十二条第（一）项"),
        Ground.OVER_COMMITTED_LIMIT: Citation("超过承诺时限未办结", "《行政许可法》第四十二条、第七十四条"),
        Ground.STEP_OVERTIME: Citation("办理环节超时", "《行政审批电子监察办法》关于环节时限的规定"),
        Ground.LATE_REPORT_UP: Citation("未按期审查上报", "《行政许可法》第四十三条"),
        Ground.NO_REASONS: Citation("未依法说明理由", "《行政许可法》第三十八条第二款、第七十二条"),
        Ground.NOT_ONLINE: Citation("不进入系统办理", "《行政审批电子监察办法》关于网上办理的规定"),
        Ground.ILLEGAL_FEE: Citation("违法收费", "《行政许可法》第五十八条、第七十五条"),
        Ground.OTHER: Citation("其他违规行为", "《行政审批电子监察办法》关于其他情形的规定"),
    }
)
