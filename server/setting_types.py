"""What sections of the settings are made of: the strict section itself, addresses, ports, numbers, names."""

from ipaddress import ip_network
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


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
#: As a browser writes it into a header: scheme, host, port.
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?$")]
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


Network = Annotated[str, AfterValidator(_network)]


class Section(BaseModel):
    """A table of the file. Unknown keys, wrong types and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)
    title: ClassVar[str] = ""
