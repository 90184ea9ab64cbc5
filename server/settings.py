"""What a deployment chooses: read once at start from zhangban.toml and the environment, then frozen.

This is the only module that looks at the environment. `ZHANGBAN_HTTP__PORT=8080` stands for `port` under `[http]`
and wins over the file. The descriptions below are the comments of the file that `zhangban config init` writes, and
the defaults are its values, so that neither can drift. A setting that changes what the law says does not exist
here: statutory limits stand in the catalogue, holidays in the calendar.
"""

import os
import re
from collections.abc import Mapping
from datetime import time
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from casework.catalogue.definitions import CODE_PATTERN
from server.config_file import Problem, SettingsRefused, read_sections

DEFAULT_FILE = Path("zhangban.toml")


def _database_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("sqlite", "postgres") or not rest:
        raise PydanticCustomError("url", "应为 sqlite://文件 或 postgres://… · must be sqlite://FILE or postgres://…")
    return url


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.hostname and parts.port != 0 and parts.scheme in ("http", "https") and not url.endswith("/")
    except ValueError:
        sound = False
    if not sound:
        raise PydanticCustomError(
            "url", "应为 http(s)://主机，末尾不带斜杠 · must be http(s)://HOST without a final slash"
        )
    return url


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Port = Annotated[int, Field(ge=1, le=65535)]
PhoneNumber = Annotated[str, Field(pattern=r"^\+?[0-9]{3,20}$")]
UnitCode = Annotated[str, Field(pattern=r"^[A-Z0-9-]{1,16}$")]
ShortName = Annotated[str, Field(min_length=1, max_length=20)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]  # as long as the queue's column


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise PydanticCustomError("network", "应为 IP 地址或网段 · must be an IP address or network") from None
    return text


def _push_path(secret: SecretStr) -> SecretStr:
    if not re.fullmatch("[A-Za-z0-9_-]{16,64}", secret.get_secret_value()):
        raise PydanticCustomError(
            "push_path", "应为 16 至 64 个字母、数字、-、_ · must be 16 to 64 letters, digits, - or _"
        )
    return secret


Network = Annotated[str, AfterValidator(_network)]
PushPath = Annotated[SecretStr, AfterValidator(_push_path)]


