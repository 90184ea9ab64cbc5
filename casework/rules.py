"""What a region sets for its casework."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from casework.catalogue.definitions import CLASS_NAMES, CODE_PATTERN, GRADE_NAMES, Grade, ItemClass
from casework.clock.time_limits import DaysUnit


class CaseworkRules(msgspec.Struct, frozen=True, kw_only=True):
    """`hall_unit` is the unit whose window clerks accept and deliver for every authority."""

    hall_unit: str = "HALL"
    item_code_pattern: str = CODE_PATTERN
    #: The region's words for the three classes, and what its four grades mean.
    class_names: Mapping[ItemClass, str] = msgspec.field(default_factory=CLASS_NAMES.copy)
    grade_names: Mapping[Grade, str] = msgspec.field(default_factory=GRADE_NAMES.copy)
    #: Items of these grades go online later, and must say why and when.
    deferred_grades: tuple[Grade, ...] = (Grade.C,)
    #: 时限压缩: by how much, 0 to 1, a promised limit is to be shorter than the law's.
    compression_target: float = 0.5
    #: 公示: working days for which a change of the catalogue lies open before anybody may confirm it.
    notice_working_days: int = 5
    #: Working days by which a window may be late with entering what it received; beyond them it is a second entry.
    latest_entry_days: int = 5
    #: Files that nobody filed are collected after this; it is longer than any upload receipt lives.
    unfiled_upload_life: timedelta = timedelta(hours=24)
    #: The law counts the authority's days in working days (art. 82) and does not say how it counts the applicant's:
    #: five to ask for a hearing (art. 47), thirty before the end of a licence (art. 50).
    hearing_days_unit: DaysUnit = DaysUnit.WORKING
    renewal_days_unit: DaysUnit = DaysUnit.CALENDAR
    #: Working days of one special procedure; the law sets no limit, but nobody may stop a clock for good.
    longest_stop_days: int = 120
    #: Where the public reaches the office: the address that stands on documents.
    public_url: str = "http://localhost:8000"
    #: Whether one person may act on two adjacent levels of a case (small counties).
    same_person_adjacent: bool = False
    #: 催办: hours that must pass before a case may be urged again.
    urge_every_hours: int = 4
