"""What carriers' codes mean, and what is done about them: tables a person on duty can read.

Holds SMPP 3.4 §5.1.3 (command_status), appendix B (receipt states), 3GPP TS 29.002 (MAP error codes, which most
gateways put into err:). Three kinds an operator can act on (temporary, permanent, technical), one that concerns the
whole bind (throttled) and one nobody may guess about (unknown). Pure.
Limits: codes of Chinese gateways ("MK:0001") differ by province and supplier. Only their family is judged here; a
carrier's own list is `OwnErrors`, which comes first.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from sms.receipts import MessageState, Receipt


class Fault(StrEnum):
    TEMPORARY = "temporary"  # the same message may pass later
    PERMANENT = "permanent"  # this message to this number never will
    THROTTLED = "throttled"  # we are too fast: the whole bind waits
    TECHNICAL = "technical"  # account, configuration or software: somebody must look
    UNKNOWN = "unknown"  # it may have been delivered: sending again may tell a person twice


class Meaning(Struct, frozen=True):
    """One code. `fault` is None where nothing is wrong."""

    name: str
    fault: Fault | None
    zh: str
    en: str


_OK, _TEMP, _PERM, _SLOW, _TECH = None, Fault.TEMPORARY, Fault.PERMANENT, Fault.THROTTLED, Fault.TECHNICAL

COMMAND_STATUSES: Mapping[int, Meaning] = {
    0x00: Meaning("ESME_ROK", _OK, "成功", "no error"),
    0x01: Meaning("ESME_RINVMSGLEN", _TECH, "短信长度无效", "message length is invalid"),
    0x02: Meaning("ESME_RINVCMDLEN", _TECH, "命令长度无效", "command length is invalid"),
    0x03: Meaning("ESME_RINVCMDID", _TECH, "命令不受支持", "command id is invalid"),
    0x04: Meaning("ESME_RINVBNDSTS", _TECH, "当前绑定状态不允许该命令", "bind status does not allow the command"),
    0x05: Meaning("ESME_RALYBND", _TECH, "账号已登录", "already bound"),
    0x06: Meaning("ESME_RINVPRTFLG", _TECH, "优先级无效", "priority flag is invalid"),
    0x07: Meaning("ESME_RINVREGDLVFLG", _TECH, "状态报告标志无效", "registered delivery flag is invalid"),
    0x08: Meaning("ESME_RSYSERR", _TEMP, "网关系统错误", "system error at the gateway"),
    0x0A: Meaning("ESME_RINVSRCADR", _TECH, "源号码（接入码）无效", "source address is invalid"),
    0x0B: Meaning("ESME_RINVDSTADR", _PERM, "目的号码无效", "destination address is invalid"),
    0x0C: Meaning("ESME_RINVMSGID", _TECH, "消息编号无效", "message id is invalid"),
    0x0D: Meaning("ESME_RBINDFAIL", _TECH, "登录失败", "bind failed"),
    0x0E: Meaning("ESME_RINVPASWD", _TECH, "密码错误", "password is invalid"),
    0x0F: Meaning("ESME_RINVSYSID", _TECH, "账号不存在", "system id is invalid"),
    0x11: Meaning("ESME_RCANCELFAIL", _TECH, "撤销失败", "cancel failed"),
    0x13: Meaning("ESME_RREPLACEFAIL", _TECH, "替换失败", "replace failed"),
    0x14: Meaning("ESME_RMSGQFUL", _SLOW, "网关队列已满", "message queue is full"),
    0x15: Meaning("ESME_RINVSERTYP", _TECH, "业务类型无效", "service type is invalid"),
    0x33: Meaning("ESME_RINVNUMDESTS", _TECH, "接收方数量无效", "number of destinations is invalid"),
    0x34: Meaning("ESME_RINVDLNAME", _TECH, "分发列表无效", "distribution list is invalid"),
    0x40: Meaning("ESME_RINVDESTFLAG", _TECH, "接收方标志无效", "destination flag is invalid"),
    0x42: Meaning("ESME_RINVSUBREP", _TECH, "替换请求无效", "submit with replace is invalid"),
    0x43: Meaning("ESME_RINVESMCLASS", _TECH, "esm_class 无效", "esm_class is invalid"),
    0x44: Meaning("ESME_RCNTSUBDL", _TECH, "不能提交到分发列表", "cannot submit to a distribution list"),
    0x45: Meaning("ESME_RSUBMITFAIL", _TEMP, "提交失败", "submit failed"),
    0x48: Meaning("ESME_RINVSRCTON", _TECH, "源号码类型无效", "source TON is invalid"),
    0x49: Meaning("ESME_RINVSRCNPI", _TECH, "源号码编号计划无效", "source NPI is invalid"),
    0x50: Meaning("ESME_RINVDSTTON", _TECH, "目的号码类型无效", "destination TON is invalid"),
    0x51: Meaning("ESME_RINVDSTNPI", _TECH, "目的号码编号计划无效", "destination NPI is invalid"),
    0x53: Meaning("ESME_RINVSYSTYP", _TECH, "系统类型无效", "system type is invalid"),
    0x54: Meaning("ESME_RINVREPFLAG", _TECH, "替换标志无效", "replace flag is invalid"),
    0x55: Meaning("ESME_RINVNUMMSGS", _TECH, "短信数量无效", "number of messages is invalid"),
    0x58: Meaning("ESME_RTHROTTLED", _SLOW, "超出流量限制", "throttled: allowed rate exceeded"),
    0x61: Meaning("ESME_RINVSCHED", _TECH, "定时发送时间无效", "schedule time is invalid"),
    0x62: Meaning("ESME_RINVEXPIRY", _TECH, "有效期无效", "validity period is invalid"),
    0x63: Meaning("ESME_RINVDFTMSGID", _TECH, "预置短信不存在", "predefined message is invalid"),
    0x64: Meaning("ESME_RX_T_APPN", _TEMP, "接收方临时故障", "temporary error at the receiver"),
    0x65: Meaning("ESME_RX_P_APPN", _PERM, "接收方永久拒绝", "permanent error at the receiver"),
    0x66: Meaning("ESME_RX_R_APPN", _PERM, "接收方拒绝该短信", "rejected by the receiver"),
    0x67: Meaning("ESME_RQUERYFAIL", _TECH, "查询失败", "query failed"),
    0xC0: Meaning("ESME_RINVOPTPARSTREAM", _TECH, "可选参数格式错误", "optional parameters are malformed"),
    0xC1: Meaning("ESME_ROPTPARNOTALLWD", _TECH, "不允许的可选参数", "optional parameter is not allowed"),
    0xC2: Meaning("ESME_RINVPARLEN", _TECH, "参数长度无效", "parameter length is invalid"),
    0xC3: Meaning("ESME_RMISSINGOPTPARAM", _TECH, "缺少可选参数", "an expected optional parameter is missing"),
    0xC4: Meaning("ESME_RINVOPTPARAMVAL", _TECH, "可选参数取值无效", "optional parameter value is invalid"),
    0xFE: Meaning("ESME_RDELIVERYFAILURE", _TEMP, "投递失败", "delivery failure"),
    0xFF: Meaning("ESME_RUNKNOWNERR", _TEMP, "未知错误", "unknown error"),
}

RECEIPT_STATES: Mapping[MessageState, Meaning] = {
    MessageState.ENROUTE: Meaning("ENROUTE", _OK, "正在投递", "on its way"),
    MessageState.DELIVERED: Meaning("DELIVRD", _OK, "已送达", "delivered"),
    MessageState.EXPIRED: Meaning("EXPIRED", _TEMP, "有效期内未送达", "expired before delivery"),
    MessageState.DELETED: Meaning("DELETED", _PERM, "已被网关删除", "deleted at the gateway"),
    MessageState.UNDELIVERABLE: Meaning("UNDELIV", _PERM, "无法送达", "undeliverable"),
    MessageState.ACCEPTED: Meaning("ACCEPTD", _OK, "网关已受理", "accepted by the gateway"),
    MessageState.UNKNOWN: Meaning("UNKNOWN", Fault.UNKNOWN, "结果未知", "outcome unknown"),
    MessageState.REJECTED: Meaning("REJECTD", _PERM, "被网关拒绝", "rejected at the gateway"),
}

#: err: of a receipt that says neither delivered nor on its way. Numbers are MAP errors (TS 29.002 §17.6.6).
RECEIPT_ERRORS: Mapping[str, Meaning] = {
    "001": Meaning("unknownSubscriber", _PERM, "空号", "number is not in service"),
    "005": Meaning("unidentifiedSubscriber", _PERM, "号码无法识别", "subscriber cannot be identified"),
    "006": Meaning("absentSubscriberSM", _TEMP, "关机或不在服务区", "phone is off or out of coverage"),
    "009": Meaning("illegalSubscriber", _PERM, "用户未获授权", "subscriber is not authorised"),
    "011": Meaning("teleserviceNotProvisioned", _PERM, "未开通短信业务", "text messages are not provisioned"),
    "013": Meaning("callBarred", _PERM, "停机或限制接收", "service is barred"),
    "021": Meaning("facilityNotSupported", _PERM, "终端不支持短信", "not supported by the phone"),
    "027": Meaning("absentSubscriber", _TEMP, "用户不在线", "subscriber is absent"),
    "031": Meaning("subscriberBusyForMT-SMS", _TEMP, "用户忙", "subscriber is busy"),
    "032": Meaning("sm-DeliveryFailure", _TEMP, "终端存储已满或接收失败", "phone memory is full or faulty"),
    "034": Meaning("systemFailure", _TEMP, "移动网络故障", "network failure"),
}

#: Two letters before the colon say who refused: the way it is commonly read, not a published norm.
FAMILIES: Mapping[str, Meaning] = {
    "MK": Meaning("MK", _PERM, "短信中心返回失败（如空号、停机）", "refused by the message centre"),
    "MI": Meaning("MI", _TEMP, "短信中心投递超时（如关机）", "the message centre could not deliver in time"),
    "MB": Meaning("MB", _TEMP, "短信中心暂不能接收", "the message centre cannot take it now"),
    "MA": Meaning("MA", _TEMP, "网关与短信中心通信失败", "gateway and message centre failed to talk"),
    "DB": Meaning("DB", _PERM, "业务鉴权失败（如黑名单、未订购）", "refused by service authorisation"),
    "ID": Meaning("ID", _TEMP, "网关内部错误", "internal error of the gateway"),
    "CA": Meaning("CA", _TEMP, "网间转接失败", "interworking with another gateway failed"),
    "CB": Meaning("CB", _TEMP, "网间转接失败", "interworking with another gateway failed"),
}


class OwnErrors(Struct, frozen=True):
    """One carrier's own list, from its contract: what it answers a submission, and what its receipts say."""

    statuses: Mapping[int, Meaning] = {}
    receipts: Mapping[str, Meaning] = {}


