"""The story: a county, its phones, an application signed through three levels, a deadline missed, a card confirmed.

Every step goes through a real door: GraphQL over HTTP from phones with their own keys, text messages over SMPP, the
server's own timer on a clock that is moved. The first step that does not hold ends the story.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from casework.intake.query_passwords import query_password
from casework.seed import SeedOfficer, county
from casework.tables import Case, Task
from kernel.actor import Role
from kernel.log import verify
from server.demo.carrier import People
from server.demo.cast import chain, code_in, people, unit_head
from server.demo.phone import Answer, Api, Phone, Refused
from server.demo.staging import PATIENCE_S, Staging, StepFailed, StoryEnded
from server.desk import approve_at_the_desk, load_county
from server.doors import Doors
from supervision.tables import Card

CHAPTERS = 6
_APPLICANT, _STRANGER = "13811110001", "13922220002"
_BUILDING, _FOOD = ("ZJ-XK-001", "ZJJ"), ("SJ-XK-001", "SJJ")
#: Lights turn at midnight; people answer in the morning.
_NIGHT = timedelta(hours=9)
_BIND_PATIENCE_S = 5.0
#: Real seconds to wait for people whose phones are at somebody else's carrier.
_FOREIGN_PATIENCE_S = 30.0


@dataclass(kw_only=True)
class Story(Staging):
    api: Api
    people: People
    doors: Doors
    _phones: dict[str, Phone] = field(default_factory=dict)
    _number: str = ""
    _late: str = ""
    _card: str = ""

    async def run(self) -> None:
        """Tells the story to its end or to the first step that does not hold."""
        with suppress(StoryEnded):
            await self.chapter("一个县", "a county with its catalogue and calendar", self._a_county)
            await self.chapter("手机入网", "phones enrol and log in by certificate", self._phones_enrol)
            await self.chapter("一件申请", "an application, signed at three levels", self._an_application)
            await self.chapter("时限", "time passes: yellow light, red light, order, card", self._time_passes)
            await self.chapter("短信发牌", "the leader confirms the card by text message", self._the_card)
            await self.chapter("短信查询", "the applicant asks by text message", self._the_query)
            await self.settled()

    # ------------------------------------------------------------------------------------------------ chapters
    async def _a_county(self) -> None:
        await self.step("the gateway is bound to its carrier", "sms", self._carriers_are_bound())
        count = await self.step("the county and its catalogue are published", "command", load_county(self.system))
        guide = await self.step("the public guide shows all fourteen elements", "graphql", self._guide())
        self.teller.line(f"{county().name}：{count}个事项，例：{guide}")

    async def _phones_enrol(self) -> None:
        operators = [self._phone_of(officer) for officer in people(Role.RA_OPERATOR)]
        for operator in operators:
            name = f"RA operator {operator.officer} is certified at the desk"
            await self.step(name, "command", self._first_certificate(operator))
        first, second = operators[:2]
        for officer in (
            *people(Role.WINDOW_CLERK)[:1],
            *(each for unit in ("ZJJ", "SJJ") for each in chain(unit)),
            *people(Role.SUPERVISION_LEADER),
        ):
            name = f"{officer.id} enrols before two RA operators and logs in"
            await self.step(name, "graphql", self._enrol(self._phone_of(officer), first, second))
        stranger = Phone(self.api, "OFF-0001", "陌生人")
        await self.step(
            "a phone without a certificate is refused",
            "graphql",
            self._is_refused(stranger.ask("BeginLogin", certificate="AAAA"), "CERTIFICATE_MALFORMED"),
        )

    async def _an_application(self) -> None:
        number = await self.step("an applicant files online", "graphql", self._file(_BUILDING[0]))
        self._number = number
        if self.people.own:
            text = await self.step(
                "a text brings number and query password", "sms", self.people.receives(_APPLICANT, number, "查询密码")
            )
            self.teller.text(_APPLICANT, text)
        clerk = self._phones[people(Role.WINDOW_CLERK)[0].id]
        accepted = clerk.decide(number, "ACCEPT", "申请材料齐全，符合法定形式，予以受理。")
        await self.step("the window accepts with a signed opinion", "window", accepted)
        handler, head, leader = (self._phones[officer.id] for officer in chain(_BUILDING[1]))
        for phone, decision, opinion in (
            (handler, "AGREE", "经审查，用地、规划、施工图和资金证明齐全，建议准予许可。"),
            (head, "AGREE", "复核无误，同意准予许可。"),
            (leader, "GRANT", "准予施工许可，请依法公开。"),
        ):
            seen = await self.step(
                f"{phone.officer} signs {decision}", "graphql", phone.decide(number, decision, opinion)
            )
            self.teller.line(f"{phone.name}：{opinion}（灯{seen['light']}，剩{seen['daysLeft']}个工作日）")
        await self.step("a tampered opinion is refused", "graphql", self._tampered(handler))
        await self.step("the handler completes", "graphql", handler.decide(number, "COMPLETE", "已制证，办结。"))
        if self.people.own:
            done = await self.step("a text says what was decided", "sms", self.people.receives(_APPLICANT, "已办结"))
            self.teller.text(_APPLICANT, done)
        await self.step("the window delivers", "window", clerk.decide(number, "DELIVER", "申请人到窗口当面领取。"))

    async def _time_passes(self) -> None:
        late = await self.step("a second case is filed and accepted", "window", self._filed_and_accepted(_FOOD[0]))
        self._late = late
        task = await self._open_task(late)
        handler, head, _ = chain(_FOOD[1])
        await self.move_to(task.yellow_at)
        if self.people.own:
            text = await self.step(
                "yellow light: a text to those responsible", "sms", self.people.receives(handler.phone, late, "黄灯")
            )
            self.teller.text(handler.phone, text)
        await self.step("the to-do list shows yellow", "graphql", self._shows_light(handler, late, "YELLOW"))
        await self.move_to(task.case_red_at or task.red_at)
        if self.people.own:
            text = await self.step(
                "red light: a text with the supervision order",
                "sms",
                self.people.receives(head.phone, late, "红灯", "督办"),
            )
            self.teller.text(head.phone, text)
        await self.step("the to-do list shows red", "graphql", self._shows_light(handler, late, "RED"))
        await self.move_to(self.clock.now() + _NIGHT)
        self._card = await self.step("a card is proposed, without effect yet", "timer", self._proposed_card(late))

    async def _the_card(self) -> None:
        (leader,) = people(Role.SUPERVISION_LEADER)
        if not self.people.own:
            confirmed = self.until(self._card_is_effective, _FOREIGN_PATIENCE_S)
            await self.step("the leader confirms the card by text", "sms", confirmed)
            return
        asked = await self.step(
            "a text with a one-time code to the leader", "sms", self.people.receives(leader.phone, "发牌确认")
        )
        self.teller.text(leader.phone, asked)
        code = code_in(asked)
        wrong = f"{(int(code) + 1) % 100000:05d}"
        await self.step(
            "a wrong code is refused and explained", "sms", self._reply(leader.phone, f"1{wrong}", "不正确")
        )
        strange = self._reply(_STRANGER, f"1{code}", "没有待回复")
        await self.step("a strange phone with the code is refused", "sms", strange)
        receipt = await self.step(
            "the right code confirms; the receipt names the evidence",
            "sms",
            self._reply(leader.phone, f"1{code}", "存证号"),
        )
        self.teller.line(f"{leader.name} 回复 1{code}")
        self.teller.text(leader.phone, receipt)
        await self.step("the card is numbered and has effect", "sms", self.until(self._card_is_effective, PATIENCE_S))
        head = unit_head(_FOOD[1])
        served = await self.step("it is served to the unit's head", "sms", self.people.receives(head.phone, "黄牌"))
        self.teller.text(head.phone, served)
        await self.step("a used code is refused", "sms", self._reply(leader.phone, f"同意 {code}", "已使用过"))
        await self.step(
            "the unit's head acknowledges by text", "sms", self._reply(head.phone, f"1{code_in(served)}", "存证号")
        )
        await self.step("an expired code is refused", "sms", self._expired_code(leader))

    async def _the_query(self) -> None:
        if not self.people.own:
            asked = self.until(self._somebody_asked, _FOREIGN_PATIENCE_S)
            await self.step("an applicant's query is answered", "sms", asked)
        else:
            answer = await self.step(
                "the applicant asks and is told", "sms", self._reply(_APPLICANT, f"CX{self._late}", "现处")
            )
            self.teller.line(f"申请人发送 CX{self._late}")
            self.teller.text(_APPLICANT, answer)
            await self.step(
                "a strange phone needs the password", "sms", self._reply(_STRANGER, f"ＣＸ {self._late}", "查询密码")
            )
            password = query_password(self.system.secrets, self._late)
            await self.step(
                "with the password it is told", "sms", self._reply(_STRANGER, f"cx{self._late}#{password}", "现处")
            )
            await self.step("an unreadable text gets help", "sms", self._reply(_STRANGER, "你好", "未识别"))
        await self.step("the event log verifies", "command", self._log_verifies())

    # --------------------------------------------------------------------------------------------------- parts
    def _phone_of(self, officer: SeedOfficer) -> Phone:
        return self._phones.setdefault(officer.id, Phone(self.api, officer.id, officer.name))

    async def _carriers_are_bound(self) -> None:
        for carrier in self.doors.carriers:
            try:
                await carrier.bound(_BIND_PATIENCE_S)
            except TimeoutError:
                raise StepFailed(f"carrier {carrier.name} does not answer: {carrier.condition().last_error}") from None

    async def _guide(self) -> str:
        guide = await self.api.ask("Guide", code=_BUILDING[0])
        if len(guide["elements"]) != 14:
            raise StepFailed(f"{len(guide['elements'])} elements")
        return str(guide["name"])

    async def _first_certificate(self, phone: Phone) -> None:
        enrolment = await phone.request_certificate()
        await approve_at_the_desk(self.system, enrolment, document="身份证原件")
        await self._everywhere()
        await phone.fetch_certificate()
        await phone.log_in()

    async def _enrol(self, phone: Phone, first: Phone, second: Phone) -> None:
        enrolment = await phone.request_certificate()
        await first.act("CheckIdentity", enrolment=enrolment, document="身份证原件、工作证")
        await second.act("ApproveEnrolment", enrolment=enrolment)
        await self._everywhere()
        await phone.fetch_certificate()
        await phone.log_in()

    async def _everywhere(self) -> None:
        """What was done is known wherever somebody may ask: at once, where there is one network."""

    async def _file(self, item: str) -> str:
        guide = await self.api.ask("Guide", code=item)
        stage = guide["stages"][0]
        application = {
            "item": item,
            "stage": stage["code"],
            "applicantName": "衡江远大建设有限公司",
            "applicantIdNumber": "91990426MA00000001",
            "applicantPhone": _APPLICANT,
            "materials": [{"name": material["name"]} for material in stage["materials"] if material["required"]],
        }
        phone = Phone(self.api, "", "申请人")
        filed = await phone.act("FileApplication", application=application)
        return str(filed["number"])

    async def _filed_and_accepted(self, item: str) -> str:
        number = await self._file(item)
        clerk = self._phones[people(Role.WINDOW_CLERK)[0].id]
        await clerk.decide(number, "ACCEPT", "材料齐全，予以受理。")
        return number

    async def _tampered(self, phone: Phone) -> None:
        await phone.log_in()
        todos = await phone.ask("Todos")
        task = todos["nodes"][0]
        honest = {
            "case": task["case"]["number"],
            "revision": task["case"]["revision"],
            "step": task["step"],
            "decision": "COMPLETE",
            "opinion": "办结。",
            "items": [],
        }
        request = await phone.ask("PrepareDecision", decision=honest)
        signed = {"nonce": request["nonce"], "signature": phone.signed(request["payload"])}
        forged = {**honest, "opinion": "办结，并免收费用。"}
        await self._is_refused(phone.act("Decide", decision=forged, signed=signed), "SIGNED_SOMETHING_ELSE")

    async def _is_refused(self, asked: Awaitable[Answer], code: str) -> None:
        try:
            await asked
        except Refused as refused:
            if refused.code != code:
                raise StepFailed(f"refused with {refused.code}, not {code}") from None
            return
        raise StepFailed("it was not refused")

    async def _shows_light(self, officer: SeedOfficer, case: str, light: str) -> None:
        phone = self._phones[officer.id]
        await phone.log_in()
        todos = await phone.ask("Todos")
        shown = [node["light"] for node in todos["nodes"] if node["case"]["number"] == case]
        if shown != [light]:
            raise StepFailed(f"{case} shows {shown}")

    async def _proposed_card(self, case: str) -> str:
        async def proposed() -> str | None:
            card = await Card.get_or_none(case_number=case)
            if card is None:
                return None
            if self.people.own and (card.state != "proposed" or card.number is not None):
                raise StepFailed(f"card {card.id} has effect already")
            return str(card.id)

        return await self.until(proposed, PATIENCE_S)

    async def _card_is_effective(self) -> str | None:
        card = await Card.get(id=self._card)
        return card.number if card.state == "effective" else None

    async def _somebody_asked(self) -> bool | None:
        rows = await self.system.database.rows("SELECT id FROM message WHERE template LIKE 'T16%'")
        return bool(rows) or None

    async def _expired_code(self, leader: SeedOfficer) -> None:
        """Another case runs late, and its leader answers a day too late."""
        late = await self._filed_and_accepted(_BUILDING[0])
        task = await self._open_task(late)
        await self.move_to(task.case_red_at or task.red_at)
        asked = await self.people.receives(leader.phone, "发牌确认", late)
        await self.move_to(self.clock.now() + timedelta(hours=25))
        await self._reply(leader.phone, f"1{code_in(asked)}", "已过有效期")

    async def _open_task(self, number: str) -> Task:
        case = await Case.get(number=number)
        return await Task.get(case_id=case.id, closed_at=None)

    async def _reply(self, phone: str, body: str, *words: str) -> str:
        await self.people.answers(phone, body)
        return await self.people.receives(phone, *words)

    async def _log_verifies(self) -> None:
        verdict = await verify(self.system.database)
        if verdict.broken is not None:
            raise StepFailed(str(verdict.broken))
        self.teller.line(f"事件链完好：{verdict.events}个事件，{verdict.chains}条链")
