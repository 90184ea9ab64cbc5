"""The section of text messages: one table per carrier, with what its contract and its protocol leave open.

Sources: SMPP 3.4, CMPP 2.0 and 3.0, the interfaces of cloud MAS, EMAS and 嘉讯. Defaults are what most contracts say.
Limits: what a carrier has registered (signature, service codes, templates) cannot be known here.
"""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from alerts.templates import BY_ID
from server.setting_types import HttpUrl, Name, Network, PhoneNumber, Port, Section
from sms.mas.messages import MAX_SERIAL_DIGITS


def _push_path(secret: SecretStr) -> SecretStr:
    if not re.fullmatch("[A-Za-z0-9_-]{16,64}", secret.get_secret_value()):
        raise PydanticCustomError(
            "push_path", "应为 16 至 64 个字母、数字、-、_ · must be 16 to 64 letters, digits, - or _"
        )
    return secret


PushPath = Annotated[SecretStr, AfterValidator(_push_path)]
#: How much of the traffic a carrier gets beside the others, while all are well.
Weight = Annotated[int, Field(ge=1, le=100)]
#: A MAS cannot be told when a text is news no more: so much of its life must be left when it is handed over.
NeedsLeft = Annotated[int, Field(ge=1, le=3600)]

#: A command_status in hexadecimal, or the error that a carrier writes into its receipts.
OwnError = Annotated[str, Field(pattern=r"^(0x[0-9A-Fa-f]{1,8}|[A-Z]{2}:[0-9]{4}|[0-9]{1,3})$")]


class SimulatorCarrier(Section):
    kind: Literal["simulator"] = "simulator"
    name: Name = "simulator"
    weight: Weight = 10


class SmppCarrier(Section):
    kind: Literal["smpp"]
    name: Name
    host: str = Field(min_length=1)
    port: Port = 2775
    system_id: str = Field(min_length=1, max_length=15)  # SMPP 3.4 §5.2.1, §5.2.2: with the final NUL 16 and 9
    password: SecretStr = Field(max_length=8)
    source_address: PhoneNumber
    window: int = Field(10, ge=1, le=1000)
    parts_per_second: int = Field(50, ge=1, le=10_000)
    weight: Weight = 10
    bind: Literal["transceiver", "pair"] = "transceiver"
    binds: int = Field(1, ge=1, le=32)
    rate_per: Literal["account", "bind"] = "account"
    receiver_host: str = ""
    receiver_port: int = Field(0, ge=0, le=65535)
    tls: bool = False
    ca_file: str = ""
    server_name: str = ""
    client_certificate: str = ""
    client_key: str = ""
    system_type: str = Field("", max_length=12)
    interface_version: Literal["3.3", "3.4"] = "3.4"
    service_type: str = Field("", max_length=5)
    source_ton: int = Field(0, ge=0, le=6)  # SMPP 3.4 §5.2.5, §5.2.6
    source_npi: int = Field(0, ge=0, le=18)
    destination_ton: int = Field(0, ge=0, le=6)
    destination_npi: int = Field(0, ge=0, le=18)
    destination_prefix: str = Field("", pattern=r"^\+?[0-9]{0,4}$")
    validity_hours: int = Field(72, ge=0, le=720)  # as carriers keep texts for phones that are off: one to three days
    tells_priority: bool = False
    receipt_ids: Literal["same", "decimal", "hex"] = "same"
    connect_s: float = Field(10.0, ge=1, le=120)
    bind_s: float = Field(10.0, ge=1, le=120)
    response_s: float = Field(30.0, ge=1, le=300)  # beyond it nobody knows whether the carrier took the text
    enquire_after_s: float = Field(30.0, ge=1, le=600)  # below the idle time of the firewalls between
    enquire_answer_s: float = Field(10.0, ge=1, le=120)
    own_errors: dict[OwnError, Literal["temporary", "permanent", "throttled", "technical", "unknown"]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _sound(self) -> "SmppCarrier":
        if self.bind == "transceiver" and (self.receiver_host or self.receiver_port or self.interface_version == "3.3"):
            raise PydanticCustomError(
                "bind",
                '仅 bind = "pair" 有独立的接收端，3.3 版协议只能如此 · '
                'only bind = "pair" has a receiver of its own, and version 3.3 knows nothing else',
            )
        return self


def _known_templates(templates: dict[str, str]) -> dict[str, str]:
    unknown = sorted(templates.keys() - BY_ID.keys())
    if unknown:
        raise PydanticCustomError(
            "template", "没有短信模板 {unknown} · there is no text {unknown}", {"unknown": ", ".join(unknown)}
        )
    return templates


#: The MAS's templateId by our own: "T11_ACCEPTED".
MasTemplates = Annotated[dict[str, Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]], AfterValidator(_known_templates)]


