"""The query password of a case: six digits that follow from its number and the office's key.

There is no table of passwords, and no view, event or log holds one. It is printed in one place: the applicant's
receipt (《接件凭证》), a document of the case that the database keeps and the officers of the case may open. The
answer to the filing and the text to the applicant derive it as they leave. What people text to us is kept as it came.

It opens the applicant's doors from any phone: the progress of the case, and its withdrawal. A guess is one in a
million; `MOST_WRONG` wrong ones a day for a case keep it a guess and still forgive a tired applicant. A try is
counted before it is looked at, so guesses that arrive together get no more than one after another.
"""

import hmac

from tortoise.expressions import F

from casework.clock.working_days import day_of
from casework.tables import QueryAttempt
from kernel.chance import Secrets
from kernel.refusals import Refusal
from kernel.work import Work

DIGITS = 6
MOST_WRONG = 10


class QueryPasswordNeeded(Refusal):
    code = "QUERY_PASSWORD_NEEDED"
    zh = "本机不是申请时登记的号码，查询需要查询密码：CX受理号#查询密码。"
    en = "From this phone the query password is needed."


class QueryPasswordWrong(Refusal):
    code = "QUERY_PASSWORD_WRONG"
    zh = "查询密码不正确，今日还可尝试{left}次。"
    en = "The query password is wrong; {left} tries are left today."


class QueryLocked(Refusal):
    code = "QUERY_LOCKED"
    zh = "查询密码错误次数过多，该件今日不再接受密码查询。"
    en = "Too many wrong passwords; this case takes no more today."


def query_password(secrets: Secrets, number: str) -> str:
    return secrets.derived_code("query", number, DIGITS)


async def objection(work: Work, number: str, password: str | None) -> Refusal | None:
    """Why `password` does not open case `number`, or None. Return it, do not raise it: the count must be kept."""
    if not password:
        return QueryPasswordNeeded()
    attempt, _ = await QueryAttempt.get_or_create(case_number=number, day=day_of(work.now))
    row = QueryAttempt.filter(id=attempt.id)
    # The row stays locked until this act is over: the others wait here, and then see what this one counted.
    if await row.filter(wrong__lt=MOST_WRONG).update(wrong=F("wrong") + 1) != 1:
        return QueryLocked()
    if hmac.compare_digest(password.strip().encode(), query_password(work.secrets, number).encode()):
        await row.update(wrong=F("wrong") - 1)
        return None
    await attempt.refresh_from_db(fields=["wrong"])
    return QueryPasswordWrong(left=MOST_WRONG - attempt.wrong)
