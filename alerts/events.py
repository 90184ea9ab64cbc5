"""What people did to texts by hand, and to their wording. Numbers and words stay in the rows."""

from typing import ClassVar

from kernel.events import Event


class AboutText(Event, frozen=True):
    """`by`: the account at the server, since all operators act as one actor."""

    about: ClassVar[str] = "text"
    text: int
    by: str


class TextSent(AboutText, frozen=True, tag="text.sent"):
    """An operator's own words were queued."""

    parts: int


class TextResent(AboutText, frozen=True, tag="text.resent"):
    """`text` was lost, or nobody knows; `as_text` goes in its place."""

    as_text: int
    was: str


class TextViewed(AboutText, frozen=True, tag="text.viewed"):
    """Somebody looked at the number and the words."""


class AboutWording(Event, frozen=True):
    """`text_template`: its id, such as T11_ACCEPTED."""

    about: ClassVar[str] = "text_template"
    text_template: str


class TextTemplatesEntered(AboutWording, frozen=True, tag="text_template.entered"):
    """The program brought wordings of its own: `entered` as T11_ACCEPTED/1."""

    entered: tuple[str, ...]


class TextTemplateProposed(AboutWording, frozen=True, tag="text_template.proposed"):
    version: int
    body_sha256: str
    author: str


class TextTemplateApproved(AboutWording, frozen=True, tag="text_template.approved"):
    """From now on texts are made of these words. `evidence`: the legal office's signature."""

    version: int
    body_sha256: str
    officer: str
    evidence: str | None


class TextTemplateRejected(AboutWording, frozen=True, tag="text_template.rejected"):
    version: int
    officer: str
    evidence: str | None


EVENTS: tuple[type[Event], ...] = (
    TextSent,
    TextResent,
    TextViewed,
    TextTemplatesEntered,
    TextTemplateProposed,
    TextTemplateApproved,
    TextTemplateRejected,
)