def own_errors(faults: Mapping[str, Fault]) -> OwnErrors:
    """`faults` as the settings write them: "0x400" is a status of the answer, "MK:0010" an error of the receipt."""
    statuses = {int(code, 16): fault for code, fault in faults.items() if code.startswith("0x")}
    receipts = {code: fault for code, fault in faults.items() if not code.startswith("0x")}
    return OwnErrors(
        {code: Meaning(of_status(code).name, fault, *_AGREED) for code, fault in statuses.items()},
        {code: Meaning(fault, fault, *_AGREED) for code, fault in receipts.items()},
    )


_AGREED = ("运营商自定义代码", "a code of the carrier's own list")


def of_status(command_status: int, own: Mapping[int, Meaning] = COMMAND_STATUSES) -> Meaning:
    """A code outside the tables (0x400-0x4FF are the vendor's own) is technical: somebody must look it up."""
    known = own.get(command_status) or COMMAND_STATUSES.get(command_status)
    return known or Meaning(f"0x{command_status:08X}", Fault.TECHNICAL, "网关返回未知代码", "a code nobody knows")


def of_receipt(receipt: Receipt, own: Mapping[str, Meaning] | None = None) -> Meaning:
    """The most exact reason known. `own` is the carrier's own list of errors and comes first."""
    by_state = RECEIPT_STATES[receipt.state]
    error = receipt.error
    if by_state.fault is None or not error:
        return by_state
    if own and error in own:
        return own[error]
    code = error.rpartition(":")[2] if error[0].isdigit() else error
    return RECEIPT_ERRORS.get(code.zfill(3)) or FAMILIES.get(error[:2] if ":" in error else "") or by_state


