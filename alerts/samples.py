"""What each value of a text is and looks like: what the approver of a wording reads, and how long it may become.

Limits: the numbers are invented. A value means the same in every template, so there is one sample for each.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from alerts.texts import LIMITS, REFUSAL_LIMIT, Template


class Sample(Struct, frozen=True):
    meaning: str
    value: str


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        "n": Sample("数量", "3"),
        "no": Sample("办件编号", "202600000123"),
        "tno": Sample("投诉或咨询编号", "TS2026000123"),
        "item": Sample("事项名称", "公共场所卫生许可"),
        "step": Sample("环节", "承办"),
        "st": Sample("状态", "已受理"),
        "officer": Sample("经办人员", "承办人"),
        "dept": Sample("单位简称", "衡住建"),
        "place": Sample("地点", "政务大厅一楼"),
        "tel": Sample("服务电话", "07348123456"),
        "color": Sample("牌色", "黄"),
        "due": Sample("到期日", "10月22日"),
        "limit": Sample("限期", "10月26日"),
        "date": Sample("日期", "10月22日"),
        "recv": Sample("收件日", "9月18日"),
        "ap": Sample("申诉截止日", "10月28日"),
        "exp": Sample("有效期至", "10月23日18:00"),
        "time": Sample("时间", "10月22日09:30"),
        "left": Sample("剩余工作日", "3"),
        "over": Sample("超期工作日", "2"),
        "days": Sample("工作日数", "20"),
        "cno": Sample("牌号", "衡江监察黄〔2026〕7号"),
        "dbno": Sample("督办单号", "衡江监察督〔2026〕12号"),
        "ev": Sample("存证号", "EV00000123"),
        "code": Sample("回复码", "04711"),
        "pwd": Sample("验证码或查询密码", "047112"),
        "why": Sample("发牌事由", "超过承诺时限未办结"),
        "abn": Sample("异常情形", "环节超时"),
        "sum": Sample("摘要", "申请表；租赁合同"),
        "reason": Sample("理由", "案情复杂"),
        "doc": Sample("文书名称", "不予受理通知书"),
        "kind": Sample("受理或许可", "受理"),
        "proc": Sample("特殊程序", "专家评审"),
        "result": Sample("办理结果", "准予许可"),
        "res": Sample("结论", "决定受理"),
        "deal": Sample("处理意见", "将依法调查处理"),
        "act": Sample("操作", "确认发牌"),
        "year": Sample("年份", "2027"),
        "lic": Sample("证照名称", "卫生许可证"),
        "lno": Sample("证照编号", "衡卫证〔2026〕15号"),
        "chan": Sample("短信通道", "mobile"),
        "refusal": Sample("不予办理的原因", "回复码已过期，请以最新短信为准。"),
    }
)


def most_units(name: str) -> int:
    """The most UTF-16 units that the value `name` takes."""
    return LIMITS.get(name, REFUSAL_LIMIT).units


def described(name: str) -> Sample:
    """Of a value that an earlier program gave its texts only the name is known."""
    return SAMPLES.get(name, Sample(name, f"{{{name}}}"))


def sample_of(template: Template) -> str:
    """The text as somebody might read it, without the signature."""
    return template.body.format_map({name: described(name).value for name in template.names})


def longest(template: Template) -> dict[str, str]:
    """A value of the greatest length for each place."""
    return {name: "满" * most_units(name) for name in template.names}
