"""A small town for casework tests: one authority with three levels, a hall, a supervisory body, one item."""

import json
from datetime import date, datetime
from typing import Any

from casework import files
from casework.acts import (
    CaseView,
    Channel,
    Decide,
    Decision,
    FileApplication,
    FiledView,
    MaterialGiven,
    PrepareDecision,
    PublishItem,
)
from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import CHINA, Calendar
from casework.intake.acts import KeepUpload
from casework.intake.query_passwords import query_password
from casework.rules import CaseworkRules
from hall.rules import HallRules
from kernel.actor import ANYBODY, THE_CLOCK, THE_OPERATOR, Actor, ActorKind, Assurance, Role
from kernel.acts import Act, SignedBytes, SigningRequest
from kernel.chance import Secrets
from kernel.clock import FakeClock
from kernel.db import Database
from kernel.events import EventCodec
from kernel.office import Office
from kernel.outbox import Outbox
from kernel.refusals import Refusal
from kernel.tables import Officer, Unit
from kernel.work import Desk
from server.acts import RULES
from server.wiring import EVENTS
from tests.fakes.notary import FakeNotary

UNITS = (
    ("HALL", "政务服务中心", "衡政务", "hall"),
    ("ZJ", "住房和城乡建设局", "衡住建", "authority"),
    ("XF", "消防救援大队", "衡消防", "authority"),
    ("RF", "人民防空办公室", "衡人防", "authority"),
    ("SZJ", "市住房和城乡建设局", "市住建", "authority"),
    ("GOV", "人民政府", "衡政府", "government"),
)
#: id, name, unit, roles
PEOPLE = (
    ("CLERK", "窗小李", "HALL", [Role.WINDOW_CLERK]),
    ("HANDLER", "张承办", "ZJ", [Role.HANDLER]),
    ("HANDLER2", "钱承办", "ZJ", [Role.HANDLER]),
    ("HEAD", "王科长", "ZJ", [Role.SECTION_HEAD]),
    ("BOTH", "孙两任", "ZJ", [Role.HANDLER, Role.SECTION_HEAD]),
    ("LEADER", "赵局长", "ZJ", [Role.DEPUTY_LEADER]),
    ("CHIEF", "周一把", "ZJ", [Role.UNIT_HEAD]),
    ("REFORM", "审改员", "HALL", [Role.REFORM_OFFICE]),
    ("FIRE", "冯消防", "XF", [Role.HANDLER]),
    ("FIRE_HEAD", "蒋队长", "XF", [Role.SECTION_HEAD]),
    ("SHELTER", "沈人防", "RF", [Role.HANDLER]),
    ("CITY", "韩市局", "SZJ", [Role.HANDLER]),
    ("CITY_LEADER", "杨局长", "SZJ", [Role.DEPUTY_LEADER]),
    ("WATCH", "朱监察", "HALL", [Role.SUPERVISOR]),
    ("REFORM2", "审改乙", "HALL", [Role.REFORM_OFFICE]),
    ("LEGAL", "法制员", "HALL", [Role.LEGAL_OFFICE]),
    ("PRICE", "物价员", "HALL", [Role.PRICE_OFFICE]),
    ("EFFICIENCY", "效能员", "HALL", [Role.EFFICIENCY_OFFICE]),
    ("FIRE_CHIEF", "何支队", "XF", [Role.UNIT_HEAD]),
    ("MANY_HATS", "兼多职", "ZJ", [Role.LIAISON, Role.REFORM_OFFICE, Role.LEGAL_OFFICE]),
    ("MAYOR", "马县长", "GOV", [Role.GOVERNMENT_HEAD]),
)


def item(
    code: str = "ZJ-XK-001", *, statutory: int = 20, committed: int = 20, levels: int = 3, changes=None, **more
) -> bytes:
    """A complete definition; `changes` and `more` replace top-level fields."""
    roles = ["handler", "section_head", "deputy_leader"]
    definition = {
        "code": code,
        "item_class": "permit",
        "grade": "B",
        "unit": "ZJ",
        "name": "建筑工程施工许可证核发",
        "section": "建筑业管理科",
        "person": "张承办",
        "duties": "审查申请材料并提出意见",
        "phone": "0734-1234567",
        "certificate": "建筑工程施工许可证，有效期至工程竣工",
        "kind_and_effect": "行政许可",
        "basis": ["《中华人民共和国建筑法》第七条"],
        "conditions": ["已办理用地批准手续"],
        "accepting_office": "政务服务中心一楼",
        "deciding_authority": "住房和城乡建设局",
        "forms": "施工许可申请表",
        "inspection": "无",
        "enquiries_and_complaints": ["咨询：住建局 0734-1234567", "投诉：监察中心 0734-7654321"],
        "stages": [
            {
                "code": f"{code}-01",
                "name": "核发",
                "basis": "《建筑法》第八条",
                "materials": [{"name": "申请表", "basis": "《建筑工程施工许可管理办法》第五条"}],
                "statutory_limit_days": statutory,
                "committed_limit_days": committed,
                "limit_basis": "《建筑法》第八条",
                "fees": "无",
                "levels": [{"role": role} for role in roles[3 - levels :]]
                if levels < 3
                else [{"role": r} for r in roles],
                "process": [],
            }
        ],
        **(changes or {}),
        **more,
    }
    return json.dumps(definition, ensure_ascii=False).encode()


