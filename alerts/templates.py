"""The words of every text that can leave, in one table that is read as a whole: the program's own wording.

An installation may word a text otherwise (alerts/wordings.py); what a text says, how urgent it is and which values it
has is decided here. What each template is for: alerts/policy.py.
"""

from collections.abc import Mapping
from types import MappingProxyType

from alerts.texts import MessageClass, Template

_ITEM, _NOTICE, _WARNING = MessageClass

TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        template.id.partition("_")[0]: template
        for template in (
            Template(
                "T01_TODO", "待办提醒", _NOTICE, 6,
                "待办提醒：您有{n}件待办，最急件{no}“{item}”处于{step}，应于{due}前办理，剩{left}个工作日。请登录移动审批处理。",
            ),
            Template(
                "T02_YELLOW_LIGHT", "黄灯预警", _WARNING, 1,
                "时限预警（黄灯）：{no}“{item}”将于{due}到期，剩{left}个工作日，现处{step}，承办人{officer}。请抓紧办理。",
            ),
            Template(
                "T03_RED_LIGHT", "红灯督办", _WARNING, 1,
                "超期督办（红灯）：{no}“{item}”已超期{over}个工作日，责任单位{dept}。"
                "请于{limit}前办结并说明理由，督办单{dbno}。",
            ),
            Template(
                "T04_ABNORMAL", "异常预警", _WARNING, 1,
                "异常预警：{no}“{item}”{abn}，请{officer}于{limit}前改正并在系统反馈。",
                free=("abn",),
            ),
            Template(
                "T05_CARD_CONFIRM", "发牌确认", _WARNING, 0,
                "发牌确认：拟对{dept}发{color}牌，{no}{why}。同意回复1{code}，不同意回复2{code}，{exp}前有效，勿转发。",
                confirms=True,
            ),
            Template(
                "T06_CARD_ISSUED", "发牌通知", _WARNING, 0,
                "{color}牌通知{cno}：{dept}因{no}{why}被发{color}牌。签收回复1{code}；有异议请于{ap}前登录系统申诉。",
                confirms=True,
            ),
            Template(
                "T07_MO_RECEIPT", "回执", _NOTICE, 0,
                "已记录：{cno}于{time}由本机号码{act}，存证号{ev}。非本人操作请速电{tel}。",
                is_reply=True,
            ),
            Template(
                "T08_APPEAL_RESULT", "申诉结果", _NOTICE, 6,
                "申诉结果：{cno}经复核{res}，{deal}。存证号{ev}，详情请登录系统查看。",
                free=("deal",),
            ),
            Template(
                "T09_RECEIVED", "接件", _ITEM, 3,
                "您申请的“{item}”已接件，凭证号{no}，查询密码{pwd}。"
                "我们将于{date}前告知是否受理或需补正内容。查进度回复CX{no}。",
            ),
            Template(
                "T10_SUPPLEMENT", "补正告知", _ITEM, 4,
                "您的申请{no}需补正{n}项：{sum}。全部内容见《补正告知书》，请登录网上大厅查看并补交。咨询{tel}。",
                free=("sum",),
            ),
            Template(
                "T11_ACCEPTED", "受理", _ITEM, 4,
                "您的申请已受理，受理号{no}，承诺{days}个工作日办结（{date}前，法定节假日除外）。查进度回复CX{no}。",
            ),
            Template(
                "T12_REFUSED", "不予受理或许可", _ITEM, 4,
                "您的申请{no}决定不予{kind}，理由见《{doc}》。您依法可申请行政复议或提起行政诉讼。咨询{tel}。",
            ),
            Template(
                "T13_SPECIAL", "特殊程序", _ITEM, 4,
                "您的申请{no}依法需{proc}，约{days}个工作日，不计入办理时限，办结日顺延至{date}。书面告知已送达您的账户。",
            ),
            Template(
                "T14_EXTEND", "延期", _ITEM, 4,
                "您的申请{no}经本机关负责人批准延长{days}个工作日，理由：{reason}。新办结日{date}。咨询{tel}。",
                free=("reason",),
            ),
            Template(
                "T15_DONE", "办结取件", _ITEM, 4,
                "您的申请{no}已办结：{result}。请于{date}前凭有效证件到{place}领取。"
                "请评价：回复PJ5{code}（5最满意，1不满意）。",
                version=2,
            ),
            Template(
                "T16_PROGRESS", "进度答复", _ITEM, 2,
                "{no}“{item}”现处{step}（{st}），{dept}承办，应于{date}前办结，剩{left}个工作日。",
                is_reply=True,
            ),
            Template(
                "T17_DEEMED", "视为受理", _ITEM, 4,
                "{no}逾5个工作日未一次告知补正内容，依法自{recv}收件之日起视为受理，办结期限{date}，已列入电子监察。",
            ),
            Template(
                "T18_COMPLAINT", "投诉登记", _NOTICE, 6,
                "您的投诉已登记，编号{tno}，5个工作日内告知是否受理。查询回复CX{tno}。",
            ),
            Template(
                "T19_HELP", "指令帮助", _NOTICE, 2,
                "未识别的指令，或查无此号。查进度请回复CX加受理号，咨询投诉请致电{tel}。",
                is_reply=True,
                version=2,
            ),
            Template(
                "T20_CALENDAR", "日历预警", _WARNING, 1,
                "工作日历：{year}年尚无国务院办公厅放假安排，系统按推算日历计算，请尽快导入正式通知。",
            ),
            Template(
                "T21_LOGIN", "登录验证码", _NOTICE, 0,
                "登录验证码{pwd}，{exp}前有效。请勿告知他人，非本人操作请忽略。",
                is_reply=True,
            ),
            Template(
                "T22_COMPLAINT_DECIDED", "投诉受理决定", _NOTICE, 6,
                "您的投诉{tno}经审查{res}：{deal}。咨询{tel}。",
                free=("deal",),
            ),
            Template(
                "T23_ANSWERED", "咨询答复", _NOTICE, 6,
                "您的咨询{tno}已由{dept}答复，请登录网上大厅凭编号和查询密码{pwd}查看。",
            ),
            Template(
                "T24_LICENCE_EXPIRING", "证照到期提醒", _NOTICE, 6,
                "证照提醒：您持有的“{lic}”（{lno}）有效期至{date}。需要延续的，请在届满前依法提出申请。咨询{tel}。",
            ),
            Template(
                "T25_LICENCE_ENDED", "证照注销或撤销", _ITEM, 4,
                "您持有的“{lic}”（{lno}）已依法{res}。如有异议，可依法申请行政复议或提起行政诉讼。咨询{tel}。",
            ),
            Template(
                "T26_ORIGINALS", "原件核对", _ITEM, 4,
                "您的申请{no}材料预审通过，请携带原件到{place}核对，核对前不能作出决定。咨询{tel}。",
            ),
            Template(
                "T27_DONE_ONLINE", "办结电子送达", _ITEM, 4,
                "您的申请{no}已办结：{result}。决定文书已电子送达，可凭受理号和查询密码在网上大厅查看，无需到窗口领取。"
                "请评价：回复PJ5{code}（5最满意，1不满意）。",
                version=2,
            ),
            Template(
                "T28_URGED", "催办", _WARNING, 1,
                "催办（第{n}次）：{dept}请您尽快办理{no}“{item}”，现处{step}，应于{due}前办理，剩{left}个工作日。",
            ),
            Template(
                "T29_DUE_MOVED", "期限调整", _ITEM, 4,
                "因工作日历调整，{no}的期限由{due}改为{date}。咨询{tel}。",
            ),
            Template(
                "T30_HEARING_RIGHT", "听证权利告知", _ITEM, 4,
                "您的申请{no}涉及他人重大利益，您有权要求听证，请于{date}前提出。告知书已送达您的账户，咨询{tel}。",
            ),
            Template(
                "T31_HEARING", "听证通知", _ITEM, 4,
                "您的申请{no}定于{date}在{place}举行听证，请准时参加。通知书已送达您的账户，咨询{tel}。",
                free=("place",),
            ),
            Template(
                "T32_RENEWED", "视为准予延续", _ITEM, 4,
                "您的延续申请{no}逾期未作决定，依法视为准予延续：{lno}（原有效期至{date}）。咨询{tel}。",
            ),
            Template(
                "T33_TODOS", "待办汇总", _NOTICE, 6,
                "待办汇总：您新增{n}件待办：{sum}。请登录移动审批查看并办理。",
            ),
            Template(
                "T34_NOT_REACHED", "短信未达", _NOTICE, 4,
                "送达提示：{no}的“{doc}”短信未能送达申请人，请改以电话或书面方式告知，并在卷内记明。",
            ),
            Template(
                "T35_DUTY", "值班提醒", _WARNING, 1,
                "值班提醒：{n}条重要短信未能送达，涉及{sum}。请设法告知有关人员，详见电子监察。",
            ),
            Template(
                "T36_COMMANDS", "短信指令", _NOTICE, 2,
                "短信指令：查进度回复CX加受理号；按来信所示，回复1或2加回复码；办结后评价回复PJ加1至5分和评价码。咨询投诉请致电{tel}。",
                is_reply=True,
            ),
            Template(
                "T37_RATED", "评价回执", _ITEM, 2,
                "感谢您的评价：{no}评为{n}分（5最满意，1不满意），已记录，存证号{ev}。咨询投诉请致电{tel}。",
                is_reply=True,
            ),
            Template(
                "T38_RATE", "办结评价", _ITEM, 4,
                "您的申请{no}已办结。请评价本次服务：回复PJ5{code}（5最满意，1不满意），{exp}前有效。",
            ),
            Template(
                "T39_CARRIER_DOWN", "通道告警", _WARNING, 1,
                "通道告警：短信通道{chan}自{time}起{abn}，请尽快检查，恢复后另行告知。",
            ),
            Template(
                "T40_CARRIER_WELL", "通道恢复", _WARNING, 1,
                "通道恢复：短信通道{chan}已于{time}恢复正常。",
            ),
            Template(
                "T41_FERRY_TROUBLE", "摆渡告警", _WARNING, 1,
                "摆渡告警：与{chan}的数据摆渡自{time}起{abn}，请尽快检查，恢复后另行告知。",
            ),
            Template(
                "T42_FERRY_WELL", "摆渡恢复", _WARNING, 1,
                "摆渡恢复：与{chan}的数据摆渡已于{time}恢复正常。",
            ),
            Template(
                "T43_URGENT_WAITS", "积压告警", _WARNING, 1,
                "积压告警：有通道可用，预警或验证码短信自{time}起仍未发出，请尽快检查短信通道和服务。",
            ),
            Template(
                "T44_CARD_IN_THE_APP", "发牌确认（移动审批）", _WARNING, 0,
                "发牌确认：拟对{dept}发{color}牌，{no}{why}。请登录移动审批签名确认或不同意，本短信不能回复办理。",
            ),
            Template(
                "T45_CARD_SERVED", "发牌通知（移动审批）", _WARNING, 0,
                "{color}牌通知{cno}：{dept}因{no}{why}被发{color}牌。请登录移动审批签收；有异议请于{ap}前登录系统申诉。",
            ),
            Template(
                "T46_REPORTS_STUCK", "报送告警", _WARNING, 1,
                "报送告警：向上级的数据报送自{time}起{abn}，请尽快检查，恢复后另行告知。",
            ),
            Template(
                "T47_REPORTS_WELL", "报送恢复", _WARNING, 1,
                "报送恢复：向上级的数据报送已于{time}恢复正常。",
            ),
        )
    }
)  # fmt: skip

