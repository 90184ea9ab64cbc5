"""One tree of refusals: every reason the office says no, each with a stable code.

A door maps a refusal once (GraphQL: a union member, text message: the sentence, command line: the sentence and
exit code 1). Raise one and the transaction is rolled back; return one and what the use-case wrote is kept.
"""

from collections.abc import Mapping
from typing import ClassVar

#: What a refusal may carry: facts for the screen, never secrets.
Detail = str | int | bool | None | list[str]

_TREE: dict[str, type["Refusal"]] = {}


class Refusal(Exception):
    """A refusal with its facts. `zh` and `en` are `str.format` templates over the details."""

    code: ClassVar[str] = "REFUSED"
    zh: ClassVar[str] = "该操作未能完成。"
    en: ClassVar[str] = "The act was refused."
    #: The same request, unchanged, may succeed later.
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if "code" not in cls.__dict__:
            return  # a branch of the tree, never raised itself
        if cls.code in _TREE:
            raise TypeError(f"two refusals share the code {cls.code}")
        _TREE[cls.code] = cls

    def __init__(self, **details: Detail) -> None:
        self.details: Mapping[str, Detail] = details
        super().__init__(f"{self.code}: {self.text_en}")

    @property
    def text(self) -> str:
        """The sentence for the person at the door, in Chinese."""
        return _filled(self.zh, self.details)

    @property
    def text_en(self) -> str:
        return _filled(self.en, self.details)

    @classmethod
    def revived(cls, code: str, details: Mapping[str, Detail]) -> "Refusal":
        """The refusal that was remembered under an idempotency key."""
        return _TREE.get(code, cls)(**details)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and (self.code, self.details) == (other.code, other.details)

    def __hash__(self) -> int:
        return hash(self.code)


def every_refusal() -> dict[str, type[Refusal]]:
    """Code to class, for the error catalogue of the client contract."""
    return dict(sorted(_TREE.items()))


def _filled(template: str, details: Mapping[str, Detail]) -> str:
    shown = {name: "、".join(value) if isinstance(value, list) else value for name, value in details.items()}
    return template.format_map(_Lenient(shown))


class _Lenient(dict[str, object]):
    """A forgotten detail must not turn a refusal into a crash."""

    def __missing__(self, name: str) -> str:
        return f"<{name}>"


class NotPermitted(Refusal):
    code = "NOT_PERMITTED"
    zh = "您没有办理此事的权限。"
    en = "The actor may not perform {act}: {needs} is required."


class AssuranceTooLow(Refusal):
    code = "ASSURANCE_TOO_LOW"
    zh = "此操作需要更高的身份认证（{needs}）。"
    en = "{act} needs assurance {needs}, the actor has {has}."


class KeyReused(Refusal):
    code = "KEY_REUSED"
    zh = "同一请求编号已用于另一项操作，请刷新后重试。"
    en = "The idempotency key was already used for a different act."


class ChangedMeanwhile(Refusal):
    code = "CHANGED_MEANWHILE"
    zh = "该事项刚被他人处理，请刷新后查看。"
    en = "{subject} was changed by somebody else meanwhile."


class NotFound(Refusal):
    code = "NOT_FOUND"
    zh = "未找到{what}。"
    en = "{what} was not found."


class Invalid(Refusal):
    """A value at the door that no rule can accept. `field` names it."""

    code = "INVALID"
    zh = "“{field}”填写有误：{why}。"
    en = "{field}: {why}."


class NotInThisZone(Refusal):
    """Of an isolated network the outer half: it does not have what this needs."""

    code = "NOT_IN_THIS_ZONE"
    zh = "此操作只能在内网办理。"
    en = "{act} is for the inner network only."


class Busy(Refusal):
    code = "BUSY"
    zh = "系统繁忙，请稍后重试。"
    en = "The office is busy; try again."
    retryable = True
