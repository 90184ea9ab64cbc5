"""pre-apasinfo: the front-end tables `PRE_*` of provincial approval systems, variant SERVICECODE."""

from ferry.exchange.codes import Table
from ferry.exchange.profiles.mapping import (
    APPLICANT_KIND,
    DAY,
    ID_KIND,
    INSTANT,
    LIST,
    ForeignTable,
    Line,
    Profile,
    codes,
)

_RESULT = codes(
    {
        "granted": "出证办结",
        "refused": "不予许可",
        "returned": "退回",
        "voided": "作废",
        "deleted": "删除",
        "forwarded": "转报办结",
        "not_supplemented": "补正不来",
        "ended": "办结",
        "withdrawn": "申请人撤回",
    }
)


def _head(table: Table) -> tuple[Line, ...]:
    return (
        Line("PROJID", f"{table}.@projid"),
        Line("DATAVERSION", f"{table}.@version"),
        Line("BELONGSYSTEM", f"{table}.@source_system"),
        Line("BATCHNO", f"{table}.@batch"),
        Line("CTRTIME", f"{table}.@sent_time", INSTANT),
        Line("DATASTATE", f"{table}.@op", codes({"I": "1", "D": "0"}, also={"U": "1"})),
    )


_COMMON = ("SIGNSTATE", "SYNC_STATUS", "EXT1", "EXT2", "EXT3", "EXT4")

PRE_APASINFO = Profile(
    name="pre-apasinfo",
    title="省级审批系统前置库（PRE_*）",
    notes=(
        "APPLYFROM、APPROVE_TYPE、PROJECTSTATE、APPLY_CARDTYPE、RESULT_CODE、TAKETYPE 的代码表未公开，不填写；"
        "申请人和证件类型由号码判断，材料形式还原为原件。",
        "TRANSACT_RESULT 写办结结果的名称。",
        "没有网上预受理、补正、特别程序、领取登记、结果附件、投诉和监察记录。",
    ),
    tables=(
        ForeignTable(
            name="PRE_APASINFO",
            sources=(Table.APPLY,),
            lines=(
                *_head(Table.APPLY),
                Line("DEPTID", "apply.@org"),
                Line("AREACODE", "apply.@region"),
                Line("RECEIVETIME", "apply.@event_time", INSTANT),
                Line("SERVICECODE", "apply.item_code"),
                Line("ITEMNAME", "apply.item_name"),
                Line("PROJECTNAME", "apply.project_name"),
                Line(
                    "INFOTYPE",
                    "apply.handling",
                    codes({"at_once": "1", "promised": "2", "joint": "3", "reported_up": "4"}),
                ),
                Line("ACCEPTLIST", "apply.materials", LIST),
                Line("APPLYNAME", "apply.applicant_name"),
                Line("APPLY_CARDTYPENUMBER", "apply.applicant_id"),
                Line("APPLY_CARDTYPENUMBER", "apply.applicant_id_kind", ID_KIND),
                Line("APPLY_CARDTYPENUMBER", "apply.applicant_kind", APPLICANT_KIND),
                Line("CONTACTMAN", "apply.contact_name"),
                Line("CONTACTMAN_CARDNUMBER", "apply.contact_id"),
                Line("CONTACTMAN_CARDNUMBER", "apply.contact_id_kind", ID_KIND),
                Line("TELPHONE", "apply.contact_phone"),
                Line("POSTCODE", "apply.postcode"),
                Line("ADDRESS", "apply.address"),
                Line("LEGALMAN", "apply.legal_person"),
            ),
            given={"apply.channel": "other"},
            unfilled=(
                *_COMMON,
                *("PROJPWD", "ITEMVERSION", "PROJECTSTATE", "APPLY_CARDTYPE", "CONTACTMAN_CARDTYPE", "DEPTNAME"),
                *("RECEIVE_USEID", "RECEIVE_NAME", "APPLYFROM", "APPROVE_TYPE", "CREATE_TIME"),
            ),
        ),
        ForeignTable(
            name="PRE_ACCEPT",
            sources=(Table.ACCEPT,),
            lines=(
                *_head(Table.ACCEPT),
                Line("HANDER_DEPTID", "accept.@org"),
                Line("ACCEPT_TIME", "accept.@event_time", INSTANT),
                Line("ACCEPT_MAN", "accept.officer_name"),
                Line("PROMISEVALUE", "accept.promise_days"),
                Line("PROMISE_ETIME", "accept.promise_date", DAY),
                Line("HANDER_DEPTNAME", "accept.org_name"),
                Line("DOCUMENT_CODE", "accept.receipt_no"),
            ),
            given={"accept.state": "accepted"},
            unfilled=(*_COMMON, "PROMISETYPE"),
        ),
        ForeignTable(
            name="PRE_NODE",
            sources=(Table.STEP,),
            lines=(
                *_head(Table.STEP),
                Line("NODE_NAME", "step.name"),
                Line("NAME", "step.officer_name"),
                Line("OPINION", "step.opinion"),
                Line("START_TIME", "step.started_at", INSTANT),
                Line("END_TIME", "step.@event_time", INSTANT),
                Line("NEXT_NODE_NAME", "step.next_name"),
            ),
            given={"step.kind": "other", "step.result": "done"},
            unfilled=(*_COMMON, "UNID", "ACTION", "PHASE_NAME", "PHASE_CODE"),
        ),
        ForeignTable(
            name="PRE_TRANSACT",
            sources=(Table.FINISH,),
            lines=(
                *_head(Table.FINISH),
                Line("TRANSACT_TIME", "finish.@event_time", INSTANT),
                Line("TRANSACT_USER", "finish.officer_name"),
                Line("TRANSACT_RESULT", "finish.result", _RESULT),
                Line("TRANSACT_DESCRIBE", "finish.explanation"),
            ),
            unfilled=(*_COMMON, "RESULT_CODE", "ELECTRONIC_RECORDS", "RESULTS_TIME"),
        ),
        ForeignTable(
            name="PRE_ATTR",
            sources=(Table.MATERIAL,),
            lines=(
                *_head(Table.MATERIAL),
                Line("ATTRNAME", "material.name"),
                Line("ATTRID", "material.code"),
                Line("AMOUNT", "material.copies"),
                Line("TAKETIME", "material.@event_time", INSTANT),
                Line("FILENAME", "material.file_name"),
            ),
            given={"material.form": "original"},
            unfilled=(*_COMMON, "TAKETYPE", "ISTAKE", "FILE_URL"),
        ),
    ),
)