class MasCarrier(Section):
    kind: Literal["mas"]
    name: Name
    url: HttpUrl
    ec_name: str = Field(min_length=1, max_length=100)
    ap_id: str = Field(min_length=1, max_length=64)
    secret_key: SecretStr
    sign: str = Field(min_length=1, max_length=64)
    add_serial: str = Field("", pattern=r"^[0-9]{0,20}$")  # access number and extension: 20 digits at most
    push_path: PushPath = SecretStr("")
    allowed_addresses: Annotated[tuple[Network, ...], Field(min_length=1)] = ()
    access_number: str = Field("", pattern=r"^[0-9]{0,20}$")
    parts_per_second: int = Field(50, ge=1, le=10_000)
    connections: int = Field(8, ge=1, le=64)
    weight: Weight = 10
    needs_left_seconds: NeedsLeft = 60
    receive: Literal["push", "pull", "both"] = "push"
    pull_every_seconds: int = Field(30, ge=1, le=3600)
    templates: MasTemplates = Field(default_factory=dict)
    only_templates: bool = False

    @model_validator(mode="after")
    def _sound(self) -> "MasCarrier":
        if self.receive != "pull" and not (self.push_path.get_secret_value() and self.allowed_addresses):
            raise PydanticCustomError(
                "push",
                '缺少 push_path 或 allowed_addresses，仅 receive = "pull" 时可不填 · '
                'push_path and allowed_addresses may be left out only with receive = "pull"',
            )
        if len(self.access_number + self.add_serial) > MAX_SERIAL_DIGITS:
            raise PydanticCustomError(
                "serial",
                "接入号与扩展码合计超过 20 位 · access_number and add_serial have more than 20 digits together",
            )
        if self.only_templates and not self.templates:
            raise PydanticCustomError(
                "templates",
                "only_templates 时须填写 templates · only_templates needs templates, or nothing can be sent",
            )
        return self


#: A result of CMPP_SUBMIT, or the word a gateway writes into its reports.
OwnCmppError = Annotated[str, Field(pattern=r"^([0-9]{1,5}|[!-~]{6,7})$")]


class CmppCarrier(Section):
    kind: Literal["cmpp"]
    name: Name
    host: str = Field(min_length=1)
    port: Port = 7890
    sp_id: str = Field(pattern=r"^[0-9A-Za-z]{1,6}$")  # Source_Addr and Msg_src
    shared_secret: SecretStr = Field(min_length=1, max_length=64)
    access_number: str = Field(pattern=r"^[0-9]{3,20}$")  # Src_Id, which an extension may lengthen
    version: Literal["2.0", "3.0"] = "3.0"
    connections: int = Field(1, ge=1, le=32)
    window: int = Field(16, ge=1, le=1000)
    parts_per_second: int = Field(50, ge=1, le=10_000)
    weight: Weight = 10
    service_id: str = Field("", pattern=r"^[!-~]{0,10}$")
    fee_user_type: Literal[0, 1, 2, 3] = 2
    fee_type: str = Field("01", pattern=r"^[0-9]{2}$")
    fee_code: str = Field("000000", pattern=r"^[0-9]{1,6}$")
    destination_prefix: str = Field("", pattern=r"^[0-9]{0,4}$")
    validity_hours: int = Field(48, ge=0, le=720)
    verify_gateway: bool = True
    connect_s: float = Field(10.0, ge=1, le=120)
    response_s: float = Field(60.0, ge=1, le=300)  # beyond it nobody knows whether the gateway took the text
    test_after_s: float = Field(30.0, ge=1, le=600)  # below the idle time of the firewalls between
    test_answer_s: float = Field(20.0, ge=1, le=120)
    own_errors: dict[OwnCmppError, Literal["temporary", "permanent", "throttled", "technical", "unknown"]] = Field(
        default_factory=dict
    )


