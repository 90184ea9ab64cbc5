"""变更、注销、撤销、吊销: what an authority does to a licence by itself, signed by the officer who decides.

Source: Administrative Licensing Law, art. 49, 69 (撤销 by the deciding authority), 70 (the six cases of 注销).
Who may is in `casework.licences.permissions`: the unit's section heads for changes and 注销, its leaders for 撤销 and
吊销. Nothing is deleted: the number stays, every earlier content stays in the history.
"""

from casework.licences.acts import (
    ChangeLicence,
    EndLicence,
    LicenceChangeKind,
    LicenceEnding,
    LicenceState,
    LicenceView,
    PrepareLicenceChange,
    PrepareLicenceEnd,
)
from casework.licences.events import LicenceChanged
from casework.licences.grants import end
from casework.licences.refusals import LicenceNotStanding, LicenceReasonMissing, LicenceUnchanged
from casework.licences.register import STATE_NAMES, amend, find_licence, licence_view
from casework.licences.tables import Licence
from casework.refusals import SignedSomethingElse
from kernel.acts import DocumentDigest, SigningRequest, Statement
from kernel.refusals import ChangedMeanwhile, Invalid
from kernel.work import Work

ENDING_NAMES = {
    LicenceEnding.CANCEL: "注销证照",
    LicenceEnding.REVOKE: "撤销行政许可",
    LicenceEnding.WITHDRAW: "吊销证照",
}
#: From which states each ending is possible: 注销 also winds up what lapsed, or was revoked or withdrawn (art. 70).
_FROM = {
    LicenceEnding.CANCEL: (
        LicenceState.VALID,
        LicenceState.EXPIRED,
        LicenceState.REVOKED,
        LicenceState.WITHDRAWN,
    ),
    LicenceEnding.REVOKE: (LicenceState.VALID, LicenceState.EXPIRED),
    LicenceEnding.WITHDRAW: (LicenceState.VALID, LicenceState.EXPIRED),
}
_LONGEST_REASON, _LONGEST_NAME, _LONGEST_ID, _LONGEST_PHONE = 200, 120, 40, 20


async def prepare_change(work: Work, act: PrepareLicenceChange) -> SigningRequest:
    """The exact bytes to sign for the same change. Refuses now what `change_licence` would refuse later."""
    licence = await _changeable(act)
    return await work.notary.prepare(work, _change_statement(licence, act))


async def change_licence(work: Work, act: ChangeLicence) -> LicenceView:
    """Raises CHANGED_MEANWHILE, LICENCE_NOT_STANDING, LICENCE_UNCHANGED, LICENCE_REASON_MISSING, INVALID and
    SIGNED_SOMETHING_ELSE.
    """
    licence = await _changeable(act)
    if work.assured.statement != _change_statement(licence, act):
        raise SignedSomethingElse()
    await amend(
        work,
        licence,
        LicenceChangeKind.CHANGED,
        {
            "holder_name": act.holder_name,
            "holder_id_number": act.holder_id_number,
            "holder_phone": act.holder_phone,
        },
        reason=act.reason,
    )
    work.record(
        LicenceChanged(
            licence=licence.number,
            case=licence.case_number,
            unit=licence.unit_code,
            sha256=licence.sha256,
            officer=work.actor.id,
            evidence=work.assured.evidence,
        )
    )
    return await licence_view(licence)


async def prepare_end(work: Work, act: PrepareLicenceEnd) -> SigningRequest:
    licence = await _endable(act)
    return await work.notary.prepare(work, _end_statement(licence, act))


async def end_licence(work: Work, act: EndLicence) -> LicenceView:
    """Raises CHANGED_MEANWHILE, LICENCE_NOT_STANDING, LICENCE_REASON_MISSING and SIGNED_SOMETHING_ELSE."""
    licence = await _endable(act)
    if work.assured.statement != _end_statement(licence, act):
        raise SignedSomethingElse()
    await end(work, licence, LicenceState(act.ending.value), case="", reason=act.reason)
    return await licence_view(licence)


async def _changeable(act: PrepareLicenceChange | ChangeLicence) -> Licence:
    licence = await _at_revision(act.licence, act.revision, act.reason)
    if licence.state != LicenceState.VALID:
        raise LicenceNotStanding(licence=licence.number, state=STATE_NAMES[LicenceState(licence.state)])
    for field, value, most in (
        ("持有人", act.holder_name, _LONGEST_NAME),
        ("证件号码", act.holder_id_number, _LONGEST_ID),
        ("手机号码", act.holder_phone, _LONGEST_PHONE),
    ):
        if not 0 < len(value.strip()) <= most:
            raise Invalid(field=field, why=f"请填写，不超过{most}字")
    said = (licence.holder_name, licence.holder_id_number, licence.holder_phone)
    if said == (act.holder_name, act.holder_id_number, act.holder_phone):
        raise LicenceUnchanged(licence=licence.number)
    return licence


async def _endable(act: PrepareLicenceEnd | EndLicence) -> Licence:
    licence = await _at_revision(act.licence, act.revision, act.reason)
    if licence.state not in _FROM[act.ending]:
        raise LicenceNotStanding(licence=licence.number, state=STATE_NAMES[LicenceState(licence.state)])
    return licence


async def _at_revision(number: str, revision: int, reason: str) -> Licence:
    licence = await find_licence(number)
    if licence.revision != revision:
        raise ChangedMeanwhile(subject=f"licence:{number}")
    if not 0 < len(reason.strip()) <= _LONGEST_REASON:
        raise LicenceReasonMissing()
    return licence


def _change_statement(licence: Licence, act: PrepareLicenceChange | ChangeLicence) -> Statement:
    facts = {"holder": act.holder_name, "id_number": act.holder_id_number, "phone": act.holder_phone}
    lines = (
        ("原持有人", f"{licence.holder_name}（{licence.holder_id_number}，{licence.holder_phone}）"),
        ("变更后持有人", f"{act.holder_name}（{act.holder_id_number}，{act.holder_phone}）"),
        ("理由", act.reason),
    )
    return _statement(licence, "licence.change", f"变更证照·{licence.kind}", lines, facts)


def _end_statement(licence: Licence, act: PrepareLicenceEnd | EndLicence) -> Statement:
    name = ENDING_NAMES[act.ending]
    lines = (("持有人", licence.holder_name), ("决定", name), ("理由", act.reason))
    facts = {"ending": act.ending.value, "reason": act.reason}
    return _statement(licence, "licence.end", f"{name}·{licence.kind}", lines, facts)


def _statement(
    licence: Licence, kind: str, title: str, lines: tuple[tuple[str, str], ...], facts: dict[str, str]
) -> Statement:
    return Statement(
        kind=kind,
        subject=licence.number,
        revision=licence.revision,
        title=title,
        lines=(("证照编号", licence.number), ("证照名称", licence.kind), *lines),
        facts=facts,
        documents=(DocumentDigest(name=f"{licence.number}（现行内容）", sha256=licence.sha256),),
    )
