"""What a deployment chooses: read once at start from zhangban.toml and the environment, then frozen.

This is the only module that looks at the environment. `ZHANGBAN_HTTP__PORT=8080` stands for `port` under `[http]`
and wins over the file. The descriptions below are the comments of the file that `zhangban config init` writes, and
the defaults are its values, so that neither can drift. A setting that changes what the law says does not exist
here: statutory limits stand in the catalogue, holidays in the calendar.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from casework.catalogue.definitions import CODE_PATTERN
from server.carrier_settings import FerryCarrier, SmsSettings
from server.config_file import Problem, SettingsRefused, read_sections
from server.exchange_settings import ExchangeSettings
from server.ferry_settings import FerrySettings
from server.setting_types import DatabaseUrl, HttpUrl, Network, Origin, PhoneNumber, Port, Section, ShortName, UnitCode

DEFAULT_FILE = Path("zhangban.toml")


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
    trusted_proxies: tuple[Network, ...] = Field(
        ("127.0.0.1", "::1"),
        description="反向代理地址，只信其 X-Forwarded-For · Proxies whose X-Forwarded-For is believed, nobody else's",
    )
    metrics_from: tuple[Network, ...] = Field(
        ("127.0.0.0/8", "::1"),
        description="可读取 /metrics 的地址 · Addresses that may read /metrics; let the proxy refuse it to others",
    )
    public_url: HttpUrl = Field(
        "http://localhost:8000",
        description="对外地址，写入证书和待签名内容 · What phones connect to; stands in certificates and signed bytes",
    )
    portals: tuple[Origin, ...] = Field(
        (), description="可嵌入公开栏目的门户网站 · Origins of portals that may frame the public feeds"
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


class MailSettings(Section):
    title: ClassVar[str] = "电子邮件 · Mail, beside text messages"
    enabled: bool = Field(False, description="是否启用 · Whether alerts also go by mail")
    host: str = Field("localhost", min_length=1, description="发信服务器 · SMTP server")
    port: Port = Field(587, description="端口 · Port")
    username: str = Field("", description="用户名，空为不登录 · User; empty for no login")
    password: SecretStr = Field(SecretStr(""), description="口令 · Password; better as ZHANGBAN_MAIL__PASSWORD")
    start_tls: bool = Field(
        True, description="先升级为 TLS；465 端口始终为 TLS · Upgrade to TLS first; port 465 begins with it"
    )
    ca_file: str = Field(
        "", description="自建服务器的 CA 证书文件，空为系统信任的 · Certificates to trust instead of the system's"
    )
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
    rating_days: int = Field(
        30, ge=1, le=60, description="办结后几日内可评价 · Days after completion within which a case may be rated"
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
    same_template_per_day: int = Field(
        50, ge=1, le=1000, description="同一模板每个号码24小时内最多几条 · Of one template to one phone in 24 hours"
    )
    digest_over: int = Field(
        5, ge=1, le=50, description="十分钟内超过几件待办即合并告知 · To-dos in ten minutes before one text tells more"
    )
    quiet_classes: tuple[Literal["item", "notice", "warning"], ...] = Field(
        ("notice",), description="静默时段不发的类别 · Classes that wait: item, notice, warning; replies never do"
    )
    reply_extension_digits: Literal[0, 3, 4, 5, 6] = Field(
        0,
        description=(
            "接入号后可加几位扩展码，用于识别短信答复，0 为不用；合计不超过20位 · Digits that the carriers grant\n"
            "behind the access number, by which an answer names its text; 0 for none. Together at most 20 digits"
        ),
    )
    quiet_from: time = Field(time(21), description="这些类别从几点起不发 · They wait from this hour, local time …")
    quiet_until: time = Field(
        time(8), description="……到几点；两者相同则不静默 · … until this; equal hours switch it off"
    )
    keep_years: int = Field(
        10,
        ge=10,
        le=30,
        description="督办、红黄牌、法定告知短信内容保存年数 · Years that orders, cards, statutory notices are kept",
    )
    keep_days: int = Field(
        90,
        ge=60,
        le=730,
        description="其余短信和来信内容保存天数，存证除外 · Days of all others, in and out, but evidence",
    )
    keep_code_days: int = Field(
        7, ge=1, le=30, description="验证码短信、含密码的查询保存天数 · Days of login codes and of queries by password"
    )
    duty_phone: str = Field(
        "",
        pattern=r"^(\+?[0-9]{3,20})?$",
        description="值班手机，通道中断和重要短信未送达时告知 · Told when a carrier is down or a grave text fails",
    )
    duty_email: str = Field(
        "",
        pattern=r"^([^@\s]+@[^@\s]+)?$",
        description="值班邮箱，须启用邮件（mail.enabled） · The same by mail; needs mail.enabled",
    )
    carrier_alarm_seconds: int = Field(
        60, ge=5, le=86_400, description="通道中断或错误多几秒后告警 · Seconds a carrier may be in trouble until then"
    )
    urgent_alarm_seconds: int = Field(
        120,
        ge=30,
        le=3600,
        description="有通道可用时，预警和验证码短信最多等几秒，超过即告警 · Seconds an urgent text may wait until then",
    )
    receipt_grace_hours: int = Field(
        24,
        ge=1,
        le=240,
        description="有效期过后再等几小时回执，仍无则结束 · Hours after a text's life that a receipt is awaited",
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
    ferry: FerrySettings = FerrySettings()
    exchange: ExchangeSettings = ExchangeSettings()

    @model_validator(mode="after")
    def _reports_by_a_peer_above(self) -> "Settings":
        chosen = self.exchange.above_peer
        if chosen and chosen not in {peer.name for peer in self.ferry.peers if peer.relation == "above"}:
            raise PydanticCustomError(
                "peer",
                "exchange.above_peer 不是 relation 为 above 的对端 · exchange.above_peer is no peer of the ferry above",
            )
        return self

    @field_validator("alerts")
    @classmethod
    def _reachable(cls, alerts: AlertSettings, known: ValidationInfo) -> AlertSettings:
        """Else the officer on duty would be told nothing, and nobody would know."""
        mail = known.data.get("mail")
        if alerts.duty_email and isinstance(mail, MailSettings) and not mail.enabled:
            raise PydanticCustomError(
                "duty_email",
                "duty_email 须启用邮件：mail.enabled 为 true，或将其留空 · "
                "duty_email needs mail.enabled = true, or leave it empty",
            )
        return alerts


def load(path: Path | None = None) -> Settings:
    """The settings of this process: `path`, or zhangban.toml where there is one, or the defaults; then the environment.

    Raises SettingsRefused naming every wrong line and variable at once.
    """
    chosen = path if path is not None else DEFAULT_FILE if DEFAULT_FILE.exists() else None
    return read(_content(chosen) if chosen is not None else b"", os.environ)


def read(content: bytes, environment: Mapping[str, str]) -> Settings:
    """`content` is the TOML file as it lies on the disk. Raises SettingsRefused."""
    settings = read_sections(Settings, content, environment)
    if problems := list(_at_odds(settings)):
        raise SettingsRefused(problems)
    return settings


def _at_odds(settings: Settings) -> Iterator[Problem]:
    """What two sections together cannot mean."""
    both_ways = {peer.name for peer in settings.ferry.peers if peer.relation == "outer" and peer.out and peer.into}
    for number, carrier in enumerate(settings.sms.carriers):
        if not isinstance(carrier, FerryCarrier):
            continue
        if settings.ferry.zone != "inner":
            yield Problem(
                f"sms.carriers.{number}.kind",
                'ferry 仅用于内网（ferry.zone = "inner"）',
                'ferry is for the inner zone only (ferry.zone = "inner")',
            )
        elif carrier.peer not in both_ways:
            yield Problem(
                f"sms.carriers.{number}.peer",
                'ferry.peers 中没有这个 relation = "outer" 且 out、into 俱全的对端',
                'is no peer of ferry.peers with relation = "outer", out and into',
            )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise SettingsRefused([Problem(str(path), f"无法读取（{reason}）", f"cannot be read ({reason})")]) from None
