"""The casework tests' town, with the public before the door."""

from casework.rules import CaseworkRules
from hall.accounts import LogInByCode, RequestLoginCode, applicant_behind, login_code
from hall.announcements import PrepareAnnouncementStep, TakeAnnouncementStep
from hall.progress import ProgressView, QueryProgress
from hall.publishing import PublishingStep
from hall.tables import LoginCode
from kernel.actor import ANYBODY, Actor, ActorKind, Assurance, Role
from kernel.acts import SignedBytes, SigningRequest
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from tests.casework.town import Town


class Hall(Town):
    def __init__(self, database, clock) -> None:
        super().__init__(database, clock, CaseworkRules())

    async def settle(self) -> None:
        await super().settle()
        await Unit.create(code="JC", name="监察委员会", short_name="衡监察", kind="supervision")
        for id, name, unit, phone, role in (
            ("JCLEADER", "吴监察", "JC", "13700000001", Role.SUPERVISION_LEADER),
            ("JCCLERK", "郑监察", "JC", "13700000002", Role.SUPERVISOR),
            ("XXZX", "陆信息", "HALL", "13700000003", Role.INFORMATION_CENTRE),
        ):
            await Officer.create(id=id, name=name, unit_code=unit, phone=phone, roles=[role])

    async def query(self, number: str, *, phone: str | None, password: str | None = None) -> ProgressView | Refusal:
        """As a text message from `phone`; None: from the public page."""
        actor = Actor(kind=ActorKind.ANONYMOUS, id=phone or "anonymous", phone=phone)
        return await self.office.perform(QueryProgress(number=number, password=password), actor, key=None)

    async def officer(self, id: str) -> Actor:
        row = await Officer.get(id=id)
        return Actor(
            kind=ActorKind.OFFICER,
            id=row.id,
            name=row.name,
            roles=frozenset(Role(role) for role in row.roles),
            unit=row.unit_code,
            phone=row.phone,
            assurance=Assurance.SESSION,
        )

    # ------------------------------------------------------------------------------------------ applicants
    async def ask_for_code(self, phone: str):
        return await self.do(RequestLoginCode(phone=phone), ANYBODY)

    async def code_of(self, phone: str) -> str:
        """What the newest text to `phone` says."""
        row = await LoginCode.filter(applicant_id__in=await self._accounts(phone)).order_by("-id").first()
        assert row is not None
        return login_code(self.secrets, row)

    async def log_in(self, phone: str, code: str | None = None):
        return await self.do(LogInByCode(phone=phone, code=code or await self.code_of(phone)), ANYBODY)

    async def applicant(self, phone: str) -> Actor:
        """Somebody who answered a code."""
        assert not isinstance(await self.ask_for_code(phone), Refusal)
        session = await self.log_in(phone)
        assert not isinstance(session, Refusal), session
        actor = await applicant_behind(session.applicant)
        assert actor is not None
        return actor

    async def _accounts(self, phone: str) -> list[str]:
        rows = await self.database.rows("SELECT id FROM applicant WHERE phone = $1", phone)
        return [str(row["id"]) for row in rows]

    # --------------------------------------------------------------------------------------- announcements
    async def take(self, who: str, number: str, step: PublishingStep, opinion: str = "同意。", **more):
        """Prepares, signs and submits a step at the announcement's present revision."""
        (row,) = await self.database.rows("SELECT revision FROM announcement WHERE number = $1", number)
        fields = {"number": number, "revision": row["revision"], "step": step, "opinion": opinion, **more}
        actor = await self.officer(who)
        request = await self.do(PrepareAnnouncementStep(**fields), actor)
        if not isinstance(request, SigningRequest):
            return request
        return await self.do(
            TakeAnnouncementStep(**fields), actor, proof=SignedBytes(nonce=request.nonce, signature=b"s")
        )


def code(outcome: object) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code
