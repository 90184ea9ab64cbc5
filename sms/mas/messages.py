"""What a cloud MAS and its clients say to each other by HTTP: requests, answers, reports and texts from people. Pure.

Source: the interface as public clients speak it: norsubmit by HTTP, submit by HTTPS, tmpsubmit for registered
templates, report and deliver to fetch; JSON, in requests wrapped in base64. Pushes come bare or wrapped alike.
Limits: the carrier's own manual was not seen, so unknown members are ignored and unknown codes are technical; no
many-to-many content.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from alerts.settling import Heard
from alerts.states import State
from alerts.texts import national_number
from sms.receipts import MessageState, Receipt, same_message_ids
from sms.statuses import Fault, Meaning, of_receipt
from sms.text import Coding, Concat, ConcatKind, Part

#: No signature protects a push: what a field may hold is said as narrowly as the interface allows.
Mobile = Annotated[str, Meta(pattern=r"\A\+?[0-9]{3,20}\Z")]
ServiceCode = Annotated[str, Meta(pattern=r"\A[0-9]{0,32}\Z")]
#: With a phone number behind it as long as the queue's column.
MsgGroup = Annotated[str, Meta(pattern=r"\A[!-~]{1,43}\Z")]
NoMsgGroup = Annotated[str, Meta(pattern=r"\A[!-~]{0,43}\Z")]
Word = Annotated[str, Meta(pattern=r"\A[ -~]{0,40}\Z")]
S = TypeVar("S", bound=Struct)

#: The access number, `addSerial` and an extension together.
MAX_SERIAL_DIGITS = 20


class Account(Struct, frozen=True, kw_only=True):
    """An interface account. `sign` is the code of a registered signature; `add_serial` lengthens the access number."""

    ec_name: str
    ap_id: str
    secret_key: str
    sign: str
    add_serial: str = ""
    #: Our number without `add_serial`; only its length is of interest here.
    access_number: str = ""

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


class TemplateSubmission(Struct, frozen=True, kw_only=True, rename="camel"):
    """tmpsubmit. `params` is a JSON array written as a string, one value for each place of the template, in order."""

    ec_name: str
    ap_id: str
    template_id: str
    mobiles: str
    params: str
    sign: str
    add_serial: str
    mac: str


class Credentials(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a fetch says: here, and only here, the interface wants the secret key itself."""

    ec_name: str
    ap_id: str
    secret_key: str


class Answer(Struct, frozen=True, rename="camel"):
    """The id is empty unless the text was taken. Some platforms write msgGroup as their manual does: mgsGroup."""

    rspcod: str
    #: Says nothing that `rspcod` does not.
    success: bool | str | None = None
    msg_group: NoMsgGroup | None = None
    mgs_group: NoMsgGroup | None = None

    @property
    def id(self) -> str:
        return self.msg_group or self.mgs_group or ""


class Report(Struct, frozen=True, rename="camel"):
    """A status report: the receipt of one number, which some platforms put into an array."""

    report_status: Word
    mobile: Mobile | Annotated[list[Mobile], Meta(min_length=1, max_length=5000)]
    msg_group: MsgGroup
    error_code: Word | None = None

    @property
    def mobiles(self) -> list[str]:
        return [self.mobile] if isinstance(self.mobile, str) else self.mobile


class Text(Struct, frozen=True, rename="camel"):
    """A text from a person. `add_serial` is the whole number they wrote to."""

    mobile: Mobile
    sms_content: Annotated[str, Meta(max_length=10_000)]
    send_time: Annotated[str, Meta(max_length=40)] | None = None
    add_serial: ServiceCode | None = None


# -------------------------------------------------------------------------------------------------------------- out


def submission(account: Account, mobile: str, content: str, extension: str = "") -> bytes:
    """The body of norsubmit. The secret key goes into the mac and nowhere else."""
    content, serial = _sayable(content), serial_of(account, extension)
    said = Submission(
        ec_name=account.ec_name,
        ap_id=account.ap_id,
        mobiles=mobile,
        content=content,
        sign=account.sign,
        add_serial=serial,
        mac=mac(account, serial, mobile, content),
    )
    return _wrapped(said)


