"""What the kernel forgets: the answers it kept for retries.

A phone retries within minutes; after `KEPT_FOR` a request with an old key is a new request. Events, and what the
packages above keep by law, are never touched here.
"""

from datetime import timedelta

from kernel.acts import Act, Done
from kernel.tables import PerformedAct
from kernel.work import Work

KEPT_FOR = timedelta(days=30)


class ForgetAnswers(Act[Done], frozen=True, tag="kernel.forget_answers"):
    """The clock's: forgets what was answered under idempotency keys more than a month ago."""


async def forget_answers(work: Work, act: ForgetAnswers) -> Done:
    return Done(count=await PerformedAct.filter(at__lt=work.now - KEPT_FOR).delete())
