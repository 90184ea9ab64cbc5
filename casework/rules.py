"""What a region sets for its casework."""

import msgspec

from casework.catalogue.definitions import CODE_PATTERN


class CaseworkRules(msgspec.Struct, frozen=True, kw_only=True):
    """`hall_unit` is the unit whose window clerks accept and deliver for every authority."""

    hall_unit: str = "HALL"
    item_code_pattern: str = CODE_PATTERN
    #: Working days of one special procedure; the law sets no limit, but nobody may stop a clock for good.
    longest_stop_days: int = 120
    #: Whether one person may act on two adjacent levels of a case (small counties).
    same_person_adjacent: bool = False
