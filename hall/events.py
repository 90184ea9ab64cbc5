"""What happens in the public hall."""

from kernel.events import Event

EVENTS: tuple[type[Event], ...] = ()
