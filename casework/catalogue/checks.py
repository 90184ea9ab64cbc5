"""Everything that keeps an item from being published, each with the words that say what to mend.

Source: the municipal catalogue rules (fourteen elements, unified codes, grades, deferrals, "no legal basis, no
material"); Administrative Licensing Law, art. 42, 43 and 45.
Limits: pure. What the rest of the catalogue and the directory say (a retired code, an unknown unit) is asked in
`publishing`.
"""

import re
from collections.abc import Iterator

from casework.catalogue.definitions import (
    LEVEL_NAMES,
    NONE,
    Handling,
    ItemDefinition,
    Level,
    Licence,
    MaterialForm,
    OnlineLevel,
    ServiceMode,
    Stage,
)
from casework.catalogue.elements import complaint_channel, missing_elements
from casework.catalogue.forms import form_fault
from casework.clock.time_limits import DECIDE_JOINTLY_WITHIN
from casework.intake.forms import dialect_fault
from casework.rules import CaseworkRules
from kernel.refusals import Refusal
from kernel.words import is_plain

_STAGE_SUFFIX = r"-\d{2}"
#: Working days of a lower authority's review (art. 43).
_REVIEW_DAYS = 20
#: What a case's clock, bill and tables can keep. Whoever needs more has made a slip, and no case could be accepted.
_MOST_DAYS, _MOST_CENTS = 1000, 10_000_000_000
_LONGEST_NAME, _LONGEST_WORDS = 120, 500
_MOST_MONTHS, _MOST_REMIND_DAYS = 1200, 3650
#: The least that must be online for a mode to be what it says.
_NEEDS = {ServiceMode.PRE_REVIEW: OnlineLevel.ACCEPTANCE, ServiceMode.ONLINE: OnlineLevel.HANDLING}


def check(item: ItemDefinition, rules: CaseworkRules | None = None) -> list[Refusal]:
    """Everything that keeps the item from being published, in the order a person would mend it."""
    return list(_problems(item, rules or CaseworkRules()))


def ensure_publishable(item: ItemDefinition, rules: CaseworkRules | None = None) -> None:
    """Raises the first problem of `check`."""
    for problem in _problems(item, rules or CaseworkRules()):
        raise problem


def ensure_deferral_explained(item: ItemDefinition, rules: CaseworkRules) -> None:
    """延期上网说明: not even a draft defers without reason and planned day. Raises DEFERRAL_UNEXPLAINED."""
    for problem in _deferral_problems(item, rules):
        raise problem


def ensure_name_shown(item: ItemDefinition) -> None:
    """Nor does a draft have a name that nobody could be shown for signing. Raises ITEM_NAME_INVALID."""
    for problem in _name_problems(item):
        raise problem


def ensure_files_online(item: ItemDefinition) -> None:
    """Raises NOT_ONLINE for an item of which the network has nothing but the guide and the forms."""
    if not item.online_level.reaches(OnlineLevel.ACCEPTANCE):
        raise NotOnline(item=item.code)


def _problems(item: ItemDefinition, rules: CaseworkRules) -> Iterator[Refusal]:
    if item.secret:
        yield ItemSecret(item=item.code)
    yield from _name_problems(item)
    if not re.fullmatch(rules.item_code_pattern, item.code):
        yield ItemCodeInvalid(code=item.code, pattern=rules.item_code_pattern)
    if missing := missing_elements(item):
        yield ItemIncomplete(item=item.code, missing=missing)
    if unnamed := [name for name, value in _responsible(item).items() if not value.strip()]:
        yield NobodyResponsible(item=item.code, missing=unnamed)
    if item.grade is None:
        yield ItemUngraded(item=item.code)
    yield from _deferral_problems(item, rules)
    yield from _mode_problems(item)
    if not all(deed.strip() for deed in item.deeds) or len(set(item.deeds)) < len(item.deeds):
        yield DeedInvalid(item=item.code)
    if item.licence is not None and not _can_be_kept(item.licence):
        yield LicenceInvalid(item=item.code)
    if not _is_in_order(item):
        yield PackageInvalid(item=item.code)
    codes = [stage.code for stage in item.stages]
    for stage in item.stages:
        if codes.count(stage.code) > 1 or not re.fullmatch(re.escape(item.code) + _STAGE_SUFFIX, stage.code):
            yield StageCodeInvalid(stage=stage.code, item=item.code)
        yield from _stage_problems(stage)


