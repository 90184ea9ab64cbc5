"""What the door itself refuses, and how every refusal looks in GraphQL."""

import strawberry

from kernel.refusals import Refusal as KernelRefusal


class BadRequest(KernelRefusal):
    code = "BAD_REQUEST"
    zh = "请求格式有误，请升级应用后重试。"
    en = "The request is not acceptable: {why}."


class TooLarge(KernelRefusal):
    code = "TOO_LARGE"
    zh = "提交的内容过大（上限{limit}字节）。"
    en = "The body is larger than {limit} octets."


class QueryTooCostly(KernelRefusal):
    code = "QUERY_TOO_COSTLY"
    zh = "查询过于复杂，已被拒绝。"
    en = "The document asks too much: {what} is {found}, at most {limit} is allowed."


class TooManyRequests(KernelRefusal):
    code = "TOO_MANY_REQUESTS"
    zh = "操作过于频繁，请{seconds}秒后重试。"
    en = "Too many requests; try again in {seconds} seconds."
    retryable = True


class LoginNeeded(KernelRefusal):
    code = "LOGIN_NEEDED"
    zh = "请先登录。"
    en = "This needs a session."


class FileTypeRefused(KernelRefusal):
    code = "FILE_TYPE_REFUSED"
    zh = "不支持该文件类型，请上传{allowed}。"
    en = "Files of this type are not accepted; accepted are {allowed}."


class Internal(KernelRefusal):
    code = "INTERNAL"
    zh = "系统内部错误，请稍后重试；错误编号{incident}。"
    en = "Something went wrong here; incident {incident}."
    retryable = True


@strawberry.type(description="A fact of a refusal, for the screen.")
class Detail:
    name: str
    value: str


@strawberry.type(description="The office says no. Decide by `code`; show `message`.")
class Refusal:
    code: str = strawberry.field(description="Stable, listed in errors.yaml.")
    message: str = strawberry.field(description="For the person, in Chinese.")
    message_en: str
    retryable: bool = strawberry.field(description="The same request, unchanged, may succeed later.")
    details: list[Detail]


def refused(refusal: KernelRefusal) -> Refusal:
    return Refusal(
        code=refusal.code,
        message=refusal.text,
        message_en=refusal.text_en,
        retryable=refusal.retryable,
        details=[Detail(name=name, value=_shown(value)) for name, value in sorted(refusal.details.items())],
    )


def as_error(refusal: KernelRefusal) -> dict[str, object]:
    """The refusal as a member of `errors`, for answers that have no union: queries and the door itself."""
    return {
        "message": refusal.text,
        "extensions": {
            "code": refusal.code,
            "messageEn": refusal.text_en,
            "retryable": refusal.retryable,
            "details": [{"name": name, "value": _shown(value)} for name, value in sorted(refusal.details.items())],
        },
    }


def _shown(value: object) -> str:
    if isinstance(value, list):
        return "、".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
