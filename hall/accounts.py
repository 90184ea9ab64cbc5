"""An applicant's account: a phone number, proved at every login by a code that is texted to it.

A code is derived from its row and the office's key, so it is never stored; it is good for one phone, one login, five
minutes and three tries, and a newer one makes it worthless. A try is counted before it is looked at. Whether a number
has an account is told to nobody.

Limits: who is given a number that somebody else had before sees that person's cases, as with every text to it. One
phone is texted at most ten codes a day, but who has many addresses can ask for many phones; rates per address stand
at the door. A session ends by itself and cannot be ended before.
"""

from datetime import datetime, timedelta
from hmac import compare_digest
from math import ceil

from tortoise.expressions import F

from hall.events import ApplicantLoggedIn, LoginCodeDrawn
from hall.refusals import CodeTooOften, LoginCodeWrong
from hall.rules import HallRules
from hall.tables import Applicant, LoginCode
from kernel.actor import Actor, ActorKind, Assurance, Role
from kernel.acts import Act, Done, View
from kernel.chance import Secrets
from kernel.numbers import next_number
from kernel.refusals import Invalid, Refusal
from kernel.work import Work

PURPOSE = "applicant-login"
DIGITS = 6
_FORGOTTEN_AFTER = timedelta(days=2)


class LoginCodeView(View, frozen=True, tag="login_code"):
    """Says that a text is on its way, and nothing about the code."""

    expires_at: datetime


class ApplicantSession(View, frozen=True, tag="applicant_session"):
    """`id` names the session; a door makes the token."""

    id: str
    applicant: str
    issued_at: datetime
    expires_at: datetime


class RequestLoginCode(Act[LoginCodeView], frozen=True, tag="hall.request_login_code"):
    """获取验证码."""

    phone: str


class LogInByCode(Act[ApplicantSession], frozen=True, tag="hall.log_in"):
    phone: str
    code: str


class ForgetLoginCodes(Act[Done], frozen=True, tag="hall.forget_login_codes"):
    """The clock's: deletes codes that no limit counts any more, and accounts nobody ever proved."""


async def request_login_code(work: Work, act: RequestLoginCode) -> LoginCodeView:
    """Draws a code and has it texted. Raises INVALID, LOGIN_CODE_TOO_OFTEN."""
    if not (act.phone.isascii() and act.phone.isdecimal() and len(act.phone) == 11 and act.phone.startswith("1")):
        raise Invalid(field="手机号码", why="应为11位大陆手机号码")
    rules = work.given(HallRules)
    applicant = await Applicant.get_or_none(phone=act.phone)
    if applicant is None:
        number = f"AP{await next_number('applicant'):08d}"
        applicant = await Applicant.create(id=number, phone=act.phone, opened_at=work.now)
    # The row stays locked until this act is over: requests that arrive together are counted one after another.
    await Applicant.filter(id=applicant.id).update(phone=act.phone)
    for most, span in rules.codes_per:
        drawn = LoginCode.filter(applicant_id=applicant.id, drawn_at__gt=work.now - span).order_by("-drawn_at")
        codes = await drawn.limit(most)
        if len(codes) >= most:
            raise CodeTooOften(seconds=ceil((codes[-1].drawn_at + span - work.now).total_seconds()))
    code = await LoginCode.create(
        applicant_id=applicant.id,
        nonce=work.secrets.token(),
        drawn_at=work.now,
        expires_at=work.now + rules.code_life,
    )
    work.record(LoginCodeDrawn(applicant=applicant.id, code=code.id))
    return LoginCodeView(expires_at=code.expires_at)


async def log_in_by_code(work: Work, act: LogInByCode) -> ApplicantSession | Refusal:
    """A session for whoever reads the phone's texts. A wrong code is returned, not raised, so that its count stays."""
    applicant = await Applicant.get_or_none(phone=act.phone)
    newest = await LoginCode.filter(applicant_id=applicant.id).order_by("-id").first() if applicant else None
    if applicant is None or newest is None:
        return LoginCodeWrong()
    rules = work.given(HallRules)
    alive = LoginCode.filter(id=newest.id, used_at=None, expires_at__gt=work.now)
    if await alive.filter(attempts__lt=rules.code_tries).update(attempts=F("attempts") + 1) != 1:
        return LoginCodeWrong()
    if not compare_digest(act.code.strip().encode(), login_code(work.secrets, newest).encode()):
        return LoginCodeWrong()
    await alive.update(used_at=work.now)
    await Applicant.filter(id=applicant.id).update(last_login_at=work.now)
    work.record(ApplicantLoggedIn(applicant=applicant.id))
    return ApplicantSession(
        id=work.secrets.token(),
        applicant=applicant.id,
        issued_at=work.now,
        expires_at=work.now + rules.session_life,
    )


async def forget_login_codes(work: Work, act: ForgetLoginCodes) -> Done:
    before = work.now - _FORGOTTEN_AFTER
    codes = await LoginCode.filter(drawn_at__lt=before).delete()
    accounts = await Applicant.filter(last_login_at=None, opened_at__lt=before).delete()
    return Done(count=codes + accounts)


async def applicant_behind(id: str) -> Actor | None:
    """The account as an actor. No officer: `any_officer` and every role's permission refuse it."""
    applicant = await Applicant.get_or_none(id=id)
    if applicant is None:
        return None
    return Actor(
        kind=ActorKind.APPLICANT,
        id=applicant.id,
        roles=frozenset({Role.APPLICANT}),
        phone=applicant.phone,
        assurance=Assurance.SESSION,
    )


def login_code_value(row: LoginCode) -> str:
    """What the code is derived from; stands in the queue in the code's place."""
    return f"{row.id}:{row.nonce}"


def login_code(secrets: Secrets, row: LoginCode) -> str:
    """The code as it goes into the text. Never to be logged or stored."""
    return secrets.derived_code(PURPOSE, login_code_value(row), DIGITS)
