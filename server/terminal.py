"""How commands show things to people: as wide as the terminal, and never as a command to it."""

from datetime import datetime
from unicodedata import category

from rich.console import Console
from rich.text import Text

from casework.clock.working_days import CHINA

#: Columns of a table that nobody looks at in a terminal.
_WIDE = 160


def console() -> Console:
    """As wide as the terminal; wide enough for a digest where the output goes into a file."""
    made = Console()
    return made if made.is_terminal else Console(width=_WIDE)


def as_it_stands(value: object) -> Text:
    """What somebody else wrote: never markup, never a command to the terminal."""
    shown = (f"\\x{ord(char):02x}" if category(char) in ("Cc", "Cf") else char for char in str(value))
    return Text("".join(shown))


def moment(instant: datetime | None) -> str:
    """The office's own time, to the second."""
    return f"{instant.astimezone(CHINA):%Y-%m-%d %H:%M:%S}" if instant else "—"


def span(seconds: float) -> str:
    """The two largest units: 3h05m."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"
