"""Names of files under way: ASCII, at most 64 characters, no folders; what begins with a dot is not there yet."""

import re

#: Devices that copy a folder skip what begins with a dot.
UNFINISHED = ".tmp-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def refuse_bad_name(name: str) -> None:
    """Raises OSError for a name that some device might not carry."""
    if _NAME.fullmatch(name) is None:
        raise OSError("not a name of a file that crosses")


def is_there(name: str) -> bool:
    """Whether a file of this name may be looked at. Devices rename; what somebody left may be called anything."""
    return bool(name) and not name.startswith(".") and "/" not in name and "\0" not in name
