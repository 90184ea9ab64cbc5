"""national-up_pro: the case tables that provinces report to 国家政务服务平台, as public programs name their columns.

One row of `up_pro_accept` tells of application and acceptance together. Variants v3 and v4 of these tables exist and
differ; this is the one with `cd_batch`, `cd_operation` and `cd_time`.
"""

from ferry.exchange.codes import Table
from ferry.exchange.profiles.mapping import (
    APPLICANT_KIND,
    DAY,
    ID_KIND,
    INSTANT,
    ForeignTable,
    Line,
    Profile,
    codes,
)


def _head(table: Table) -> tuple[Line, ...]:
    return (
        Line("project_no", f"{table}.@projid"),
        Line("cd_batch", f"{table}.@batch"),
        Line("cd_operation", f"{table}.@op"),
        Line("cd_time", f"{table}.@sent_time", INSTANT),
    )


_COMMON = ("row_guid", "data_source", "is_sync", "update_time")

NATIONAL = Profile(
    name="national-up_pro",
    title="国家政务服务平台办件数据（up_pro_*）",
    notes=(
        "applyer_type、applyer_page_type、apply_type、project_type、event_name、result_type、special_type、get_type 的"
        "代码表未公开，不填写；申请人和证件类型由号码判断，办结结果还原为“办结”。",
        "没有承诺工作日，由受理日和承诺办结日按工作日历推算。",
        "没有数据版本：更正以 cd_operation=U 表示，还原时版本为1。",
        "没有网上预受理、补正告知、补正受理、领取登记、投诉和监察记录。",
    ),
    tables=(
        ForeignTable(
            name="up_pro_accept",
            sources=(Table.APPLY, Table.ACCEPT),
            lines=(
                *_head(Table.APPLY),
                *_head(Table.ACCEPT),
                Line("org_code", "apply.@org"),
                Line("org_code", "accept.@org"),
                Line("local_task_code", "apply.item_code"),
                Line("task_name", "apply.item_name"),
                Line("project_name", "apply.project_name"),
                Line("applyer_name", "apply.applicant_name"),
                Line("applyer_page_code", "apply.applicant_id"),
                Line("applyer_page_code", "apply.applicant_id_kind", ID_KIND),
                Line("applyer_page_code", "apply.applicant_kind", APPLICANT_KIND),
                Line("contact_name", "apply.contact_name"),
                Line("contact_code", "apply.contact_id"),
                Line("contact_code", "apply.contact_id_kind", ID_KIND),
                Line("contact_mobile", "apply.contact_phone"),
                Line("legal", "apply.legal_person"),
                Line("address", "apply.address"),
                Line("zip_code", "apply.postcode"),
                Line("apply_date", "apply.@event_time", INSTANT),
                Line("accept_date", "accept.@event_time", INSTANT),
                Line("accept_doc_no", "accept.receipt_no"),
                Line("promise_date", "accept.promise_date", DAY),
                Line("org_name", "accept.org_name"),
                Line("handle_user_name", "accept.officer_name"),
            ),
            given={"apply.channel": "other", "accept.state": "accepted"},
            unfilled=(
                *_COMMON,
                *("catalog_code", "local_catalog_code", "task_code", "task_handle_item", "task_version"),
                *("applyer_type", "applyer_page_type", "contact_type", "apply_type", "project_type"),
            ),
        ),
        ForeignTable(
            name="up_pro_process",
            sources=(Table.STEP,),
            lines=(
                *_head(Table.STEP),
                Line("process_name", "step.name"),
                Line("event_start_time", "step.started_at", INSTANT),
                Line("event_end_time", "step.@event_time", INSTANT),
                Line("handle_user_name", "step.officer_name"),
                Line("handle_explain", "step.opinion"),
                Line("remark", "step.remark"),
            ),
            given={"step.kind": "other", "step.result": "done"},
            unfilled=(*_COMMON, "event_name"),
        ),
        ForeignTable(
            name="up_pro_result",
            sources=(Table.FINISH,),
            lines=(
                *_head(Table.FINISH),
                Line("result_date", "finish.@event_time", INSTANT),
                Line("result_explain", "finish.explanation"),
                Line("result_cetr_name", "finish.certificate_name"),
                Line("result_cetr_no", "finish.certificate_no"),
                Line("handle_user_name", "finish.officer_name"),
            ),
            given={"finish.result": "ended"},
            unfilled=(*_COMMON, "result_type", "is_delivery_results", "satisfaction"),
        ),
        ForeignTable(
            name="up_pro_special_procedure",
            sources=(Table.SPECIAL_APPLY, Table.SPECIAL_RESULT),
            lines=(
                *_head(Table.SPECIAL_APPLY),
                Line(
                    "special_name",
                    "special_apply.kind",
                    codes({"extension": "延长审批", "statutory": "依法不计入期限"}),
                ),
                Line("special_reason", "special_apply.reason"),
                Line("special_explain", "special_apply.content"),
                Line("special_time", "special_apply.@event_time", INSTANT),
                Line("end_time", "special_result.@event_time", INSTANT),
                Line("result", "special_result.explanation"),
                Line("handle_user", "special_apply.approver_name"),
            ),
            unfilled=(*_COMMON, "special_type", "applyer_user_name"),
            one_way="没有时限",
        ),
        ForeignTable(
            name="up_pro_material",
            sources=(Table.MATERIAL,),
            lines=(
                *_head(Table.MATERIAL),
                Line("material_name", "material.name"),
                Line("material_attach_name", "material.file_name"),
                Line("get_num", "material.copies"),
            ),
            unfilled=(*_COMMON, "get_type"),
            one_way="没有时间",
        ),
    ),
)
