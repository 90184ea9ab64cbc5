"""The table of acts is whole: every act has one row and a door, and every door leads to a row."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from kernel.actor import ANYBODY, THE_CLOCK, THE_OPERATOR, Actor, ActorKind, Assurance, Role
from kernel.acts import Act
from server.acts import RULES
from server.doors import build_app
from server.exchange_settings import ExchangeSettings
from server.settings import DatabaseSettings, Settings
from server.wiring import open_system
from sms.commands import Command
from tests.contracts.sources import PACKAGES, modules
from tools import roles

BY_TAG = {str(rule.act.__struct_config__.tag): rule for rule in RULES}
#: Officers who may by their role alone; the system where it may as well.
BY_ROLE: dict[str, set[Role]] = {
    "card.propose": {Role.SUPERVISOR},
    "card.prepare": {Role.SUPERVISION_LEADER},
    "card.decide": {Role.SUPERVISION_LEADER},
    "hall.draft_announcement": set(Role),
    "complaint.decide": {Role.SUPERVISOR, Role.SUPERVISION_LEADER},
    "template.draft": {Role.LEGAL_OFFICE, Role.REFORM_OFFICE, Role.SERVICE_CENTRE},
    "template.prepare": {Role.LEGAL_OFFICE},
    "template.decide": {Role.LEGAL_OFFICE},
    "text_template.propose": {Role.INFORMATION_CENTRE, Role.SERVICE_CENTRE, Role.SUPERVISOR},
    "text_template.prepare": {Role.LEGAL_OFFICE},
    "text_template.decide": {Role.LEGAL_OFFICE},
    "certs.check_identity": {Role.RA_OPERATOR},
    "certs.approve_enrolment": {Role.RA_OPERATOR},
    "certs.reject_enrolment": {Role.RA_OPERATOR},
    "certs.revoke_certificate": {Role.RA_OPERATOR},
}
#: No identity is needed: a password, a code, or a signature is asked inside.
BY_ANYBODY = {
    "change.comment",
    "case.withdraw",
    "package.query",
    "card.confirm",
    "card.reject",
    "text.note_refused",
    "hall.progress",
    "hall.request_login_code",
    "hall.log_in",
    "hall.ask",
    "hall.read_answer",
    "upload.keep",  # a ticket or a session is asked at the door
    "complaint.file",
    "complaint.query",
    "licence.check",
    "document.open",
    "certs.request_enrolment",
    "certs.submit_csr",
    "certs.begin_login",
    "certs.finish_login",
    "enrolment.view",
    "ferry.note_login",  # a phone's signature over a challenge is verified inside
}
#: It depends on the case, the filing or the unit's directory: casework's own tests show who.
BY_CASE = {
    "change.save",
    "change.discard",
    "change.prepare",
    "change.decide",
    "change.check",
    "case.file",
    "package.file",
    "case.receive_supplement",
    "case.pre_review",
    "case.record_originals",
    "case.correct",
    "case.hand_over_papers",
    "case.confirm_papers",
    "case.waive_papers",
    "bill.enter",
    "bill.charge_unlisted",
    "bill.settle",
    "case.prepare",
    "case.decide",
    "case.urge",
    "delegation.prepare",
    "delegation.make",
    "delegation.revoke",
    "case.stop_clock",
    "case.resume_clock",
    "case.extend_clock",
    "case.prepare_extension",
    "case.tell_longer",
    "case.tell_hearing_right",
    "case.ask_hearing",
    "case.announce_hearing",
    "case.hold_hearing",
    "case.view",
    "licence.look_up",
    "licence.view",
    "licence.prepare_change",
    "licence.change",
    "licence.prepare_end",
    "licence.end",
    "licence.review",
    "hall.view_own_case",
    "hall.rate",
    "card.acknowledge",
    "document.view_by_password",
    "hall.answer",
    "hall.prepare_announcement_step",
    "hall.take_announcement_step",
}


def every_act(above: type[Act[Any]] = Act) -> set[type[Act[Any]]]:
    below = set(above.__subclasses__())
    return below.union(*(every_act(each) for each in below))


def officer(role: Role) -> Actor:
    return Actor(kind=ActorKind.OFFICER, id="OFF-X", roles=frozenset({role}), assurance=Assurance.CERTIFICATE)


@pytest.mark.feature("TRUST-07")
def test_every_act_of_the_program_has_exactly_one_row_with_a_name_and_an_assurance():
    for path, _ in modules():
        if path.name != "__main__.py" and "migrations" not in path.parts:
            importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
    ours = {act for act in every_act() if act.__module__.split(".")[0] in PACKAGES}
    assert {rule.act for rule in RULES} == ours
    assert len(RULES) == len(ours) == len(BY_TAG)
    for rule in RULES:
        assert rule.may.name.strip("() &|")
        assert isinstance(rule.assurance, Assurance)


@pytest.mark.feature("TRUST-07")
def test_every_act_has_a_door_and_every_door_leads_to_an_act_of_the_table():
    assert set(roles.doors()) == {rule.act for rule in RULES}
    every_field = roles.fields("Mutation").keys() | roles.fields("Query").keys()
    readers = roles.readers()
    assert every_field == readers.keys() | {
        door.strip("`") for doors in roles.doors().values() for door in doors if door.startswith("`")
    }
    assert readers.keys() & roles.fields("Mutation").keys() == {"openFiling"}, "a mutation is one act"
    for name in sorted(roles.fields("Mutation").keys() - {"openFiling"}):
        assert len(roles.performed_by(roles.fields("Mutation")[name])) == 1, name


@pytest.mark.feature("TRUST-07")
def test_every_verb_of_a_text_is_an_act_or_is_only_answered():
    verbs = roles.verbs()
    assert len(verbs) == len(get_args(Command))
    performed = {verb: str(act.__struct_config__.tag) for verb, act in verbs.items() if act is not None}
    assert performed == {
        "1": "card.confirm",
        "2": "card.reject",
        "QS": "card.acknowledge",
        "PJ": "hall.rate",
        "CX": "hall.progress",
    }


@pytest.mark.feature("TRUST-07")
@pytest.mark.parametrize("role", Role)
async def test_a_role_may_what_its_row_says_and_nothing_else(role: Role):
    for tag, rule in BY_TAG.items():
        if tag in BY_CASE:
            continue
        may = await rule.may(SimpleNamespace(actor=officer(role)), None)  # type: ignore[arg-type]  # asks the actor only
        assert may == (tag in BY_ANYBODY or role in BY_ROLE.get(tag, ())), tag


@pytest.mark.feature("TRUST-07")
async def test_strangers_and_applicants_may_only_what_needs_no_identity():
    applicant = Actor(kind=ActorKind.APPLICANT, id="APP-1", roles=frozenset({Role.APPLICANT}))
    for who in (ANYBODY, applicant):
        for tag in BY_TAG.keys() - BY_CASE:
            may = await BY_TAG[tag].may(SimpleNamespace(actor=who), None)  # type: ignore[arg-type]
            assert may == (tag in BY_ANYBODY), tag


async def test_what_is_the_systems_alone_needs_the_systems_assurance():
    for tag in BY_TAG.keys() - BY_ROLE.keys() - BY_ANYBODY - BY_CASE:
        assert BY_TAG[tag].assurance is Assurance.SYSTEM, tag
        for who in (THE_CLOCK, THE_OPERATOR):
            assert await BY_TAG[tag].may(SimpleNamespace(actor=who), None), tag  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tag",
    [
        *("case.decide", "card.decide", "change.decide", "delegation.make", "hall.take_announcement_step"),
        *("licence.change", "licence.end", "text_template.decide"),
    ],
)
def test_decisions_in_the_app_need_a_certificate(tag: str):
    assert BY_TAG[tag].assurance is Assurance.CERTIFICATE


@pytest.mark.feature("TRUST-07")
async def test_every_address_that_is_served_stands_in_the_matrix(tmp_path: Path):
    settings = Settings(
        data_dir=tmp_path,
        database=DatabaseSettings(url=f"sqlite://{tmp_path}/z.db"),
        exchange=ExchangeSettings(accept_pushes=True),
    )
    async with open_system(settings) as system:
        # No MAS among the carriers; its pushes are told below the table.
        app = build_app(system, [None])  # type: ignore[list-item]
        served = {getattr(route, "path", "?") for route in app.routes}
    assert served == roles.ROUTES.keys()


@pytest.mark.feature("TRUST-07")
def test_the_matrix_says_what_the_program_does():
    assert roles.PAGE.read_text(encoding="utf-8") == roles.page(), "python -m tools.roles --write"
    for role, name in roles.role_names().items():
        assert f"| `{role}` | {name} |" in roles.page()