#: Failures of receipts that say something about the carrier; the others say something about the phone.
_OF_THE_CARRIER = frozenset(
    {"systemFailure", "MB", "MA", "ID", "CA", "CB", "DELETED", "UNKNOWN", "REJECTD", _TECH.value, _SLOW.value}
)


def is_the_carriers(error: str) -> bool:
    """Whether a failed receipt is the carrier's fault. `error` as outcomes.heard_of writes it: code, name."""
    return error.rpartition(" ")[2] in _OF_THE_CARRIER


# ----------------------------------------------------------------------------------------------------------- retry


class RetryIn(Struct, frozen=True):
    seconds: float


class GiveUp(Struct, frozen=True):
    """No further try by the machine: dead letter, fallback, a person."""


class Retry(Struct, frozen=True):
    """Waits first_s, then factor times longer each time, at most cap_s; after `tries` failures it gives up."""

    tries: int
    first_s: float = 0.0
    factor: float = 1.0
    cap_s: float = 0.0

    def after(self, attempt: int) -> RetryIn | GiveUp:
        if attempt >= self.tries:
            return GiveUp()
        # The exponent is bounded because 2.0 ** 1100 is an OverflowError, not infinity.
        return RetryIn(min(self.cap_s, self.first_s * self.factor ** min(attempt - 1, 64)))


Policy = Mapping[Fault, Retry]

DEFAULT_POLICY: Policy = {
    # A phone that is off comes back within hours: 1, 3, 9, 27, 60, 60, 60 minutes.
    Fault.TEMPORARY: Retry(tries=8, first_s=60, factor=3, cap_s=3600),
    Fault.PERMANENT: Retry(tries=1),
    # Some SMSCs answer 0x58 for a full minute, and an early try prolongs it. Concerns the bind, not the message.
    Fault.THROTTLED: Retry(tries=20, first_s=1, factor=2, cap_s=60),
    # Three tries give the person on duty half an hour to correct the account.
    Fault.TECHNICAL: Retry(tries=3, first_s=300, factor=3, cap_s=900),
    # A receipt may still come. Whoever sends again must know that the person may read it twice.
    Fault.UNKNOWN: Retry(tries=1),
}


def decide(fault: Fault, attempt: int, policy: Policy = DEFAULT_POLICY) -> RetryIn | GiveUp:
    """What to do after failure number `attempt` (from 1) of this kind."""
    return policy[fault].after(attempt)