class MasDatabaseCarrier(Section):
    kind: Literal["mas-db"]
    name: Name
    dialect: Literal["emas", "jasson"]
    host: str = Field(min_length=1)
    database: str = Field(min_length=1, max_length=64)
    user: str = Field(min_length=1, max_length=80)
    password: SecretStr
    application: str = Field(pattern=r"^[0-9A-Za-z_]{1,32}$")  # part of the names of 嘉讯's tables
    access_number: str = Field(pattern=r"^[0-9]{3,20}$")
    port: Port = 3306
    add_serial: str = Field("", pattern=r"^[0-9]{0,17}$")
    tls: bool = False
    ca_file: str = ""
    charset: Literal["", "utf8mb4", "utf8", "gbk", "gbk-in-latin1"] = ""
    poll_seconds: float = Field(2.0, ge=0.1, le=60)
    connect_s: float = Field(10.0, ge=1, le=120)
    answer_s: float = Field(20.0, ge=1, le=300)  # beyond it nobody knows whether the row is there
    parts_per_second: int = Field(50, ge=1, le=10_000)
    weight: Weight = 10
    needs_left_seconds: NeedsLeft = 60

    @model_validator(mode="after")
    def _sound(self) -> "MasDatabaseCarrier":
        if len(self.access_number + self.add_serial) > MAX_SERIAL_DIGITS:
            raise PydanticCustomError(
                "serial",
                "接入号与扩展码合计超过 20 位 · access_number and add_serial have more than 20 digits together",
            )
        if self.dialect == "jasson" and (self.add_serial.startswith("0") or len(self.add_serial) > 8):
            raise PydanticCustomError(
                "serial",
                "嘉讯的扩展码至多 8 位，首位不为 0 · with jasson add_serial is a number of at most eight digits",
            )
        return self


class FerryCarrier(Section):
    """The carriers of the outer zone, across the gap. `peer`: its name under [[ferry.peers]]."""

    kind: Literal["ferry"]
    name: Name
    peer: str = Field(pattern=r"^[a-z][a-z0-9]{0,15}$")
    weight: Weight = 10


Carrier = Annotated[
    SimulatorCarrier | SmppCarrier | MasCarrier | CmppCarrier | MasDatabaseCarrier | FerryCarrier,
    Field(discriminator="kind"),
]


