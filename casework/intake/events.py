"""What happens in intake, beside what happens to every case (`casework.events`)."""

from kernel.events import Event

EVENTS: tuple[type[Event], ...] = ()