class Section(BaseModel):
    """A table of the file. Unknown keys, wrong types and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)
    title: ClassVar[str] = ""


class DatabaseSettings(Section):
    title: ClassVar[str] = "数据库 · Where everything is kept"
    url: DatabaseUrl = Field(
        "sqlite://var/zhangban.db",
        repr=False,  # a PostgreSQL URL holds a password
        description="sqlite://文件（单进程）或 postgres://用户:口令@主机/库 · SQLite serves one process only",
    )


class HttpSettings(Section):
    title: ClassVar[str] = "网络接口 · The door for phones and browsers"
    host: str = Field(
        "127.0.0.1", min_length=1, description="监听地址，0.0.0.0 为全部 · Address to listen on; TLS ends before us"
    )
    port: int = Field(
        8000, ge=0, le=65535, description="监听端口，0 由系统任选 · Port to listen on; 0 lets the system choose"
    )
    public_url: HttpUrl = Field(
        "http://localhost:8000",
        description="对外地址，写入证书和待签名内容 · What phones connect to; stands in certificates and signed bytes",
    )


class SecretSettings(Section):
    title: ClassVar[str] = (
        "密钥 · Secrets. Better as ZHANGBAN_SECRETS__HMAC_KEY and ZHANGBAN_SECRETS__CA_PASSPHRASE; "
        "when neither is given, both are drawn at the first start and kept under data_dir/secrets, readable by us only"
    )
    hmac_key: SecretStr | None = Field(
        None, min_length=16, description="摘要密钥，保护一次性码和查询密码 · Keys the digests of codes and passwords"
    )
    ca_passphrase: SecretStr | None = Field(
        None, min_length=16, description="CA 私钥口令 · Unlocks the private keys of the demo CA and of the service"
    )


class CertSettings(Section):
    title: ClassVar[str] = "数字证书 · Certificates"
    organisation: str = Field(
        "掌办演示 RA 管理中心", min_length=1, max_length=60, description="签发机构名称 · O= of every certificate"
    )
    two_persons: bool = Field(
        True, description="发证须两名 RA 操作员（核验、批准） · One RA operator checks the identity, another approves"
    )
    token_minutes: int = Field(15, ge=1, le=60, description="登录令牌有效分钟数 · Life of a login")


#: How much of the traffic a carrier gets beside the others, while all are well.
Weight = Annotated[int, Field(ge=1, le=100)]


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
    tls: bool = False
    source_address: PhoneNumber
    window: int = Field(10, ge=1, le=1000)
    parts_per_second: int = Field(50, ge=1, le=10_000)
    weight: Weight = 10


class MasCarrier(Section):
    kind: Literal["mas"]
    name: Name
    url: HttpUrl
    ec_name: str = Field(min_length=1, max_length=100)
    ap_id: str = Field(min_length=1, max_length=64)
    secret_key: SecretStr
    sign: str = Field(min_length=1, max_length=64)
    add_serial: str = Field("", pattern=r"^[0-9]{0,20}$")  # access number and extension: 20 digits at most
    push_path: PushPath
    allowed_addresses: Annotated[tuple[Network, ...], Field(min_length=1)]
    parts_per_second: int = Field(50, ge=1, le=10_000)
    weight: Weight = 10


Carrier = Annotated[SimulatorCarrier | SmppCarrier | MasCarrier, Field(discriminator="kind")]


def _distinct(carriers: tuple[Carrier, ...]) -> tuple[Carrier, ...]:
    if len({carrier.name for carrier in carriers}) < len(carriers):
        raise PydanticCustomError("name", "两个通道同名 · two carriers have the same name")
    return carriers


class SmsSettings(Section):
    title: ClassVar[str] = "短信通道 · Text messages"
    carriers: Annotated[tuple[Carrier, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        (SimulatorCarrier(),),
        description=(
            "可多个，按权重（weight）分担；simulator 为本机模拟运营商 · Several share by weight. The simulator is a\n"
            "carrier in this process; a real one speaks SMPP, its last five lines only when they differ:\n"
            "[[sms.carriers]]\n"
            'kind = "smpp"\n'
            'name = "mobile"\n'
            'host = "smsc.example"\n'
            'system_id = "zhangban"\n'
            'password = "…"\n'
            'source_address = "10690000"  # 接入号\n'
            "port = 2775\n"
            "tls = false\n"
            "window = 10\n"
            "parts_per_second = 50\n"
            "weight = 10\n"
            "or it is a cloud MAS by HTTP, its last three lines only when they differ; it pushes to\n"
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
            "parts_per_second = 50\n"
            "weight = 10"
        ),
    )


class MailSettings(Section):
    title: ClassVar[str] = "电子邮件 · Mail, beside text messages"
    enabled: bool = Field(False, description="是否启用 · Whether alerts also go by mail")
    host: str = Field("localhost", min_length=1, description="发信服务器 · SMTP server")
    port: Port = Field(587, description="端口 · Port")
    username: str = Field("", description="用户名，空为不登录 · User; empty for no login")
    password: SecretStr = Field(SecretStr(""), description="口令 · Password; better as ZHANGBAN_MAIL__PASSWORD")
    start_tls: bool = Field(True, description="先升级为 TLS · Upgrade to TLS before anything is said")
    sender: str = Field(
        "zhangban@localhost", pattern=r"^[^@\s]+@[^@\s]+$", description="发件地址 · Address of the sender"
    )


class SupervisionSettings(Section):
    title: ClassVar[str] = "监察 · Cards and their confirmation by text message"
    supervision_unit: UnitCode = Field(
        "JCZX", description="监察单位代码 · Unit that issues orders and cards under its seal"
    )
    card_code_hours: int = Field(24, ge=1, le=168, description="发牌确认码有效小时数 · Life of a confirmation code")
    card_code_tries: int = Field(3, ge=1, le=5, description="输错几次锁定 · Wrong tries before the code is locked")
    proposal_reminder_hours: int = Field(
        4, ge=1, le=168, description="发牌建议几小时未确认即提醒 · Hours before an unconfirmed card is called to mind"
    )


class CaseworkSettings(Section):
    title: ClassVar[str] = "办理 · Cases"
    hall_unit: UnitCode = Field("ZWZX", description="大厅单位代码 · Unit whose window accepts and delivers for all")
    same_person_adjacent: bool = Field(
        False, description="同一人可否办理相邻两级 · Whether one person may act on two adjacent levels"
    )
    urge_every_hours: int = Field(
        4, ge=1, le=168, description="同一办件几小时内只催办一次 · Hours before a case may be urged again"
    )
    item_code_pattern: str = Field(
        CODE_PATTERN, max_length=200, description="事项编码规则（正则） · What the code of an item looks like"
    )
    hearing_days: Literal["working", "calendar"] = Field(
        "working", description="申请听证的五日按工作日还是自然日 · How the five days to ask for a hearing are counted"
    )
    renewal_days: Literal["working", "calendar"] = Field(
        "calendar",
        description="届满三十日前申请延续，按工作日还是自然日 · How the thirty days before an expiry are counted",
    )
    latest_entry_days: int = Field(
        5, ge=0, le=20, description="窗口最多可补录几个工作日前的收件 · Working days a window may be late with an entry"
    )
    unfiled_upload_hours: int = Field(
        24, ge=3, le=720, description="上传后几小时未提交即清除 · Hours after which an upload nobody filed is removed"
    )
    queries_per_day: int = Field(
        10, ge=1, le=1000, description="每个号码每天可短信查询几次 · Progress queries per phone number and day"
    )
    answer_limit_days: int = Field(
        5, ge=1, le=30, description="咨询几个工作日内答复 · Working days to answer a question of the public"
    )


class CatalogueSettings(Section):
    title: ClassVar[str] = "事项目录 · The catalogue of items"
    permit_name: ShortName = Field("行政许可", description="“行政许可”类的名称 · What the class permit is called here")
    approval_name: ShortName = Field(
        "非行政许可审批", description="“行政审批”类的名称 · What the class approval is called here"
    )
    service_name: ShortName = Field(
        "其他在办事项", description="“服务类”的名称 · What the class service is called here"
    )
    grade_a: ShortName = Field("全程网上", description="A 档的含义 · What grade A means here")
    grade_b: ShortName = Field("网上受理预审，窗口核对", description="B 档的含义 · What grade B means here")
    grade_c: ShortName = Field("延期上网", description="C 档的含义 · What grade C means here")
    grade_d: ShortName = Field("不上网", description="D 档的含义 · What grade D means here")
    deferred_grades: str = Field(
        "C",
        pattern=r"^[A-D]{0,4}$",
        description="哪几档须说明延期理由和计划日期 · Grades whose items must say why and when they go online",
    )
    compression_percent: int = Field(
        50,
        ge=0,
        le=100,
        description="承诺时限应比法定时限压缩百分之几 · By how many per cent limits are to be shortened",
    )
    notice_working_days: int = Field(
        5, ge=1, le=60, description="事项变更公示几个工作日 · Working days a change of the catalogue lies open"
    )


class AlertSettings(Section):
    title: ClassVar[str] = "提醒 · Alerts"
    signature: str = Field(
        "衡江政务服务",
        pattern=r"^[^【】\s]{0,11}[^【】\s0-9][^【】\s]{0,11}$",  # carriers refuse a signature of digits alone
        max_length=12,
        description="短信签名，不带【】，须已在运营商备案 · Registered signature that begins every text, without 【】",
    )
    service_phone: PhoneNumber = Field("07348123456", description="服务电话 · The number people may ring")
    hall_place: str = Field(
        "政务大厅", min_length=1, max_length=20, description="取件地点 · Where results are collected"
    )
    moved_dates: Literal["both", "later", "earlier", "none"] = Field(
        "both", description="日历调整后，期限推后、提前时是否发短信 · Whether people are told of a moved due date"
    )
    appeal_working_days: int = Field(
        3, ge=1, le=30, description="可申诉的工作日数 · Working days to appeal against a card"
    )
    quiet_from: time = Field(time(21), description="通知类短信从几点起不发 · Notices wait from this hour, local time …")
    quiet_until: time = Field(time(8), description="……到几点 · … until this; warnings and replies do not wait")
    duty_phone: str = Field(
        "",
        pattern=r"^(\+?[0-9]{3,20})?$",
        description="值班手机，通道中断和重要短信未送达时告知 · Told when a carrier is down or a grave text fails",
    )
    duty_email: str = Field(
        "",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        description="值班邮箱，须启用邮件 · The same by mail, where mail is enabled",
    )


class ApiSettings(Section):
    title: ClassVar[str] = "接口限制 · Limits of the GraphQL door; a request beyond them is refused unread"
    max_depth: int = Field(12, ge=9, le=14, description="查询最大深度 · Depth of a query")
    max_aliases: int = Field(15, ge=1, le=100, description="别名数 · Aliases in a query")
    max_tokens: int = Field(2000, ge=100, le=10_000, description="词元数 · Tokens of a query")
    max_body_octets: int = Field(262_144, ge=4096, le=16_777_216, description="请求体字节数 · Octets of a request")
    requests_per_minute: int = Field(300, ge=1, le=100_000, description="每个登录每分钟请求数 · Requests per login")
    requests_per_address: int = Field(
        600, ge=1, le=100_000, description="每个地址每分钟请求数 · Requests per address: a hall may share one"
    )
    strangers_per_minute: int = Field(
        30, ge=1, le=100_000, description="未登录者每个地址每分钟办事数 · Acts per address without a login"
    )


class Settings(Section):
    title: ClassVar[str] = "掌办配置 · Settings of Zhangban"
    demo: bool = Field(
        False, description="演示模式：可拨时钟、GraphiQL · Demo mode: movable clock, GraphiQL; never in use"
    )
    data_dir: Path = Field(Path("var"), description="数据目录 · Folder for the database, keys and documents")
    database: DatabaseSettings = DatabaseSettings()
    http: HttpSettings = HttpSettings()
    secrets: SecretSettings = SecretSettings()
    certs: CertSettings = CertSettings()
    sms: SmsSettings = SmsSettings()
    mail: MailSettings = MailSettings()
    supervision: SupervisionSettings = SupervisionSettings()
    casework: CaseworkSettings = CaseworkSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    alerts: AlertSettings = AlertSettings()
    api: ApiSettings = ApiSettings()


def load(path: Path | None = None) -> Settings:
    """The settings of this process: `path`, or zhangban.toml where there is one, or the defaults; then the environment.

    Raises SettingsRefused naming every wrong line and variable at once.
    """
    chosen = path if path is not None else DEFAULT_FILE if DEFAULT_FILE.exists() else None
    return read(_content(chosen) if chosen is not None else b"", os.environ)


def read(content: bytes, environment: Mapping[str, str]) -> Settings:
    """`content` is the TOML file as it lies on the disk. Raises SettingsRefused."""
    return read_sections(Settings, content, environment)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise SettingsRefused([Problem(str(path), f"无法读取（{reason}）", f"cannot be read ({reason})")]) from None