class Town:
    def __init__(self, database: Database, clock: FakeClock, rules: CaseworkRules) -> None:
        self.database, self.clock = database, clock
        self.notary = FakeNotary()
        self.secrets = Secrets(b"k" * 32)
        self.desk = desk = Desk(
            database=database,
            clock=clock,
            notary=self.notary,
            secrets=self.secrets,
            provisions={Calendar: builtin_calendar(), CaseworkRules: rules, HallRules: HallRules()},
        )
        self.office = Office(desk, outbox=Outbox(database, EventCodec(EVENTS), ()), rules=RULES)
        self._keys = 0

    async def settle(self) -> None:
        await Unit.bulk_create([Unit(code=c, name=n, short_name=s, kind=k) for c, n, s, k in UNITS])
        await Officer.bulk_create(
            [
                Officer(id=id, name=name, unit_code=unit, phone=f"1390000{n:04d}", roles=roles)
                for n, (id, name, unit, roles) in enumerate(PEOPLE)
            ]
        )

    def at(self, when: str) -> None:
        """Moves the clock to local `YYYY-MM-DD[ HH:MM]`, 09:00 unless said."""
        moment = datetime.fromisoformat(when if " " in when else f"{when} 09:00")
        self.clock.set(moment.replace(tzinfo=CHINA))

    async def do(self, act: Act[Any], actor: Actor = THE_CLOCK, *, key: str = "", proof=None) -> Any:
        self._keys += 1
        return await self.office.perform(act, actor, key=key or f"key-{self._keys}", proof=proof)

    async def publish(self, definition: bytes = b"") -> Any:
        return await self.do(PublishItem(definition=definition or item()), THE_OPERATOR)

    async def knows(self, *digests: str) -> None:
        """Notes files, as the door does."""
        for digest in digests:
            await self.do(KeepUpload(sha256=digest, size=9, media_type="application/pdf"), ANYBODY)

    async def file(self, *, channel: Channel = Channel.ONLINE, received_on: date | None = None, **changes) -> FiledView:
        act = FileApplication(
            **{
                "item": "ZJ-XK-001",
                "stage": "ZJ-XK-001-01",
                "applicant_name": "衡江建设有限公司",
                "applicant_id_number": "91430400MA4L000000",
                "applicant_phone": "13800000001",
                "channel": channel,
                "materials": (MaterialGiven(name="申请表"),),
                "received_on": received_on,
                **changes,
            }
        )
        filed = await self.do(act, person("CLERK") if channel is Channel.WINDOW else ANYBODY)
        assert isinstance(filed, FiledView), filed
        return filed

    def password_of(self, filed: FiledView) -> str:
        """What the applicant reads on the receipt."""
        return query_password(self.secrets, filed.number)

    async def decide(
        self, who: str, case: str, step: str, decision: Decision, opinion: str = "同意。", *, key: str = "", **more
    ) -> CaseView | Refusal:
        """Prepares, signs and submits, as a phone does; the case's present revision unless `revision` is given."""
        revision = more.pop("revision", None) or (await files.find(case)).revision
        fields = {"case": case, "revision": revision, "step": step, "decision": decision, "opinion": opinion, **more}
        request = await self.do(PrepareDecision(**fields), person(who))
        if not isinstance(request, SigningRequest):
            return request
        proof = SignedBytes(nonce=request.nonce, signature=b"s")
        return await self.do(Decide(**fields), person(who), key=key, proof=proof)

    async def accepted(self, **changes) -> str:
        """A case that the window accepted; its number."""
        filed = await self.file(**changes)
        await self.decide("CLERK", filed.number, "accept", Decision.ACCEPT, "材料齐全，予以受理。")
        return filed.number

    async def granted(self) -> str:
        number = await self.accepted()
        await self.decide("HANDLER", number, "level:1", Decision.AGREE)
        await self.decide("HEAD", number, "level:2", Decision.AGREE)
        await self.decide("LEADER", number, "level:3", Decision.GRANT)
        return number


def person(id: str) -> Actor:
    _, name, unit, roles = next(each for each in PEOPLE if each[0] == id)
    return Actor(
        kind=ActorKind.OFFICER,
        id=id,
        name=name,
        roles=frozenset(roles),
        unit=unit,
        assurance=Assurance.SESSION,
    )