#: Answers a text that was understood and refused; `why` is the refusal's own sentence.
EXPLANATION = Template("R01_REFUSAL", "说明", MessageClass.NOTICE, 1, "{refusal}咨询{tel}。", is_reply=True)
#: The same answer as T16 for a case whose limit does not run: not accepted yet, or decided.
PROGRESS_WITHOUT_LIMIT = Template(
    "T16_PROGRESS_OPEN", "进度答复", MessageClass.ITEM, 2, "{no}“{item}”现处{step}（{st}），{dept}承办。", is_reply=True
)
#: Says that there is something, and not what: of secret cases, and in place of a text that cannot be said.
SEE_THE_SYSTEM: Mapping[MessageClass, Template] = MappingProxyType(
    {
        _ITEM: Template("R02_ITEM", "办件进展", _ITEM, 4, "{no}有新的进展，请登录系统查看。"),
        _NOTICE: Template("R02_NOTICE", "通知", _NOTICE, 6, "{no}有新的通知，请登录系统查看。"),
        _WARNING: Template("R02_WARNING", "预警", _WARNING, 1, "{no}有新的预警，请登录系统查看。"),
    }
)

#: Every template by the id that messages name.
BY_ID: Mapping[str, Template] = MappingProxyType(
    {
        template.id: template
        for template in (*TEMPLATES.values(), *SEE_THE_SYSTEM.values(), EXPLANATION, PROGRESS_WITHOUT_LIMIT)
    }
)
