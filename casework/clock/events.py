"""What happens in the legal clock, beside what happens to every case (`casework.events`)."""

from kernel.events import Event

EVENTS: tuple[type[Event], ...] = ()
