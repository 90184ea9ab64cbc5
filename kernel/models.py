"""`Model`, of which every table is made.

tortoise reads and parses the source of each model as it is made, for the comments on its columns: half a second with
a hundred tables, at every start of every command. Only who writes a migration wants them, and asks for `comments_of`.
"""

import tortoise.models
from tortoise.models import Model

__all__ = ["Model", "comments_of"]

#: Field name → the `#:` comment above it.
comments_of = tortoise.models._get_comments


def _no_comments(cls: type[Model]) -> dict[str, str]:
    return {}


tortoise.models._get_comments = _no_comments