def _name_problems(item: ItemDefinition) -> Iterator[Refusal]:
    if not is_plain(item.name):
        yield ItemNameInvalid(item=item.code)


def _can_be_kept(licence: Licence) -> bool:
    is_named = bool(licence.name.strip()) and len(licence.name) <= _LONGEST_NAME
    has_term = licence.valid_months is None or 1 <= licence.valid_months <= _MOST_MONTHS
    return is_named and has_term and 0 <= licence.remind_days <= _MOST_REMIND_DAYS


def _is_in_order(item: ItemDefinition) -> bool:
    """一条龙: each part once, and none waits for itself, for a later one, or for what is no part."""
    before: set[str] = set()
    for part in item.package:
        if part.item == item.code or part.stage in before or not before.issuperset(part.after):
            return False
        before.add(part.stage)
    return True


def _responsible(item: ItemDefinition) -> dict[str, str]:
    return {
        "责任科室": item.section,
        "责任人": item.person,
        "岗位职责": item.duties,
        "公开电话": item.phone,
        "投诉渠道": "".join(complaint_channel(item)),
    }


def _deferral_problems(item: ItemDefinition, rules: CaseworkRules) -> Iterator[Refusal]:
    if item.deferral is None and item.grade not in rules.deferred_grades:
        return
    said = {
        "延期理由": item.deferral is not None and bool(item.deferral.reason.strip()),
        "计划上网日期": item.deferral is not None and item.deferral.planned_on is not None,
    }
    if missing := [name for name, is_said in said.items() if not is_said]:
        yield DeferralUnexplained(item=item.code, missing=missing)


def _mode_problems(item: ItemDefinition) -> Iterator[Refusal]:
    needed = _NEEDS.get(item.mode)
    if needed is not None and not item.online_level.reaches(needed):
        yield ModeContradictsLevel(item=item.code, mode=item.mode.value, level=item.online_level.value)
    if item.mode is ServiceMode.ONLINE:
        on_paper = [
            material.name
            for stage in item.stages
            for material in (() if stage.materials == NONE else stage.materials)
            if material.form is MaterialForm.PAPER
        ]
        if on_paper:
            yield PaperInOnlineMode(item=item.code, materials=on_paper)


def _stage_problems(stage: Stage) -> Iterator[Refusal]:
    if not stage.basis.strip():
        yield StageWithoutBasis(stage=stage.code)
    yield from _limit_problems(stage)
    if strangers := [level.role.value for level in _levels(stage) if level.role not in LEVEL_NAMES]:
        yield LevelUnknown(stage=stage.code, roles=strangers)
    if not all(branch.levels for branch in stage.branches) or (stage.report_up and not stage.report_up.levels):
        yield LevelsMissing(stage=stage.code)
    if too_long := [name for name, most in _names(stage) if len(name) > most]:
        yield TextTooLong(stage=stage.code, texts=[text[:20] for text in too_long])
    if (stage.handling is Handling.PARALLEL and not stage.branches) or (
        stage.handling is Handling.SINGLE and stage.branches
    ):
        yield HandlingInvalid(stage=stage.code)
    materials = () if stage.materials == NONE else stage.materials
    if baseless := [material.name for material in materials if not material.basis.strip()]:
        yield MaterialWithoutBasis(stage=stage.code, materials=baseless)
    fees = () if stage.fees == NONE else stage.fees
    unfounded = [fee.name for fee in fees if not fee.basis.strip() or not 0 <= (fee.amount_cents or 0) <= _MOST_CENTS]
    if unfounded:
        yield FeeWithoutBasis(stage=stage.code, fees=unfounded)
    if stage.form is not None and (fault := form_fault(stage.form) or dialect_fault(stage.form)):
        yield FormSchemaInvalid(stage=stage.code, why=fault)


def _names(stage: Stage) -> Iterator[tuple[str, int]]:
    """What a case copies from its stage, with the longest it can keep."""
    for material in () if stage.materials == NONE else stage.materials:
        yield material.name, _LONGEST_NAME
    for branch in stage.branches:
        yield branch.name, _LONGEST_NAME
    for fee in () if stage.fees == NONE else stage.fees:
        yield from ((fee.name, _LONGEST_NAME), (fee.standard, _LONGEST_WORDS), (fee.basis, _LONGEST_WORDS))


