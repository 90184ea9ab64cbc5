"""The section of the exchange: what others call this system, how it is reached, and whom it reports to.

A level of government has at most one above it, reached by HTTPS or through a peer of the ferry, and any number of
systems below, which push, or leave files in a folder, or write rows into a table of a front-end database.
"""

from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from server.setting_types import HttpUrl, Name, Section

_SYSTEM = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,19}$"
_ORG = r"^[0-9A-Za-z][0-9A-Za-z._-]{0,17}$"
_REGION = r"^[0-9]{6}$"
_TABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,39}(\.[A-Za-z_][A-Za-z0-9_]{0,39})?$"


def _is_safe(url: str) -> str:
    """Case data go over TLS, or no further than this machine."""
    parts = urlsplit(url)
    try:
        is_here = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_here = False
    if url and parts.scheme != "https" and not is_here:
        raise PydanticCustomError("url", "应为 https:// · must be https://")
    return url


class FolderFront(Section):
    """Daily files: signed packages that a registered system leaves in a folder."""

    kind: Literal["folder"]
    name: Name
    path: str = Field(min_length=1)


class TableFront(Section):
    """A table of a front-end database (前置库) into which a system writes rows: the account there is who it is."""

    kind: Literal["table"]
    name: Name
    url: SecretStr
    source_system: str = Field(pattern=_SYSTEM)
    org: str = Field(pattern=_ORG)
    region: str = Field(pattern=_REGION)
    table: str = Field("case_exchange_row", pattern=_TABLE)
    unit: str = Field("", pattern=r"^[A-Z0-9-]{0,16}$")

    @model_validator(mode="after")
    def _sound(self) -> "TableFront":
        if self.url.get_secret_value().partition("://")[0] not in ("postgres", "mysql", "mysql+tls", "sqlite"):
            raise PydanticCustomError(
                "url",
                "应为 postgres://、mysql://、mysql+tls:// 或 sqlite:// · "
                "must be postgres://, mysql://, mysql+tls:// or sqlite://",
            )
        return self


Front = Annotated[FolderFront | TableFront, Field(discriminator="kind")]


def _distinct(fronts: tuple[Front, ...]) -> tuple[Front, ...]:
    if len({front.name for front in fronts}) < len(fronts):
        raise PydanticCustomError("name", "两个前置同名 · two fronts have the same name")
    return fronts


class ExchangeSettings(Section):
    title: ClassVar[str] = "数据交换 · Exchange of case data (case-exchange/1)"
    source_system: str = Field(
        "zhangban",
        pattern=_SYSTEM,
        description="本系统的名称，下级或上级以此登记 · What others register this system as",
    )
    region: str = Field("430421", pattern=_REGION, description="行政区划代码 · Code of the region, GB/T 2260")
    accept_pushes: bool = Field(
        False,
        description="是否接收 HTTPS 报送（POST /exchange/v1/packages） · Whether registered systems may push packages",
    )
    push_mebibytes: int = Field(32, ge=1, le=256, description="单次报送上限（MiB） · The largest package of one push")
    pushes_per_minute: int = Field(
        120, ge=1, le=100_000, description="每个地址每分钟报送次数 · Pushes per address and minute"
    )
    above_url: Annotated[HttpUrl | Literal[""], AfterValidator(_is_safe)] = Field(
        "", description="上级地址，自动报送；空为不报送 · The level above, by HTTPS; empty: nothing is reported there"
    )
    above_peer: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9]{0,15})?$",
        description="或经摆渡报送：对端名称（relation 为 above） · Or through this peer of the ferry, one above",
    )
    above_certificate: str = Field(
        "",
        description="上级签发的数据报送证书文件（PEM） · The certificate the level above issued for us, with its CA's",
    )
    above_ca_file: str = Field(
        "", description="上级地址的 CA 证书文件，空为系统信任的 · Certificates to trust there instead of the system's"
    )
    fronts: Annotated[tuple[Front, ...], AfterValidator(_distinct)] = Field(
        (),
        description=(
            "前置，可多个 · Where systems leave their data without pushing it:\n"
            "[[exchange.fronts]]\n"
            'kind = "folder"  # 每日文件：签名的批次（.zip） · daily files: signed packages\n'
            'name = "daily"\n'
            'path = "/exchange/in"\n'
            "or a table of a front-end database:\n"
            "[[exchange.fronts]]\n"
            'kind = "table"  # 前置库\n'
            'name = "market"\n'
            'url = "mysql://zhangban:…@front.example/exchange"  # 或 postgres://、mysql+tls://\n'
            'source_system = "SJJ-YWXT"\n'
            'org = "SJJ"\n'
            'region = "430421"\n'
            'table = "case_exchange_row"\n'
            'unit = "SJJ"'
        ),
    )
    front_seconds: int = Field(
        30, ge=1, le=3600, description="每隔几秒查看前置 · Seconds between looks at folders and tables"
    )

    @model_validator(mode="after")
    def _whole(self) -> "ExchangeSettings":
        if self.above_url and self.above_peer:
            raise PydanticCustomError(
                "way", "above_url 与 above_peer 只填一个 · give above_url or above_peer, not both"
            )
        if (self.above_url or self.above_peer) and not self.above_certificate:
            raise PydanticCustomError("way", "须填 above_certificate · above_certificate must be given")
        return self

    @property
    def reports(self) -> bool:
        """Whether there is a level above."""
        return bool(self.above_url or self.above_peer)
