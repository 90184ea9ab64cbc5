"""一条龙审批: one filing for several items, each its own case, filed when those before it have been granted.

Every part keeps its own materials, limits and decision; what the applicant handed in once is passed on to each part
that asks for it, by name, and so is what they corrected in an earlier part. A later part is filed inside the decision
that frees it; what is wrong with it is kept beside it and never undoes that decision.

Limits: the parts of a package are items of the catalogue, not packages themselves.
"""

import logging
from functools import partial

import msgspec

from casework.acts import Channel, FileApplication, MaterialGiven, Status
from casework.catalogue.definitions import NONE, Stage
from casework.catalogue.publishing import published
from casework.clock.working_days import day_of
from casework.flow.acts import FilePackage, PackagePartView, PackageView, PartState, QueryPackage
from casework.flow.events import PackageFiled, PackagePartFiled, PackagePartObstructed
from casework.flow.refusals import NotAPackage, UnknownPackage
from casework.flow.tables import Package, PackagePart
from casework.intake.admission import check_form
from casework.intake.filing import file_application
from casework.intake.query_passwords import objection
from casework.intake.uploads import keep_for_good
from casework.queries import visible_numbers
from casework.refusals import UnknownItem
from casework.tables import Case, Material
from kernel.actor import ActorKind
from kernel.numbers import next_number
from kernel.refusals import Invalid, Refusal
from kernel.work import Work

log = logging.getLogger(__name__)

_application = msgspec.json.Decoder(FileApplication)
_forms = msgspec.json.Decoder(dict[str, object])

#: A case that ended so will never free the parts that wait for it.
_DEAD_ENDS = (Status.NOT_ACCEPTED, Status.REFUSED, Status.WITHDRAWN)


async def file_package(work: Work, act: FilePackage) -> PackageView:
    """Files the parts that wait for nothing, and keeps the others. Raises NOT_A_PACKAGE and what filing refuses, of
    the answers to the forms of all parts.
    """
    asked, today = act.application, day_of(work.now)
    if asked.channel not in (Channel.ONLINE, Channel.WINDOW):
        raise Invalid(field="渠道", why="一条龙申请在网上或窗口提出")
    version, definition = await published(asked.item)
    if not definition.package:
        raise NotAPackage(item=asked.item)
    package = await Package.create(
        number=f"YTL{today.year}{await next_number(f'package:{today.year}'):06d}",
        item_code=version.item_code,
        item_version=version.version,
        name=version.name,
        applicant_name=asked.applicant_name,
        application=msgspec.json.encode(asked).decode(),
        filed_at=work.now,
    )
    await PackagePart.bulk_create(
        [
            PackagePart(
                package_number=package.number,
                seq=seq,
                item_code=part.item,
                stage_code=part.stage,
                after=list(part.after),
            )
            for seq, part in enumerate(definition.package, 1)
        ]
    )
    # Later parts are handed their materials long after the clock has collected what nobody filed.
    await keep_for_good(material.sha256 for material in asked.materials)
    work.record(PackageFiled(package=package.number, item=version.item_code, parts=len(definition.package)))
    for part in await PackagePart.filter(package_number=package.number).order_by("seq"):
        if part.after:
            await _check_answers(asked, part)
        else:
            await _file(work, package, part)
    return await _view(package)


async def go_on(work: Work, case: Case) -> None:
    """A case of a package was granted: files the parts that have waited for nothing else."""
    # One after the other: of two grants at once, neither alone frees the part that waits for both.
    package = await Package.select_for_update().get(number=case.package_number)
    parts = await PackagePart.filter(package_number=case.package_number).order_by("seq")
    granted = set(
        await Case.filter(package_number=case.package_number, outcome="granted").values_list("stage_code", flat=True)
    )
    for part in parts:
        if part.case_number is not None or not set(part.after) <= granted:
            continue
        fault = await work.apart(partial(_file, work, package, part))
        if fault is None:
            continue
        if not isinstance(fault, Refusal):
            log.error("part %s of package %s could not be filed: %s", part.seq, package.number, type(fault).__name__)
        why = fault.code if isinstance(fault, Refusal) else "INTERNAL"
        await PackagePart.filter(id=part.id).update(obstacle=why)
        work.record(PackagePartObstructed(package=package.number, part=part.seq, why=why))


