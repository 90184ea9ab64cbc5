"""What a city may set about its public hall, with the reason for each default."""

from datetime import timedelta

import msgspec


class HallRules(msgspec.Struct, frozen=True, kw_only=True):
    #: Working days to answer a question of the public. No law gives a number; five is what halls promise.
    answer_limit_days: int = 5
    #: A login code lives as long as a slow text may take.
    code_life: timedelta = timedelta(minutes=5)
    code_tries: int = 3
    #: How often one phone is texted a code: a person mistypes, a machine bombs.
    codes_per: tuple[tuple[int, timedelta], ...] = (
        (1, timedelta(minutes=1)),
        (5, timedelta(hours=1)),
        (10, timedelta(days=1)),
    )
    #: How long after its completion a case may be rated.
    rating_life: timedelta = timedelta(days=30)
    #: Long enough to file an application; every login costs a text.
    session_life: timedelta = timedelta(hours=1)
