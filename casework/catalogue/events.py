"""What happens in the catalogue, beside what happens to every case (`casework.events`)."""

from kernel.events import Event

EVENTS: tuple[type[Event], ...] = ()
