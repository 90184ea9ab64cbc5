"""What happens in the approval flow, beside what happens to every case (`casework.events`)."""

from kernel.events import Event

EVENTS: tuple[type[Event], ...] = ()