def _distinct(carriers: tuple[Carrier, ...]) -> tuple[Carrier, ...]:
    names = [carrier.name for carrier in carriers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError(
            "name", "两个通道同名：{twice} · two carriers have the same name: {twice}", {"twice": ", ".join(twice)}
        )
    return carriers


class SmsSettings(Section):
    title: ClassVar[str] = "短信通道 · Text messages"
    carriers: Annotated[tuple[Carrier, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        (SimulatorCarrier(),),
        description=(
            "可多个，按权重（weight）分担；simulator 为本机模拟运营商 · Several share by weight. The simulator is a\n"
            "carrier in this process; a real one speaks SMPP, its lines from port on only when they differ:\n"
            "[[sms.carriers]]\n"
            'kind = "smpp"\n'
            'name = "mobile"\n'
            'host = "smsc.example"\n'
            'system_id = "zhangban"\n'
            'password = "…"\n'
            'source_address = "10690000"  # 接入号\n'
            "port = 2775\n"
            "window = 10  # 每个连接的在途条数 · per bind\n"
            "parts_per_second = 50\n"
            "weight = 10\n"
            'bind = "transceiver"  # 或 pair：收发各一个连接 · or a transmitter and a receiver each\n'
            "binds = 1  # 连接数\n"
            'rate_per = "account"  # 或 bind：速率按账号或按连接计 · what parts_per_second counts for\n'
            'receiver_host = ""  # pair 的接收端，空为同上 · of pair; empty: the same\n'
            "receiver_port = 0\n"
            "tls = false\n"
            'ca_file = ""  # 空为系统信任的 CA · empty: those the system trusts\n'
            'server_name = ""  # 证书上的名称，空为 host\n'
            'client_certificate = ""  # PEM 文件\n'
            'client_key = ""  # 空为与证书同一文件\n'
            'system_type = ""\n'
            'interface_version = "3.4"\n'
            'service_type = ""\n'
            "source_ton = 0\n"
            "source_npi = 0\n"
            "destination_ton = 0\n"
            "destination_npi = 0\n"
            'destination_prefix = ""  # 手机号前缀，如 86\n'
            "validity_hours = 72  # validity_period 上限，0 为不发送 · at most; 0: the contract forbids it\n"
            "tells_priority = false  # 是否发送 priority_flag\n"
            'receipt_ids = "same"  # 回执编号同应答，或改为 decimal、hex · as answered, or otherwise\n'
            "connect_s = 10.0  # 以下为等待秒数\n"
            "bind_s = 10.0\n"
            "response_s = 30.0\n"
            "enquire_after_s = 30.0\n"
            "enquire_answer_s = 10.0\n"
            'own_errors = {"MK:0010" = "temporary", 0x400 = "throttled"}  # 运营商自有错误码 · its own list\n'
            "or it is a cloud MAS by HTTP, its lines from add_serial on only when they differ; it pushes to\n"
            "/mas/<name>/<push_path>/report and …/text of this server:\n"
            "[[sms.carriers]]\n"
            'kind = "mas"\n'
            'name = "cloud"\n'
            'url = "https://mas.example:28888/sms/submit"\n'
            'ec_name = "衡江市政务服务中心"  # 企业名称\n'
            'ap_id = "zhangban"  # 接口账号\n'
            'secret_key = "…"\n'
            'sign = "sGn0hJ7Qx"  # 签名编码，平台自动加签名\n'
            'push_path = "…"  # 推送地址中的暗号，16 位以上\n'
            'allowed_addresses = ["192.0.2.0/24"]  # 平台推送来源\n'
            'add_serial = ""  # 扩展码\n'
            'access_number = ""  # 接入号，不含扩展码；合计不超过 20 位\n'
            "parts_per_second = 50\n"
            "connections = 8\n"
            "weight = 10\n"
            "needs_left_seconds = 60  # 有效期不足此数的不交平台（平台不知有效期） · a MAS knows no expiry\n"
            'receive = "push"  # 或 pull（定时拉取）、both · or both: nothing pushed while we are down is lost\n'
            "pull_every_seconds = 30\n"
            'templates = { T11_ACCEPTED = "…" }  # 已报备模板的编号 · registered templates by their templateId\n'
            "only_templates = false  # 账号是否只能发模板短信 · nothing else may be sent\n"
            "or it speaks CMPP 2.0 or 3.0, its lines from port on only when they differ:\n"
            "[[sms.carriers]]\n"
            'kind = "cmpp"\n'
            'name = "gateway"\n'
            'host = "ismg.example"\n'
            'sp_id = "900001"  # 企业代码\n'
            'shared_secret = "…"\n'
            'access_number = "10690000"  # 接入号\n'
            "port = 7890\n"
            'version = "3.0"  # 网关只支持 2.0 时自动降级 · a gateway of 2.0 is spoken to in 2.0\n'
            "connections = 1  # 连接数，共用速率 · they share the rate\n"
            "window = 16  # 每个连接的在途条数 · per connection\n"
            "parts_per_second = 50\n"
            "weight = 10\n"
            'service_id = ""  # 业务代码\n'
            "fee_user_type = 2  # 2 为对企业计费 · 2 charges the SP\n"
            'fee_type = "01"  # 资费类别，01 为免费 · 01: free\n'
            'fee_code = "000000"  # 资费代码\n'
            'destination_prefix = ""  # 手机号前缀，如 86\n'
            "validity_hours = 48  # ValId_Time 上限，0 为不发送 · at most; 0: the contract forbids it\n"
            "verify_gateway = true  # 校验网关的认证码；个别网关的实现有误时才关 · off only for a gateway that errs\n"
            "connect_s = 10.0  # 以下为等待秒数\n"
            "response_s = 60.0\n"
            "test_after_s = 30.0\n"
            "test_answer_s = 20.0\n"
            'own_errors = {"101" = "throttled", "SIGFAIL" = "technical"}  # 网关自有错误码 · its own list\n'
            "or it is the database of an on-premise MAS, its lines from port on only when they differ:\n"
            "[[sms.carriers]]\n"
            'kind = "mas-db"\n'
            'name = "city"\n'
            'dialect = "emas"  # 或 jasson（嘉讯信息机） · or jasson\n'
            'host = "mas.example"\n'
            'database = "dbadapter"  # 嘉讯多为 im 或 mas · mostly im or mas with jasson\n'
            'user = "zhangban"\n'
            'password = "…"\n'
            'application = "APP056"  # APPLICATIONID；嘉讯为接口编码 · with jasson the interface code\n'
            'access_number = "10690000"  # 接入号，不含扩展码\n'
            "port = 3306\n"
            'add_serial = ""  # 扩展码\n'
            "tls = false\n"
            'ca_file = ""  # 空为系统信任的 CA · empty: those the system trusts\n'
            'charset = ""  # 空为 utf8mb4，嘉讯为 gbk-in-latin1；另有 utf8、gbk · how the words lie in the tables\n'
            "poll_seconds = 2.0  # 每隔几秒读取一次\n"
            "connect_s = 10.0\n"
            "answer_s = 20.0\n"
            "parts_per_second = 50\n"
            "needs_left_seconds = 60  # 有效期不足此数的不交平台（平台不知有效期） · a MAS knows no expiry\n"
            "weight = 10\n"
            "or texts leave through the outer zone, where the real carriers are:\n"
            "[[sms.carriers]]\n"
            'kind = "ferry"  # 仅用于内网：经数据摆渡由外网的通道发送 · in the inner zone only\n'
            'name = "outer"\n'
            'peer = "outer"  # [[ferry.peers]] 中 relation = "outer" 的对端\n'
            "weight = 10"
        ),
    )
