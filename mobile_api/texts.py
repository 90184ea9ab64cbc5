"""The wording of text messages at the door: its versions, proposals, and the legal office's decision."""

from datetime import datetime
from typing import Annotated

import strawberry

from alerts.rewording import (
    DecideTextTemplate,
    PrepareTextTemplateDecision,
    ProposeTextTemplate,
    Registration,
    TextTemplateView,
)
from alerts.samples import described, most_units, sample_of
from alerts.wording_checks import parts_at_most
from alerts.wordings import Version, versions
from mobile_api.context import Info, perform
from mobile_api.enums import MessageClass, TemplateState
from mobile_api.refusals import Refusal
from mobile_api.signing import SignedInput, SigningResult, signing_payload


@strawberry.type(description="A value that a text has: `name` in braces stands for it. `units`: the most, in UTF-16.")
class SmsVariable:
    name: str
    meaning: str
    sample: str
    units: int


@strawberry.type(description="The number under which a carrier has exactly these words.")
class SmsRegistration:
    carrier: str
    number: str


@strawberry.type(
    description="One version of the words of one text, without the signature. `parts`: the most it can cost, signature "
    "included. Texts are made of the version that `isInForce`; those made before keep theirs."
)
class SmsTemplate:
    template: strawberry.ID
    title: str
    message_class: MessageClass
    version: int
    state: TemplateState
    is_in_force: bool
    body: str
    sample: str
    parts: int
    variables: list[SmsVariable]
    registrations: list[SmsRegistration]
    reason: str
    author: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    opinion: str
    evidence: str | None


@strawberry.type(description="A version as an act left it.")
class SmsTemplatePayload:
    template: strawberry.ID
    version: int
    state: TemplateState
    parts: int
    sample: str


SmsTemplateResult = Annotated[SmsTemplatePayload | Refusal, strawberry.union("SmsTemplateResult")]


@strawberry.input(description="`carrier` as the settings of the server call it.")
class SmsRegistrationInput:
    carrier: str
    number: str


@strawberry.input(description="`body` without the signature, with the same variables as the version in force.")
class SmsTemplateInput:
    template: strawberry.ID
    body: str
    reason: str
    registrations: list[SmsRegistrationInput] = strawberry.field(default_factory=list)


@strawberry.input(description="The same when preparing and when deciding.")
class SmsTemplateDecisionInput:
    template: strawberry.ID
    version: int
    approve: bool
    opinion: str


async def _sms_templates(info: Info, template: strawberry.ID | None = None) -> list[SmsTemplate]:
    info.context.officer()
    return [_shown(each) for each in await versions(info.context.services.database, template or "")]


async def _propose(info: Info, idempotency_key: str, template: SmsTemplateInput) -> SmsTemplateResult:
    registrations = tuple(Registration(carrier=each.carrier, number=each.number) for each in template.registrations)
    act = ProposeTextTemplate(
        template=template.template, body=template.body, reason=template.reason, registrations=registrations
    )
    return await perform(info, act, _payload, key=idempotency_key)


async def _prepare(info: Info, decision: SmsTemplateDecisionInput) -> SigningResult:
    act = PrepareTextTemplateDecision(
        template=decision.template, version=decision.version, approve=decision.approve, opinion=decision.opinion
    )
    return await perform(info, act, signing_payload)


async def _decide(
    info: Info, idempotency_key: str, decision: SmsTemplateDecisionInput, signed: SignedInput
) -> SmsTemplateResult:
    act = DecideTextTemplate(
        template=decision.template, version=decision.version, approve=decision.approve, opinion=decision.opinion
    )
    return await perform(info, act, _payload, key=idempotency_key, proof=signed.to_proof())


def _payload(view: TextTemplateView) -> SmsTemplatePayload:
    return SmsTemplatePayload(
        template=strawberry.ID(view.template),
        version=view.version,
        state=view.state,
        parts=view.parts,
        sample=view.sample,
    )


def _shown(version: Version) -> SmsTemplate:
    template = version.template
    return SmsTemplate(
        template=strawberry.ID(template.id),
        title=template.title,
        message_class=template.message_class,
        version=template.version,
        state=version.state,
        is_in_force=version.is_in_force,
        body=template.body,
        sample=sample_of(template),
        parts=parts_at_most(template),
        variables=[_variable(name) for name in template.names],
        registrations=[SmsRegistration(carrier=name, number=at) for name, at in sorted(version.registered.items())],
        reason=version.reason,
        author=version.author,
        proposed_at=version.proposed_at,
        decided_by=version.decided_by,
        decided_at=version.decided_at,
        opinion=version.opinion,
        evidence=version.evidence,
    )


def _variable(name: str) -> SmsVariable:
    sample = described(name)
    return SmsVariable(name=name, meaning=sample.meaning, sample=sample.value, units=most_units(name))


@strawberry.type
class TextQueries:
    sms_templates: list[SmsTemplate] = strawberry.field(
        resolver=_sms_templates, description="For officers: every version of the words of texts, newest first."
    )


@strawberry.type
class TextMutations:
    propose_sms_template: SmsTemplateResult = strawberry.field(
        resolver=_propose, description="For the information centre, the service centre and supervision."
    )
    prepare_sms_template_decision: SigningResult = strawberry.field(
        resolver=_prepare, description="The exact bytes to sign for `decideSmsTemplate` with the same input."
    )
    decide_sms_template: SmsTemplateResult = strawberry.field(
        resolver=_decide, description="For the legal office: of an approved version texts are made from then on."
    )