def _limit_problems(stage: Stage) -> Iterator[Refusal]:
    statutory, committed = stage.statutory_limit_days, stage.committed_limit_days
    limits = [level.limit_days for level in _levels(stage) if level.limit_days is not None]
    limits += [branch.limit_days for branch in stage.branches]
    review = stage.report_up.review_limit_days if stage.report_up else None
    if review is not None:
        limits.append(review)
    if (
        min(statutory, committed) < 0
        or max(statutory, committed) > _MOST_DAYS
        or not 0 <= stage.yellow_before_days <= max(committed, 0)
        or any(limit < 1 for limit in limits)
    ):
        yield LimitInvalid(stage=stage.code)
    if committed > statutory:
        yield CommittedOverStatutory(stage=stage.code, committed=committed, statutory=statutory)
    if stage.handling is not Handling.SINGLE and statutory > DECIDE_JOINTLY_WITHIN:
        yield JointLimitTooLong(stage=stage.code, days=statutory, most=DECIDE_JOINTLY_WITHIN)
    for steps, total in _sums(stage):
        if steps > total:
            yield StepLimitsOverTotal(stage=stage.code, steps=steps, total=total)
    if stage.report_up and (review or 0) > _REVIEW_DAYS and not stage.report_up.basis.strip():
        yield ReviewTooLong(stage=stage.code, days=review, most=_REVIEW_DAYS)


def _sums(stage: Stage) -> Iterator[tuple[int, int]]:
    """环节和时限衔接: what levels one after the other may take, and what they have together."""
    own = _days(stage.levels)
    if above := stage.report_up:
        yield own, above.review_limit_days
        yield above.review_limit_days + _days(above.levels), stage.committed_limit_days
    else:
        yield own, stage.committed_limit_days
    for branch in stage.branches:
        yield _days(branch.levels), branch.limit_days
        yield branch.limit_days, stage.committed_limit_days


def _days(levels: tuple[Level, ...]) -> int:
    return sum(level.limit_days or 0 for level in levels)


def _levels(stage: Stage) -> list[Level]:
    above = stage.report_up.levels if stage.report_up else ()
    return [*stage.levels, *above, *(level for branch in stage.branches for level in branch.levels)]


class ItemSecret(Refusal):
    code = "ITEM_SECRET"
    zh = "涉密事项一律不上网办理。"
    en = "Item {item} is secret and never goes online."


class ItemIncomplete(Refusal):
    code = "ITEM_INCOMPLETE"
    zh = "事项要素不完整，缺少：{missing}。没有内容的要素请填“无”。"
    en = "Item {item} lacks: {missing}."


class ItemNameInvalid(Refusal):
    code = "ITEM_NAME_INVALID"
    zh = "事项{item}的名称含有换行或不可见字符。"
    en = "The name of item {item} has line breaks, or signs that cannot be shown."


class ItemCodeInvalid(Refusal):
    code = "ITEM_CODE_INVALID"
    zh = "事项编码“{code}”不符合编码规则。"
    en = "The item code {code} does not match {pattern}."


class StageCodeInvalid(Refusal):
    code = "STAGE_CODE_INVALID"
    zh = "阶段编码“{stage}”重复或不符合编码规则（应为{item}-两位序号）。"
    en = "The stage code {stage} is a duplicate or is not {item} with two digits."


class NobodyResponsible(Refusal):
    code = "NOBODY_RESPONSIBLE"
    zh = "事项未明确责任，缺少：{missing}。"
    en = "Item {item} does not name: {missing}."


class ItemUngraded(Refusal):
    code = "ITEM_UNGRADED"
    zh = "事项{item}未定档（A、B、C、D）。"
    en = "Item {item} has no grade."


class DeferralUnexplained(Refusal):
    code = "DEFERRAL_UNEXPLAINED"
    zh = "延期上网的事项须说明理由和计划上网日期，缺少：{missing}。"
    en = "Item {item} goes online later and does not say: {missing}."


class ModeContradictsLevel(Refusal):
    code = "MODE_CONTRADICTS_LEVEL"
    zh = "事项{item}的办理模式与在线办理程度不一致。"
    en = "Item {item} cannot be handled in mode {mode}: its online level is {level}."


class PaperInOnlineMode(Refusal):
    code = "PAPER_IN_ONLINE_MODE"
    zh = "全程网上办理的事项不得要求只收纸质的材料：{materials}。"
    en = "Item {item} is handled online throughout and asks for paper: {materials}."


