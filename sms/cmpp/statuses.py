"""What a gateway's answers mean: the statuses of CONNECT and the results of SUBMIT. Tables a person on duty can read.

Source: CMPP 2.0 and 3.0, §CMPP_CONNECT_RESP and §CMPP_SUBMIT_RESP, as public codecs quote them. Pure.
Limits: 2.0 calls everything from 9 on "other"; gateways of both versions use the numbers of 3.0. Suppliers add their
own beyond 13, which are technical: somebody must look them up.
"""

from collections.abc import Mapping
from typing import Final

from sms.statuses import Fault, Meaning, OwnErrors

STRUCTURE, COMMAND, LENGTH, FLOW, OTHER = 1, 2, 4, 8, 9
BAD_SOURCE, BAD_SECRET, BAD_VERSION, CONNECT_OTHER = 2, 3, 4, 5
NOT_CANCELLED = 1

#: CONNECT and SUBMIT number independently. A refused CONNECT is its status plus this, which is no SUBMIT result: those
#: have at most 32 bits.
OF_CONNECT: Final = 1 << 32
#: Our own word: the gateway accepted us and could not show that it knows the secret.
UNPROVEN: Final = OF_CONNECT + 0xFFFFFFFF

_TEMP, _PERM, _SLOW, _TECH = Fault.TEMPORARY, Fault.PERMANENT, Fault.THROTTLED, Fault.TECHNICAL

SUBMIT_RESULTS: Mapping[int, Meaning] = {
    0: Meaning("CMPP_OK", None, "成功", "no error"),
    1: Meaning("CMPP_1_STRUCTURE", _TECH, "消息结构错", "the structure of the message is invalid"),
    2: Meaning("CMPP_2_COMMAND", _TECH, "命令字错", "the command is invalid"),
    # The next try has another sequence number.
    3: Meaning("CMPP_3_SEQUENCE", _TEMP, "消息序号重复", "the sequence number was used before"),
    4: Meaning("CMPP_4_LENGTH", _TECH, "消息长度错", "the length of the message is invalid"),
    5: Meaning("CMPP_5_FEE_CODE", _TECH, "资费代码错", "the fee code is invalid"),
    6: Meaning("CMPP_6_TOO_LONG", _TECH, "超过最大信息长", "the text is too long"),
    7: Meaning("CMPP_7_SERVICE", _TECH, "业务代码错", "the service code is invalid"),
    8: Meaning("CMPP_8_FLOW", _SLOW, "流量控制错", "flow control: allowed rate exceeded"),
    9: Meaning("CMPP_9_NOT_SERVED", _TECH, "本网关不负责服务此号码，或其他错误", "not served here, or another error"),
    10: Meaning("CMPP_10_SRC_ID", _TECH, "源号码（接入号）错误", "Src_Id, the access number, is invalid"),
    11: Meaning("CMPP_11_MSG_SRC", _TECH, "企业代码（Msg_src）错误", "Msg_src, the SP's code, is invalid"),
    12: Meaning("CMPP_12_FEE_TERMINAL", _TECH, "计费地址错误", "Fee_terminal_Id is invalid"),
    13: Meaning("CMPP_13_DESTINATION", _PERM, "目的号码错误", "the destination number is invalid"),
}

CONNECT_STATUSES: Mapping[int, Meaning] = {
    1: Meaning("CMPP_CONNECT_1_STRUCTURE", _TECH, "连接：消息结构错", "connect: the structure is invalid"),
    2: Meaning("CMPP_CONNECT_2_SOURCE", _TECH, "连接：非法源地址（企业代码）", "connect: Source_Addr is unknown"),
    3: Meaning("CMPP_CONNECT_3_SECRET", _TECH, "连接：认证错（密钥）", "connect: the shared secret is wrong"),
    4: Meaning("CMPP_CONNECT_4_VERSION", _TECH, "连接：版本太高", "connect: the version is too high"),
    5: Meaning("CMPP_CONNECT_5_OTHER", _TECH, "连接：其他错误", "connect: another error"),
    0xFFFFFFFF: Meaning(
        "CMPP_CONNECT_UNPROVEN",
        _TECH,
        "连接：网关应答未能证明其知道密钥",
        "connect: the gateway could not prove that it knows the secret",
    ),
}


def of_status(status: int, own: Mapping[int, Meaning] = SUBMIT_RESULTS) -> Meaning:
    """Of a result of SUBMIT, or of a refused CONNECT (OF_CONNECT and its status). `own`: the gateway's own list."""
    if status < OF_CONNECT:
        return own.get(status) or SUBMIT_RESULTS.get(status) or _unknown(f"CMPP_{status}")
    return CONNECT_STATUSES.get(status - OF_CONNECT) or _unknown(f"CMPP_CONNECT_{status - OF_CONNECT}")


def own_errors(faults: Mapping[str, Fault]) -> OwnErrors:
    """`faults` as the settings write them: up to five digits are a result of SUBMIT, else it is a report's Stat."""
    results = {int(code): fault for code, fault in faults.items() if len(code) <= 5}
    stats = {code.upper(): fault for code, fault in faults.items() if len(code) > 5}
    return OwnErrors(
        {code: Meaning(of_status(code).name, fault, *_AGREED) for code, fault in results.items()},
        {code: Meaning(fault, fault, *_AGREED) for code, fault in stats.items()},
    )


_AGREED = ("网关自定义代码", "a code of the gateway's own list")


def _unknown(name: str) -> Meaning:
    return Meaning(name, Fault.TECHNICAL, "网关返回未知代码", "a code nobody knows")
