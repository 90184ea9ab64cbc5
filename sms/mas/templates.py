"""The values in a rendered text, for a MAS that takes registered templates and values instead of texts. Pure.

Only the rendered text is stored; a wording is a pattern, so what stands in its places can be read off again: in the
wording that the message was made of, whatever is in force now. Where two places touch, the text does not say how it was
divided between them; put together they make the same text, whatever the division, and that is tried. A wording is to be
registered with one place for each {…} of ours, repeated ones again. The number of the program's own wording stands in
the settings, that of a wording approved here in the register beside its words (alerts/wordings.py).
Limits: what is registered at the MAS is not known here, so a difference between its wording and ours shows on the phone
only.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from string import Formatter
from types import MappingProxyType

from msgspec import Struct

from alerts.templates import BY_ID
from alerts.texts import LIMITS
from sms.carriers import MobileText

#: An answer's own words (R01) have no name in LIMITS.
_MOST_UNITS = 134


class Templates(Struct, frozen=True, kw_only=True):
    """The MAS's templateId of each of our templates that is registered there in the program's own words.

    With `only`, nothing else may be sent.
    """

    ids: Mapping[str, str] = MappingProxyType({})
    only: bool = False

    def submission(self, text: MobileText, content: str) -> tuple[str, Sequence[str]] | None:
        """templateId and values that say `content`, which has no signature; None where there are none."""
        own = BY_ID[text.template].body if text.template in self.ids and text.template in BY_ID else ""
        for number, wording in ((text.registered, text.wording), (self.ids.get(text.template, ""), own)):
            values = values_of(wording, content) if number and wording else None
            if values is not None:
                return number, values
        return None

    def knows(self, text: MobileText) -> bool:
        """Whether the template is registered at all, be it in other words."""
        return bool(text.registered) or text.template in self.ids


def values_of(wording: str, content: str) -> Sequence[str] | None:
    """What stands in each place of `content`, which has no signature; None if it is not made of `wording`."""
    found = _pattern(wording).fullmatch(content)
    return None if found is None else [found[name] for _, name, _, _ in Formatter().parse(wording) if name]


@cache
def _pattern(wording: str) -> re.Pattern[str]:
    """Places with one name hold the same words."""
    written, seen = "", set()
    for literal, name, _, _ in Formatter().parse(wording):
        written += re.escape(literal)
        if name in seen:
            written += f"(?P={name})"
        elif name:
            most = LIMITS[name].units if name in LIMITS else _MOST_UNITS
            written += f"(?P<{name}>.{{1,{most}}}?)"
            seen.add(name)
    return re.compile(written, re.DOTALL)
