"""gd-2013: the ten entities of 广东省网上办事大厅建设规范 V1.0 (2013), as public programs name their columns.

Lengths and mandatory marks of that specification are not public; of 网上预受理, 补正受理 and 领取登记 only the name and
the time are, their other columns here are reconstructed.
"""

from ferry.exchange.codes import Table
from ferry.exchange.profiles.mapping import (
    DAY,
    ID_KIND,
    INSTANT,
    LIST,
    YUAN,
    ForeignTable,
    Line,
    Profile,
    codes,
)

_APPLICANT_KIND = codes({"person": "1", "enterprise": "2", "other": "3"})
_CHANNEL = codes(
    {"pc": "0", "mobile": "1", "wap": "2", "wechat": "3", "alipay": "4", "other": "9"}, also={"window": "9"}
)
_RESULT_WAY = codes({"collect": "0", "mail": "1"})
_FINISH = codes(
    {
        "granted": "0",
        "returned": "1",
        "voided": "2",
        "deleted": "3",
        "forwarded": "4",
        "not_supplemented": "5",
        "ended": "6",
    },
    also={"refused": "6", "withdrawn": "1"},
)


def _head(table: Table, time: str) -> tuple[Line, ...]:
    return (
        Line("SBLSH", f"{table}.@projid"),
        Line("VERSION", f"{table}.@version"),
        Line("XZQHDM", f"{table}.@region"),
        Line("D_ZZJGDM", f"{table}.@org"),
        Line(time, f"{table}.@event_time", INSTANT),
        Line("BZ", f"{table}.remark"),
    )


_COMMON = (
    *("SBLSH_SHORT", "SXBM_SHORT", "SXQXBM", "F_XZQHDM", "BYZD", "XML_DATA"),
    *("REC_FLAG", "INSERTTIME", "RESPONSETIME"),
)