class DeedInvalid(Refusal):
    code = "DEED_INVALID"
    zh = "事项{item}的百件实事编号为空或重复。"
    en = "Item {item} names a deed twice, or one without a number."


class NotOnline(Refusal):
    code = "NOT_ONLINE"
    zh = "该事项目前只在网上公示和提供表格下载，请到窗口办理。"
    en = "Item {item} is not accepted online; its guide and forms are."


class StageWithoutBasis(Refusal):
    code = "STAGE_WITHOUT_BASIS"
    zh = "阶段{stage}没有审批依据。"
    en = "Stage {stage} has no legal basis."


class CommittedOverStatutory(Refusal):
    code = "COMMITTED_OVER_STATUTORY"
    zh = "阶段{stage}的承诺时限（{committed}个工作日）不得超过法定时限（{statutory}个工作日）。"
    en = "Stage {stage} promises {committed} working days, the law allows {statutory}."


class JointLimitTooLong(Refusal):
    code = "JOINT_LIMIT_TOO_LONG"
    zh = "阶段{stage}由多个部门办理，法定时限不得超过{most}个工作日（行政许可法第四十二条第二款），现为{days}个工作日。"
    en = "Several authorities handle stage {stage}: {most} working days at most, not {days}."


class StepLimitsOverTotal(Refusal):
    code = "STEP_LIMITS_OVER_TOTAL"
    zh = "阶段{stage}各环节时限合计{steps}个工作日，超过总时限{total}个工作日。"
    en = "Steps of stage {stage} take {steps} working days, more than the {total} they have together."


class ReviewTooLong(Refusal):
    code = "REVIEW_TOO_LONG"
    zh = "阶段{stage}的下级审查时限为{days}个工作日，超过法定的{most}个工作日且未注明依据。"
    en = "Review in stage {stage} takes {days} working days; without a law that says so, at most {most}."


class LimitInvalid(Refusal):
    code = "LIMIT_INVALID"
    zh = "阶段{stage}的时限或预警提前量填写有误。"
    en = "Stage {stage} has a limit or a warning threshold that no clock can keep."


class LevelUnknown(Refusal):
    code = "LEVEL_UNKNOWN"
    zh = "阶段{stage}的审批层级中有不能审批的角色。"
    en = "Stage {stage} has approval levels for roles that do not approve: {roles}."


class HandlingInvalid(Refusal):
    code = "HANDLING_INVALID"
    zh = "阶段{stage}的办理方式与协办单位不一致：并联办理须列明协办单位，单独办理不得列。"
    en = "Stage {stage}: parallel handling needs branches, single handling has none."


class LevelsMissing(Refusal):
    code = "LEVELS_MISSING"
    zh = "阶段{stage}的协办单位或上级机关没有审批层级。"
    en = "Stage {stage} has a branch, or an authority above, without approval levels."


class TextTooLong(Refusal):
    code = "TEXT_TOO_LONG"
    zh = "阶段{stage}的名称不得超过120字，收费标准和依据不得超过500字：{texts}。"
    en = "Stage {stage}: names have 120 characters at most, rates and their bases 500: {texts}."


class LicenceInvalid(Refusal):
    code = "LICENCE_INVALID"
    zh = "事项{item}的证件名称、有效月数或提醒天数填写有误。"
    en = "The licence of item {item} has no name, or a term or reminder that no calendar can keep."


class PackageInvalid(Refusal):
    code = "PACKAGE_INVALID"
    zh = "一条龙事项{item}的各阶段不得重复，且只能以排在前面的阶段为前置。"
    en = "The parts of package {item} must differ, and wait only for parts before them."


class MaterialWithoutBasis(Refusal):
    code = "MATERIAL_WITHOUT_BASIS"
    zh = "阶段{stage}的申请资料没有法律依据，不得要求：{materials}。"
    en = "Stage {stage} asks for materials without a legal basis: {materials}."


class FeeWithoutBasis(Refusal):
    code = "FEE_WITHOUT_BASIS"
    zh = "阶段{stage}的收费没有价格主管部门的依据或金额有误：{fees}。"
    en = "Stage {stage} charges fees without a basis, or of an impossible amount: {fees}."


class FormSchemaInvalid(Refusal):
    code = "FORM_SCHEMA_INVALID"
    zh = "阶段{stage}的网上表单不合格：{why}。"
    en = "The online form of stage {stage} is not fit: {why}."
