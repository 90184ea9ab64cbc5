"""Who may look into the library and who may touch a licence: asked from the directory at the moment of the act."""

from casework.licences.acts import (
    ChangeLicence,
    EndLicence,
    LicenceEnding,
    LookUpLicences,
    PrepareLicenceChange,
    PrepareLicenceEnd,
    RecordAnnualReview,
    ViewLicence,
)
from casework.licences.tables import Licence
from casework.permissions import SUPERVISORS, visible_cases
from kernel.actor import ActorKind, Role
from kernel.permissions import permission
from kernel.tables import Officer
from kernel.work import Work

_SECTION = (Role.HANDLER, Role.SECTION_HEAD, Role.DEPUTY_LEADER, Role.UNIT_HEAD)
#: Correcting and winding up is the section's matter, above the handler.
_HEADS = (Role.SECTION_HEAD, Role.DEPUTY_LEADER, Role.UNIT_HEAD)
#: 撤销 and 吊销 take back what the authority gave. Source: Administrative Licensing Law, art. 69.
_LEADERS = (Role.DEPUTY_LEADER, Role.UNIT_HEAD)
_READERS = (Role.WINDOW_CLERK, *_SECTION)


@permission("officer who may see the case and works on cases")
async def may_look_up(work: Work, act: LookUpLicences) -> bool:
    """Who reads about somebody must have a case of theirs to read for: the log names it."""
    officer = await _officer(work)
    if officer is None or set(_READERS).isdisjoint(officer.roles):
        return False
    shown = visible_cases(officer.roles, unit="$2")
    return bool(
        await work.database.rows(
            f"SELECT c.id FROM case_file c WHERE c.number = $1 AND {shown}", act.case, officer.unit_code
        )
    )


@permission("officer of the licence's unit, or supervision")
async def may_view_licence(work: Work, act: ViewLicence) -> bool:
    officer, licence = await _officer(work), await Licence.get_or_none(number=act.licence)
    if officer is None or licence is None:
        return False
    if officer.unit_code == licence.unit_code and not set(_SECTION).isdisjoint(officer.roles):
        return True
    return not licence.secret and not set(SUPERVISORS).isdisjoint(officer.roles)


@permission("head of a section or leader of the licence's unit")
async def may_change_licence(work: Work, act: PrepareLicenceChange | ChangeLicence) -> bool:
    return await _of_its_unit(work, act.licence, *_HEADS)


@permission("leader of the licence's unit; for 注销 also the head of a section")
async def may_end_licence(work: Work, act: PrepareLicenceEnd | EndLicence) -> bool:
    return await _of_its_unit(work, act.licence, *(_HEADS if act.ending is LicenceEnding.CANCEL else _LEADERS))


@permission("officer of the licence's unit who handles it")
async def may_review_licence(work: Work, act: RecordAnnualReview) -> bool:
    return await _of_its_unit(work, act.licence, *_SECTION)


async def _of_its_unit(work: Work, number: str, *roles: Role) -> bool:
    officer, licence = await _officer(work), await Licence.get_or_none(number=number)
    if officer is None or licence is None or officer.unit_code != licence.unit_code:
        return False
    return not set(roles).isdisjoint(officer.roles)


async def _officer(work: Work) -> Officer | None:
    if work.actor.kind is not ActorKind.OFFICER:
        return None
    return await Officer.get_or_none(id=work.actor.id, active=True)
