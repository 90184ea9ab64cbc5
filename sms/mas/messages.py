"""What a cloud MAS and its clients say to each other by HTTP: requests, answers, reports and texts from people. Pure.

Source: the interface as public clients speak it (norsubmit by HTTP, submit by HTTPS): JSON, in requests wrapped in
base64; pushes as plain JSON. Limits: the carrier's own manual was not seen, so unknown members are ignored and unknown
codes are technical; no templates (tmpsubmit), no many-to-many content, nothing is fetched from the MAS.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from alerts.settling import Heard
from alerts.states import State
from sms.receipts import MessageState, Receipt, same_message_ids
from sms.statuses import Fault, Meaning, of_receipt
from sms.text import Coding, Concat, ConcatKind, Part

#: No signature protects a push: what a field may hold is said as narrowly as the interface allows.
Mobile = Annotated[str, Meta(pattern=r"\A\+?[0-9]{3,20}\Z")]
ServiceCode = Annotated[str, Meta(pattern=r"\A[0-9]{0,32}\Z")]
MsgGroup = Annotated[str, Meta(pattern=r"\A[!-~]{1,64}\Z")]
Word = Annotated[str, Meta(pattern=r"\A[ -~]{0,40}\Z")]
S = TypeVar("S", bound=Struct)


class Account(Struct, frozen=True, kw_only=True):
    """An interface account. `sign` is the code of a registered signature; `add_serial` lengthens the access number."""

    ec_name: str
    ap_id: str
    secret_key: str
    sign: str
    add_serial: str = ""

    def __repr__(self) -> str:
        return f"Account(ap_id={self.ap_id!r})"


class Submission(Struct, frozen=True, kw_only=True, rename="camel"):
    """norsubmit. `mobiles` is one number: a message has a msgGroup of its own, by which its report is known."""

    ec_name: str
    ap_id: str
    mobiles: str
    content: str
    sign: str
    add_serial: str
    mac: str


class Answer(Struct, frozen=True, rename="camel"):
    """`msg_group` is empty unless the text was taken."""

    rspcod: str
    success: bool = False
    msg_group: Annotated[str, Meta(pattern=r"\A[!-~]{0,64}\Z")] = ""


class Report(Struct, frozen=True, rename="camel"):
    """A pushed status report: the receipt of one number."""

    report_status: Word
    mobile: Mobile
    msg_group: MsgGroup
    error_code: Word = ""


class Text(Struct, frozen=True, rename="camel"):
    """A pushed text from a person. `add_serial` is the whole number they wrote to."""

    mobile: Mobile
    sms_content: Annotated[str, Meta(max_length=10_000)]
    send_time: str = ""
    add_serial: ServiceCode = ""


# -------------------------------------------------------------------------------------------------------------- out


def submission(account: Account, mobile: str, content: str) -> bytes:
    """The body of norsubmit. The secret key goes into the mac and nowhere else."""
    content = content.encode("utf-8", "replace").decode()  # a lone surrogate is no JSON
    said = Submission(
        ec_name=account.ec_name,
        ap_id=account.ap_id,
        mobiles=mobile,
        content=content,
        sign=account.sign,
        add_serial=account.add_serial,
        mac=mac(account, mobile, content),
    )
    return base64.b64encode(msgspec.json.encode(said))


def mac(account: Account, mobiles: str, content: str) -> str:
    """Lowercase hexadecimal MD5, weak as it is: the interface knows no other."""
    parts = (account.ec_name, account.ap_id, account.secret_key, mobiles, content, account.sign, account.add_serial)
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def without_signature(words: str) -> str:
    """The MAS puts the 【signature】 registered under `sign` before every text by itself; ours would be a second."""
    return re.sub(r"\A【[^【】]*】", "", words)


_SLOW, _TECH, _TEMP, _PERM, _UNKNOWN = (
    Fault.THROTTLED, Fault.TECHNICAL, Fault.TEMPORARY, Fault.PERMANENT, Fault.UNKNOWN,
)  # fmt: skip

#: Those above the line stand in every public client, those below in the carrier's kit for developers only.
RESPONSES: Mapping[str, Meaning] = {
    meaning.name: meaning
    for meaning in (
        Meaning("success", None, "成功", "taken"),
        Meaning("IllegalMac", _TECH, "校验值不符", "the mac does not fit"),
        Meaning("InvalidUsrOrPwd", _TECH, "用户名或密码错误", "no such account, or a wrong secret key"),
        Meaning("IllegalSignId", _TECH, "签名编码无效", "the code of the signature is invalid"),
        Meaning("NoSignId", _TECH, "未匹配到签名", "no signature is registered for the account"),
        Meaning("InvalidMessage", _TECH, "请求无法解析", "the request cannot be parsed"),
        Meaning("TooManyMobiles", _TECH, "号码超过 5000 个", "more than 5000 numbers"),
        Meaning("InvalidMobile", _PERM, "手机号码无效", "this is no phone number"),
        # ---
        Meaning("IllegalIpAddress", _TECH, "来源地址不在白名单", "our address is not on the MAS's list"),
        Meaning("IllegalUseTemplate", _TECH, "模板使用不当", "the template may not be used so"),
        Meaning("FlowOverLimit", _SLOW, "超出流量限制", "the allowed rate is exceeded"),
        Meaning("QueueOverLimit", _SLOW, "平台队列已满", "the queue of the MAS is full"),
        Meaning("SystemBusy", _SLOW, "系统繁忙", "the MAS is busy"),
        Meaning("OverDailyMax", _TEMP, "超出当日条数", "today's quota is used up"),
        Meaning("InternalError", _TEMP, "平台内部错误", "internal error of the MAS"),
        # It gave up on itself: the text may have gone before.
        Meaning("RequestTimeout", _UNKNOWN, "平台处理超时", "the MAS ran out of time"),
    )
}
UNREADABLE = Meaning("unreadable answer", _UNKNOWN, "应答无法解析", "the answer is none of a MAS")
#: What is wrong with the account and not with the message: every other message would be answered the same.
OF_THE_ACCOUNT = frozenset({"IllegalMac", "InvalidUsrOrPwd", "IllegalSignId", "NoSignId", "IllegalIpAddress"})


def of_response(rspcod: str) -> Meaning:
    """A code outside the table is technical: somebody must look it up."""
    name = rspcod if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", rspcod) else "unreadable rspcod"
    return RESPONSES.get(name) or Meaning(name, _TECH, "平台返回未知代码", "a code nobody knows")


def of_http(status: int) -> Meaning:
    """An answer that does not come from the MAS itself, but from what stands before it."""
    name = f"HTTP {status}"
    if status in (429, 503):
        return Meaning(name, _SLOW, "平台暂不受理", "not now")
    if status >= 500:
        return Meaning(name, _UNKNOWN, "结果未知", "it broke while it worked on the request")
    return Meaning(name, _TECH, "接口地址有误", "this is no MAS")


# --------------------------------------------------------------------------------------------------------------- in


def read(body: bytes, kind: type[S]) -> S | None:
    """`body` as `kind`, or None if it is not one. Never raises."""
    try:
        # json, because it reads a lone surrogate, half of what a phone cut apart; msgspec refuses the whole text.
        return msgspec.convert(json.loads(body), kind)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None


_STATES = {
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "ACCEPTD": MessageState.ACCEPTED,
    "ENROUTE": MessageState.ENROUTE,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
}
_FINAL = {MessageState.DELIVERED: State.DELIVERED, MessageState.EXPIRED: State.EXPIRED}


def heard(report: Report) -> Heard | None:
    """The receipt, or None if the report is not the last word."""
    # Anything else is a failure, UNDELIV or the network's own code: "MK:0001".
    status = report.report_status.strip().upper()
    state = _STATES.get(status, MessageState.UNDELIVERABLE)
    if not state.is_final:
        return None
    final = _FINAL.get(state, State.FAILED)
    code = report.error_code.strip() or status
    error = "" if final is State.DELIVERED else f"{code} {of_receipt(Receipt('', state, error=code)).name}"
    return Heard(plain(report.msg_group), final, report.mobile, error)


def plain(msg_group: str) -> str:
    """As the queue's housekeeping looks it up; no id stays none."""
    return same_message_ids(msg_group)[0] if msg_group else ""


def part(text: Text, body: bytes) -> Part:
    """The whole text as one part; `body`, as it came, is its evidence.

    No id comes with it. As part 1 of 1 under the carrier's reference an equal body within minutes is known as the same
    text said again, for the body holds the second at which the person sent it.
    """
    octets = text.sms_content.encode("utf-16-be", "surrogatepass")
    return Part(text.mobile, text.add_serial, Coding.UCS2, octets, Concat(ConcatKind.SAR, 0, 1, 1), body)