def template_submission(
    account: Account, mobile: str, template_id: str, values: Sequence[str], extension: str = ""
) -> bytes:
    """The body of tmpsubmit. A template without places is sent one empty value, as the interface wants it."""
    listed = json.dumps([_sayable(value) for value in values] or [""], ensure_ascii=False, separators=(",", ":"))
    serial = serial_of(account, extension)
    said = TemplateSubmission(
        ec_name=account.ec_name,
        ap_id=account.ap_id,
        template_id=template_id,
        mobiles=mobile,
        params=listed,
        sign=account.sign,
        add_serial=serial,
        mac=mac(account, serial, template_id, mobile, listed),
    )
    return _wrapped(said)


def credentials(account: Account) -> bytes:
    """The body of a fetch."""
    return _wrapped(Credentials(ec_name=account.ec_name, ap_id=account.ap_id, secret_key=account.secret_key))


def mac(account: Account, serial: str, *said: str) -> str:
    """Lowercase hexadecimal MD5, weak as it is: the interface knows no other. `said` is what stands before the sign."""
    parts = (account.ec_name, account.ap_id, account.secret_key, *said, account.sign, serial)
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def serial_of(account: Account, extension: str) -> str:
    """addSerial with `extension` behind it; without, where there is no room: the text matters more than its answer."""
    serial = account.add_serial + extension
    return serial if len(account.access_number + serial) <= MAX_SERIAL_DIGITS else account.add_serial


def _sayable(words: str) -> str:
    return words.encode("utf-8", "replace").decode()  # a lone surrogate is no JSON


def _wrapped(said: Struct) -> bytes:
    return base64.b64encode(msgspec.json.encode(said))


def without_signature(words: str) -> str:
    """The MAS puts the 【signature】 registered under `sign` before every text by itself; ours would be a second."""
    return re.sub(r"\A【[^【】]*】", "", words)


_SLOW, _TECH, _TEMP, _PERM, _UNKNOWN = (
    Fault.THROTTLED, Fault.TECHNICAL, Fault.TEMPORARY, Fault.PERMANENT, Fault.UNKNOWN,
)  # fmt: skip

#: Those above the line stand in every public client, those below in the carrier's kit for developers or in one client.
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
        Meaning("NOT_WHITE_IP", _TECH, "来源地址不在白名单", "our address is not on the MAS's list"),
        Meaning("NotLoadedSign", _TECH, "签名尚未生效", "the signature is not in force yet"),
        Meaning("IllegalState", _TECH, "接口账号已停用", "the account is not in use"),
        Meaning("IllegalProtocol", _TECH, "接口协议不符", "the account speaks another protocol"),
        Meaning("IllegalUseTemplate", _TECH, "模板使用不当", "no such template, or it may not be used so"),
        Meaning("IllegalMsgfmt", _TECH, "编码格式不支持", "the coding is not supported"),
        Meaning("FlowOverLimit", _SLOW, "超出流量限制", "the allowed rate is exceeded"),
        Meaning("RequestTooOften", _SLOW, "请求过于频繁", "requests come too often"),
        Meaning("QueueOverLimit", _SLOW, "平台队列已满", "the queue of the MAS is full"),
        Meaning("SystemBusy", _SLOW, "系统繁忙", "the MAS is busy"),
        Meaning("OverDailyMax", _TEMP, "超出当日条数", "today's quota is used up"),
        Meaning("InternalError", _TEMP, "平台内部错误", "internal error of the MAS"),
        # It gave up on itself, or on what stands behind it: the text may have gone before.
        Meaning("RequestTimeout", _UNKNOWN, "平台处理超时", "the MAS ran out of time"),
        Meaning("TransportError", _UNKNOWN, "平台内部传输失败", "the MAS lost its own connection"),
    )
}
UNREADABLE = Meaning("unreadable answer", _UNKNOWN, "应答无法解析", "the answer is none of a MAS")
#: What is wrong with the account and not with the message: every other message would be answered the same.
OF_THE_ACCOUNT = frozenset(
    {
        "IllegalMac", "InvalidUsrOrPwd", "IllegalSignId", "NoSignId", "NotLoadedSign", "IllegalIpAddress",
        "NOT_WHITE_IP", "IllegalState", "IllegalProtocol",
    }
)  # fmt: skip


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