async def query_package(work: Work, act: QueryPackage) -> PackageView | Refusal:
    """Where each part stands. A wrong password is returned, not raised, so that its count is kept."""
    package = await Package.get_or_none(number=act.number.strip().upper())
    if package is None:
        raise UnknownPackage(package=act.number)
    if not await _sees(work, package) and (refusal := await objection(work, package.number, act.password)):
        return refusal
    return await _view(package)


async def _file(work: Work, package: Package, part: PackagePart) -> None:
    """Files one part as any application is filed, with the materials that its stage asks for."""
    asked = _application.decode(package.application)
    _, definition = await published(part.item_code)
    stage = definition.stage(part.stage_code)
    materials = await _passed_on(package, asked, stage)
    filed = await file_application(
        work,
        msgspec.structs.replace(
            asked,
            item=part.item_code,
            stage=part.stage_code,
            materials=materials,
            form=_answers(asked, stage),
            received_on=None if part.after else asked.received_on,
        ),
        window=await _window(package) if part.after else "",
    )
    await Case.filter(number=filed.number).update(package_number=package.number)
    await PackagePart.filter(id=part.id).update(case_number=filed.number, obstacle="")
    work.record(
        PackagePartFiled(package=package.number, part=part.seq, case_number=filed.number, materials=len(materials))
    )


async def _check_answers(asked: FileApplication, part: PackagePart) -> None:
    """Now, while the applicant is there to mend them, and not when the part's turn has come."""
    _, definition = await published(part.item_code)
    stage = definition.stage(part.stage_code)
    check_form(stage, asked.channel, _answers(asked, stage))


async def _passed_on(package: Package, asked: FileApplication, stage: Stage) -> tuple[MaterialGiven, ...]:
    """What the stage asks for, as it was last handed in to any part."""
    given = {material.name: material for material in asked.materials}
    cases = await Case.filter(package_number=package.number).values_list("id", flat=True)
    for row in await Material.filter(case_id__in=list(cases)).order_by("id"):
        given[row.name] = MaterialGiven(
            name=row.name, file_name=row.file_name, media_type=row.media_type, sha256=row.sha256, size=row.size
        )
    wanted = () if stage.materials == NONE else stage.materials
    return tuple(given[material.name] for material in wanted if material.name in given)


async def _window(package: Package) -> str:
    """The window that keeps the package's cases."""
    first = await Case.filter(package_number=package.number).order_by("id").first()
    return first.window_unit if first else ""


def _answers(asked: FileApplication, stage: Stage) -> str:
    """The stage's own answers out of the package's form."""
    if not asked.form or stage.form is None:
        return ""
    try:
        answers = _forms.decode(asked.form).get(stage.code)
    except (msgspec.DecodeError, RecursionError):
        return asked.form  # filing says what is wrong with it
    return "" if answers is None else msgspec.json.encode(answers).decode()


async def _sees(work: Work, package: Package) -> bool:
    """Whether the actor is an officer who may see any of its cases."""
    if work.actor.kind is not ActorKind.OFFICER:
        return False
    parts = await PackagePart.filter(package_number=package.number).exclude(case_number=None)
    return bool(await visible_numbers(work.database, work.actor, [str(part.case_number) for part in parts]))


async def _view(package: Package) -> PackageView:
    parts = await PackagePart.filter(package_number=package.number).order_by("seq")
    cases = {case.number: case for case in await Case.filter(package_number=package.number)}
    dead = {case.stage_code for case in cases.values() if case.status in _DEAD_ENDS}
    for part in parts:  # in the order in which they wait for each other
        if part.case_number is None and dead & set(part.after):
            dead.add(part.stage_code)
    return PackageView(
        number=package.number,
        name=package.name,
        parts=tuple(
            [
                PackagePartView(
                    seq=part.seq,
                    item=part.item_code,
                    item_name=await _item_name(part),
                    stage=part.stage_code,
                    after=tuple(part.after),
                    state=_state(part, dead),
                    case=part.case_number,
                    status=Status(cases[part.case_number].status) if part.case_number in cases else None,
                    obstacle=part.obstacle,
                )
                for part in parts
            ]
        ),
    )


def _state(part: PackagePart, dead: set[str]) -> PartState:
    if part.case_number is not None:
        return PartState.FILED
    if part.obstacle:
        return PartState.OBSTRUCTED
    return PartState.STOPPED if dead & set(part.after) else PartState.WAITING


async def _item_name(part: PackagePart) -> str:
    """As the catalogue calls it now; its code once it has left the catalogue."""
    try:
        version, _ = await published(part.item_code)
    except UnknownItem:
        return part.item_code
    return version.name
