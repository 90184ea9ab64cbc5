"""People without a certificate at the GraphQL door: who logs in by a texted code, and who brings out announcements."""

from typing import Any

from hall.accounts import login_code
from hall.tables import Applicant, LoginCode
from tests.mobile_api.stage import Stage


async def texted_code(stage: Stage, phone: str) -> str:
    """What the newest login text to `phone` says."""
    applicant = await Applicant.get(phone=phone)
    row = await LoginCode.filter(applicant_id=applicant.id).order_by("-id").first()
    assert row is not None
    return login_code(stage.secrets, row)


async def log_in(stage: Stage, phone: str) -> str:
    """The token of an applicant who answered the code."""
    asked = await stage.get("RequestLoginCode", idempotencyKey=stage.secrets.token(), phone=phone)
    assert asked["__typename"] == "LoginCodePayload", asked
    code = await texted_code(stage, phone)
    session = await stage.get("LogInByCode", idempotencyKey=stage.secrets.token(), phone=phone, code=code)
    assert session["__typename"] == "ApplicantSessionPayload", session
    return str(session["token"])


async def take_step(stage: Stage, officer: str, number: str, step: str, opinion: str = "同意。") -> dict[str, Any]:
    """Reads the desk, prepares, signs and submits one step of an announcement."""
    phone = await stage.phone(officer)
    desk = await stage.get("AnnouncementDesk", phone.token)
    row = next(node for node in desk["nodes"] if node["number"] == number)
    chosen = {"number": number, "revision": row["revision"], "step": step, "opinion": opinion}
    request = await stage.get("PrepareAnnouncementStep", phone.token, step=chosen)
    if request["__typename"] != "SigningPayload":
        return dict(request)
    key = stage.secrets.token()
    return dict(
        await stage.get(
            "TakeAnnouncementStep", phone.token, idempotencyKey=key, step=chosen, signed=phone.signed(request)
        )
    )