class Batch(Struct, Generic[S], frozen=True):
    """Each thing that was said with its octets, which are evidence; how many of them were nothing of the kind."""

    said: Sequence[tuple[S, bytes]]
    unreadable: int = 0


def read(body: bytes, kind: type[S]) -> S | None:
    """`body` as one `kind`, or None if it is not. Never raises."""
    try:
        return msgspec.convert(_opened(body)[0], kind)
    except (ValueError, RecursionError):
        return None


def read_all(body: bytes, kind: type[S]) -> Batch[S] | None:
    """`body` as one `kind` or an array of them, or None if it is neither. One bad member costs only itself."""
    try:
        parsed, octets = _opened(body)
    except (ValueError, RecursionError):
        return None
    if parsed is None:  # "null" is how some say that there is nothing
        return Batch(())
    if isinstance(parsed, dict):
        one = read(body, kind)
        return None if one is None else Batch(((one, body),))
    if not isinstance(parsed, list):
        return None
    said: list[tuple[S, bytes]] = []
    for member, as_it_came in zip(parsed, _members(octets, parsed), strict=True):
        try:
            said.append((msgspec.convert(member, kind), as_it_came))
        except ValueError:
            continue
    return Batch(said, len(parsed) - len(said))


def _opened(body: bytes) -> tuple[object, bytes]:
    """What the JSON says, bare or in base64, and the JSON. Raises ValueError, RecursionError."""
    # json, because it reads a lone surrogate, half of what a phone cut apart; msgspec refuses the whole text.
    try:
        return json.loads(body), body
    except ValueError:
        octets = base64.b64decode(body.strip(), validate=True)
        return json.loads(octets), octets


def _members(octets: bytes, parsed: list[object]) -> list[bytes]:
    """The octets of each member, as they came wherever they can be told apart."""
    try:
        return [bytes(member) for member in msgspec.json.decode(octets, type=list[msgspec.Raw])]
    except msgspec.DecodeError:
        return [json.dumps(member, separators=(",", ":")).encode() for member in parsed]


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


def heard(report: Report) -> list[Heard]:
    """The receipts; none if the report is not the last word."""
    # Anything else is a failure, UNDELIV or the network's own code: "MK:0001".
    status = report.report_status.strip().upper()
    state = _STATES.get(status, MessageState.UNDELIVERABLE)
    if not state.is_final:
        return []
    final = _FINAL.get(state, State.FAILED)
    code = (report.error_code or "").strip() or status
    error = "" if final is State.DELIVERED else f"{code} {of_receipt(Receipt('', state, error=code)).name}"
    return [Heard(id_of(report.msg_group, mobile), final, mobile, error) for mobile in report.mobiles]


def id_of(msg_group: str, mobile: str) -> str:
    """What a report is known by: a msgGroup may hold many numbers. No msgGroup stays none."""
    return f"{same_message_ids(msg_group)[0]}@{national_number(mobile)}" if msg_group else ""


def part(text: Text, body: bytes) -> Part:
    """The whole text as one part; `body`, as it came, is its evidence."""
    octets = text.sms_content.encode("utf-16-be", "surrogatepass")
    return Part(text.mobile, text.add_serial or "", Coding.UCS2, octets, Concat(ConcatKind.SAR, 0, 1, 1), body)


def identity(text: Text) -> bytes:
    """No id comes with a text; the same four facts, pushed again or fetched as well, are the same text said again."""
    facts = (national_number(text.mobile), text.sms_content, (text.send_time or "").strip(), text.add_serial or "")
    return json.dumps(facts).encode()
