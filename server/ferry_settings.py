"""The section of the data ferry: which zone this is, and over which ways it reaches the others.

`single` has everything in one network; `inner` and `outer` are the two halves of an isolated one; levels above and
below are peers of any of them. Limits: what may cross is not chosen here, it is the list of record types.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from ferry.refusals import ParcelUnknownSuite
from ferry.suites import suite_named
from server.setting_types import Port, Section

Zone = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,15}$")]
Relation = Literal["inner", "outer", "above", "below"]
_TABLE_NAME = r"^([A-Za-z_][A-Za-z0-9_]{0,39}(\.[A-Za-z_][A-Za-z0-9_]{0,39})?)?$"


def _must_be_installed(suite: str) -> str:
    try:
        return suite and suite_named(suite).name
    except ParcelUnknownSuite as unknown:
        raise PydanticCustomError("suite", f"{unknown.text} · {unknown.text_en}") from None


#: With which parcels to this peer are sealed; empty: the one that is always there.
SuiteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,40}$"), AfterValidator(_must_be_installed)]


class FolderPeer(Section):
    """A folder that a gap device, a share or a person with a USB stick carries. Empty: that direction is not there."""

    kind: Literal["folder"]
    name: Zone
    relation: Relation
    out: str = ""
    into: str = ""
    suite: SuiteName = ""


class SftpPeer(Section):
    kind: Literal["sftp"]
    name: Zone
    relation: Relation
    host: str = Field(min_length=1)
    user: str = Field(min_length=1)
    #: As in known_hosts, without the host.
    host_key: str = Field(pattern=r"^(ssh-|ecdsa-)[a-z0-9-]+ [A-Za-z0-9+/=]+( .*)?$")
    port: Port = 22
    client_key: str = ""
    password: SecretStr = SecretStr("")
    out: str = ""
    into: str = ""
    suite: SuiteName = ""
    connect_s: float = Field(20.0, ge=1, le=300)
    answer_s: float = Field(60.0, ge=1, le=600)


class TablePeer(Section):
    """The front-end database that a gap device copies, one table per direction."""

    kind: Literal["table"]
    name: Zone
    relation: Relation
    url: SecretStr
    out: str = Field("", pattern=_TABLE_NAME)
    into: str = Field("", pattern=_TABLE_NAME)
    taken: Literal["delete", "flag"] = "delete"
    suite: SuiteName = ""

    @model_validator(mode="after")
    def _sound(self) -> "TablePeer":
        if self.url.get_secret_value().partition("://")[0] not in ("postgres", "mysql", "mysql+tls", "sqlite"):
            raise PydanticCustomError(
                "url",
                "应为 postgres://、mysql://、mysql+tls:// 或 sqlite:// · "
                "must be postgres://, mysql://, mysql+tls:// or sqlite://",
            )
        return self


Peer = Annotated[FolderPeer | SftpPeer | TablePeer, Field(discriminator="kind")]


def _distinct(peers: tuple[Peer, ...]) -> tuple[Peer, ...]:
    if len({peer.name for peer in peers}) < len(peers):
        raise PydanticCustomError("name", "两个对端同名 · two peers have the same name")
    if any(not peer.out and not peer.into for peer in peers):
        raise PydanticCustomError("way", "out 与 into 至少填一个 · out or into must be given")
    return peers


class FerrySettings(Section):
    title: ClassVar[str] = "数据摆渡 · What crosses between networks and levels, in signed and encrypted parcels"
    zone: Literal["single", "inner", "outer"] = Field(
        "single",
        description=(
            "网络拓扑：single 单网；inner 内网办理，outer 外网受理 · One network, or which half of an isolated one"
        ),
    )
    name: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9]{0,15})?$",
        description="本端名称，写入证书；空则同 zone · This zone's name, in its certificate; empty: as `zone`",
    )
    peers: Annotated[tuple[Peer, ...], AfterValidator(_distinct)] = Field(
        (),
        description=(
            "对端，可多个；out、into 缺一即为单向 · The other zones. Without out, or without into, it is one-way:\n"
            "[[ferry.peers]]\n"
            'kind = "folder"  # 网闸同步目录或移动介质 · a folder that somebody else carries\n'
            'name = "inner"\n'
            'relation = "inner"  # 对端相对本端：inner、outer、above（上级）、below（下级）\n'
            'out = "/ferry/out"\n'
            'into = "/ferry/in"\n'
            'suite = ""  # 密码套件，空为 P256-A256GCM · how parcels to it are sealed; empty: P256-A256GCM\n'
            "or a folder on an SSH server:\n"
            "[[ferry.peers]]\n"
            'kind = "sftp"\n'
            'name = "inner"\n'
            'relation = "inner"\n'
            'host = "ferry.example"\n'
            'user = "ferry"\n'
            'host_key = "ssh-ed25519 AAAA…"  # 服务器公钥，须当面核对 · compare it in person\n'
            "port = 22\n"
            'client_key = "/etc/zhangban/ferry_key"\n'
            'password = ""\n'
            'out = "/out"\n'
            'into = "/in"\n'
            'suite = ""\n'
            "connect_s = 20.0\n"
            "answer_s = 60.0\n"
            "or the tables of a front-end database:\n"
            "[[ferry.peers]]\n"
            'kind = "table"  # 前置库\n'
            'name = "inner"\n'
            'relation = "inner"\n'
            'url = "mysql://zhangban:…@front.example/ferry"  # 或 postgres://、mysql+tls://\n'
            'out = "ferry_out"\n'
            'into = "ferry_in"\n'
            'suite = ""\n'
            'taken = "delete"  # 或 flag：已取走的行置 1 而不删除 · or flag the rows that were taken'
        ),
    )
    answer_seconds: int = Field(
        8,
        ge=0,
        le=60,
        description="外网提交后最多等内网答复几秒 · Seconds that the outer zone waits for the inner one's answer",
    )
    card_codes: Literal["inside", "across"] = Field(
        "across",
        description=(
            "内网：发牌确认、签收的短信回复码可否由外网通道收发。across 可以：掌握外网者能看到并冒用；inside 不可：\n"
            "由内网自有通道发送，没有则不发回复码，请领导在移动审批签名办理 · In the inner zone, whether the codes\n"
            "by which leaders answer cards pass the outer zone. across: they do, and whoever holds the outer zone\n"
            "can use them; inside: they go by carriers of this zone only; without any, leaders sign in the app"
        ),
    )
    gather_milliseconds: int = Field(
        2000,
        ge=0,
        le=60_000,
        description=(
            "连续产生的办件记录最多等几毫秒合为一包 · Milliseconds in which records that follow one another\n"
            "are gathered into one parcel; the first after a pause leaves at once"
        ),
    )
    status_seconds: int = Field(
        30, ge=1, le=3600, description="有变化时几秒内告知对端 · Seconds until the peer is told what changed"
    )
    heartbeat_seconds: int = Field(
        300, ge=5, le=86_400, description="无变化时几秒一次心跳 · Seconds between heartbeats otherwise"
    )
    resend_seconds: int = Field(
        30,
        ge=1,
        le=86_400,
        description="未确认的包至少几秒后重发 · Seconds before an unacknowledged parcel is repeated",
    )
    keep_days: int = Field(
        35, ge=2, le=400, description="已发记录保留几天，至少为备份间隔的两倍 · Days that sent records are kept"
    )
    attachment_mebibytes: int = Field(
        100, ge=1, le=2048, description="附件上限（MiB） · The largest attachment that may cross"
    )
    clamd: str = Field(
        "",
        max_length=200,
        pattern=r"^(unix:/.+|tcp://[^/\s:]+:[0-9]{1,5})?$",
        description=(
            "病毒扫描服务 clamd：unix:/路径 或 tcp://主机:端口，空为不用；配置后无应答即拒绝 · "
            "Where clamd listens;\nempty: no scanner. Once given, nothing crosses that it has not answered for"
        ),
    )
    clamd_seconds: int = Field(60, ge=1, le=600, description="扫描一个文件的上限秒数 · Seconds to scan one file")

    @model_validator(mode="after")
    def _fits_its_zone(self) -> "FerrySettings":
        relations = [peer.relation for peer in self.peers]
        if self.zone == "outer" and (relations.count("inner") != 1 or "outer" in relations):
            raise PydanticCustomError(
                "zone",
                "zone = outer 须有且仅有一个 relation = inner 的对端 · "
                "zone = outer needs exactly one peer of relation inner",
            )
        if self.zone == "inner" and ("outer" not in relations or "inner" in relations):
            raise PydanticCustomError(
                "zone",
                "zone = inner 须有 relation = outer 的对端 · zone = inner needs a peer of relation outer",
            )
        return self
