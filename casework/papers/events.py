"""What happens in statutory documents, beside what happens to every case (`casework.events`)."""

from typing import ClassVar

from kernel.events import Event


class TemplateDrafted(Event, frozen=True, tag="template.drafted"):
    """A new version of the wording of documents of kind `template`."""

    about: ClassVar[str] = "template"
    template: str
    version: int
    wording_sha256: str
    author: str


class TemplateApproved(Event, frozen=True, tag="template.approved"):
    """From now on documents are issued in this wording. `evidence`: the legal office's signature."""

    about: ClassVar[str] = "template"
    template: str
    version: int
    wording_sha256: str
    officer: str
    evidence: str | None


class TemplateRejected(Event, frozen=True, tag="template.rejected"):
    about: ClassVar[str] = "template"
    template: str
    version: int
    officer: str
    evidence: str | None


EVENTS: tuple[type[Event], ...] = (TemplateDrafted, TemplateApproved, TemplateRejected)
