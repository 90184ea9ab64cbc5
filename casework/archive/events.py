"""What happens in the archive."""

from kernel.events import Event


class CaseArchived(Event, frozen=True, tag="case.archived"):
    """归档: `sha256` of the sealed manifest, which pins every document, decision and event until then."""

    case: str
    archive: str
    sha256: str


EVENTS: tuple[type[Event], ...] = (CaseArchived,)
