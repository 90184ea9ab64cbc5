"""Every profile by its name, and which older columns a column of ours is: for the page and for the command line.

A profile is found by its name and by nothing else; a new one is a module beside these and a line here. An event log is
only ever read, so it is among the sources and not among the profiles one may write.
"""

from collections.abc import Mapping
from types import MappingProxyType

from ferry.exchange.profiles.gd_2013 import GD_2013
from ferry.exchange.profiles.mapping import APPLICANT_KIND, ID_KIND, Profile
from ferry.exchange.profiles.national import NATIONAL
from ferry.exchange.profiles.pre_apasinfo import PRE_APASINFO
from ferry.exchange.profiles.xes import XES

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (GD_2013, NATIONAL, PRE_APASINFO)}
)
SOURCES = (*PROFILES.values(), XES)


def sources_of(ours: str) -> list[str]:
    """`profile: TABLE.COLUMN` for each older column that says what `table.column` says."""
    return [
        f"{profile.name}: {table.name}.{line.foreign}"
        for profile in SOURCES
        for table in profile.tables
        for line in table.lines
        if line.ours == ours and line.by not in (ID_KIND, APPLICANT_KIND)
    ]
