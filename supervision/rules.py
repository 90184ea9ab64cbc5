"""What a city may set about its supervision. Defaults are the public measures' or our own, as marked."""

from datetime import timedelta

import msgspec

from kernel.actor import Role


class SupervisionRules(msgspec.Struct, frozen=True, kw_only=True):
    #: The unit that supervises: it issues orders and cards under its seal.
    supervision_unit: str = "JC"
    #: Working days a late unit has to finish and to explain. Ours; the measures leave it to the order.
    explain_limit_days: int = 3
    #: A leader answers within a day; afterwards a reminder brings a new code.
    code_validity: timedelta = timedelta(hours=24)
    code_digits: int = 5
    code_tries: int = 3
    #: Whether leaders get codes by text. Without them they are told, and answer in the app.
    texts_codes: bool = True
    #: More live codes on one phone would make a mistyped code hit another card; the rest is decided in the app.
    codes_per_phone: int = 200
    #: Office hours without an answer before a reminder, and again before the escalation.
    remind_after: timedelta = timedelta(hours=4)
    #: Who is asked, and may decide too, when the leaders stay silent: the holders of the first of these roles that
    #: anybody holds. Of unit heads only the supervising unit's own. Ours; the public measures name nobody.
    escalate_to: tuple[Role, ...] = (Role.EFFICIENCY_OFFICE, Role.UNIT_HEAD)
    #: The marks in the numbers: 衡江监察督〔2026〕1号, 黄牌 and 红牌 in series of their own.
    order_mark: str = "督"
    yellow_card_mark: str = "黄牌"
    red_card_mark: str = "红牌"