GD_2013 = Profile(
    name="gd-2013",
    title="广东省网上办事大厅建设规范 V1.0（2013）",
    notes=(
        "TJFS、SQRZJLX、SPHJZTDM 的代码表未公开，不填写；证件类型由号码判断。",
        "承诺工作日、承诺办结日不在 SL 中，按事项编码（SXBM）取自事项目录；只按本表转换的受理数据缺少期限。",
        "窗口申办和不予许可、申请人撤回没有对应代码，分别写作 WSSBQD=9、BJJGDM=6、BJJGDM=1，不能还原。",
    ),
    tables=(
        ForeignTable(
            name="EX_GDBS_SB",
            sources=(Table.APPLY,),
            lines=(
                *_head(Table.APPLY, "SBSJ"),
                Line("SXBM", "apply.item_code"),
                Line("SXMC", "apply.item_name"),
                Line("SBXMMC", "apply.project_name"),
                Line("SQRLX", "apply.applicant_kind", _APPLICANT_KIND),
                Line("SQRMC", "apply.applicant_name"),
                Line("SQRZJHM", "apply.applicant_id"),
                Line("SQRZJHM", "apply.applicant_id_kind", ID_KIND),
                Line("WSSBQD", "apply.channel", _CHANNEL),
                Line("LXRXM", "apply.contact_name"),
                Line("LXRSFZJHM", "apply.contact_id"),
                Line("LXRSFZJHM", "apply.contact_id_kind", ID_KIND),
                Line("LXRSJ", "apply.contact_phone"),
                Line("LXRYX", "apply.contact_mail"),
                Line("SBHZH", "apply.receipt_no"),
                Line("PROJECT_CODE", "apply.project_code"),
                Line("OBTAIN_PAPER_WAY", "apply.result_way", _RESULT_WAY),
                Line("SBCLQD", "apply.materials", LIST),
            ),
            unfilled=(
                *_COMMON,
                *("FSXBM", "FSXMC", "SQRZJLX", "LXRZJLX", "TJFS", "SBJTWD", "YSBLSH", "USERIDCODE"),
                "OBTAIN_DELIVER_WAY",
            ),
        ),
        ForeignTable(
            name="EX_GDBS_SBCL",
            sources=(Table.MATERIAL,),
            lines=(
                Line("SBLSH", "material.@projid"),
                Line("SEQ", "material.@no"),
                Line("CLMC", "material.name"),
                Line("CLLX", "material.form", codes({"original": "0", "copy": "1", "electronic": "2"})),
                Line("CLSL", "material.copies"),
                Line("ATTACH_NAME", "material.file_name"),
                Line("ATTACH_TYPE", "material.media_type"),
                Line("STUFF_SEQ", "material.code"),
            ),
            unfilled=("WJLX", "ATTACH_ID", "ATTACH_PATH", "ATTACH_BODY", "SAVE_TYPE", "ATTACH_SIGN", "SLBMZZJDDM"),
            one_way="没有时间",
        ),
        ForeignTable(
            name="EX_GDBS_WSYSL",
            sources=(Table.PREACCEPT,),
            lines=(
                *_head(Table.PREACCEPT, "YSLSJ"),
                Line("YSLZTDM", "preaccept.state", codes({"passed": "1", "refused": "2", "supplement": "3"})),
                Line("YSLJGMS", "preaccept.opinion"),
                Line("BLRXM", "preaccept.officer_name"),
                Line("BLRGH", "preaccept.officer_code"),
            ),
            unfilled=_COMMON,
        ),
        ForeignTable(
            name="EX_GDBS_SL",
            sources=(Table.ACCEPT,),
            lines=(
                *_head(Table.ACCEPT, "SLSJ"),
                Line(
                    "SLZTDM",
                    "accept.state",
                    codes({"accepted": "1", "not_ours": "2", "supplemented": "3", "refused": "4"}),
                ),
                Line("YWLSH", "accept.business_no"),
                Line("SLBMMC", "accept.org_name"),
                Line("SLBMZZJGDM", "accept.@org"),
                Line("BLRXM", "accept.officer_name"),
                Line("BLRGH", "accept.officer_code"),
                Line("BSLYY", "accept.reason"),
                Line("SLHZH", "accept.receipt_no"),
                Line("BJDTBM", "accept.hall_code"),
                Line("BMDTMC", "accept.hall_name"),
                Line("BJCKBM", "accept.window_code"),
                Line("BJCKMC", "accept.window_name"),
            ),
            unfilled=(*_COMMON, "YWCXMM", "CKCLBM", "XZQHMC", "GXDXZQHDM", "STATUS"),
        ),
        ForeignTable(
            name="EX_GDBS_SPCL",
            sources=(Table.STEP,),
            lines=(
                *_head(Table.STEP, "SPSJ"),
                Line("SPHJDM", "step.kind", codes({"handle": "1", "review": "2", "approve": "3"})),
                Line("SPHJMC", "step.name"),
                Line("SPBMMC", "step.org_name"),
                Line("SPBMZZJGDM", "step.@org"),
                Line("SPRXM", "step.officer_name"),
                Line("SPRZWMC", "step.post"),
                Line("SPYJ", "step.opinion"),
            ),
            given={"step.kind": "other", "step.result": "done"},
            unfilled=(*_COMMON, "SPRZWDM", "SPHJZTDM"),
        ),
        ForeignTable(
            name="EX_GDBS_BZGZ",
            sources=(Table.SUPPLEMENT_NOTICE,),
            lines=(
                *_head(Table.SUPPLEMENT_NOTICE, "BZGZSJ"),
                Line("BZGZFCRXM", "supplement_notice.officer_name"),
                Line("BZGZYY", "supplement_notice.reason"),
                Line("BZCLQD", "supplement_notice.items", LIST),
            ),
            unfilled=(*_COMMON, "BQBZCLBM"),
        ),
        ForeignTable(
            name="EX_GDBS_BZSL",
            sources=(Table.SUPPLEMENT_ACCEPT,),
            lines=(
                *_head(Table.SUPPLEMENT_ACCEPT, "BZSJ"),
                Line("BZSLBLRXM", "supplement_accept.officer_name"),
                Line("BZCLQD", "supplement_accept.items", LIST),
            ),
            unfilled=_COMMON,
        ),
        ForeignTable(
            name="EX_GDBS_TBCXSQ",
            sources=(Table.SPECIAL_APPLY,),
            lines=(
                *_head(Table.SPECIAL_APPLY, "TBCXKSRQ"),
                Line("TBCXZL", "special_apply.kind", codes({"extension": "A", "statutory": "B"})),
                Line("TBCXPZR", "special_apply.approver_name"),
                Line("TBCXQDLY", "special_apply.reason"),
                Line("SQNR", "special_apply.content"),
                Line("TBCXSX", "special_apply.days"),
                Line("TBCXSXDW", "special_apply.days_unit", codes({"working": "G", "calendar": "Z"})),
            ),
            unfilled=_COMMON,
        ),
        ForeignTable(
            name="EX_GDBS_TBCXJG",
            sources=(Table.SPECIAL_RESULT,),
            lines=(
                *_head(Table.SPECIAL_RESULT, "TBCXJSRQ"),
                Line("TBCXJG", "special_result.explanation"),
                Line("JGCSRQ", "special_result.result_date", DAY),
                Line("TBCXSFJE", "special_result.fee_cents", YUAN),
            ),
            given={"special_result.outcome": "ended"},
            unfilled=(*_COMMON, "JEDWDM"),
        ),
        ForeignTable(
            name="EX_GDBS_BJ",
            sources=(Table.FINISH,),
            lines=(
                *_head(Table.FINISH, "BJSJ"),
                Line("BJJGDM", "finish.result", _FINISH),
                Line("BJBMMC", "finish.org_name"),
                Line("BJBMZZJGDM", "finish.@org"),
                Line("BJJGMS", "finish.explanation"),
                Line("ZFHTHYY", "finish.reason"),
                Line("ZJGZMC", "finish.certificate_name"),
                Line("ZJBH", "finish.certificate_no"),
                Line("ZJYXQX", "finish.valid_until", DAY),
                Line("FZGZDW", "finish.issued_by"),
                Line("SFJE", "finish.fee_cents", YUAN),
            ),
            unfilled=(*_COMMON, "JEDWDM"),
        ),
        ForeignTable(
            name="EX_GDBS_LQDJ",
            sources=(Table.PICKUP,),
            lines=(
                *_head(Table.PICKUP, "LQSJ"),
                Line("LQRXM", "pickup.person_name"),
                Line("LQRZJHM", "pickup.person_id"),
                Line("LQRZJHM", "pickup.person_id_kind", ID_KIND),
                Line("LQFS", "pickup.way", _RESULT_WAY),
            ),
            given={"pickup.way": "collect"},
            unfilled=_COMMON,
        ),
        ForeignTable(
            name="EX_GDBS_SPJG",
            sources=(Table.RESULT_FILE,),
            lines=(
                Line("SBLSH", "result_file.@projid"),
                Line("SEQ", "result_file.@no"),
                Line("ATTACH_NAME", "result_file.name"),
                Line("ATTACH_TYPE", "result_file.media_type"),
            ),
            unfilled=("ATTACH_ID", "ATTACH_PATH", "ATTACH_BODY", "ATTACH_SIGN"),
            one_way="没有时间",
        ),
    ),
)
