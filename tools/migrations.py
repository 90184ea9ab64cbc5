"""`python -m tools.migrations NAME`: writes the migration that brings the tables from the last one to the models.

Read what it wrote before you keep it: on SQLite tortoise alters a column by copying the table, which loses indexes
and cascades; write such a step by hand.
"""

import asyncio
import sys
from pathlib import Path

from tortoise import Tortoise
from tortoise.apps import Apps
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.writer import MigrationWriter

from kernel.db import tortoise_config
from kernel.models import comments_of
from server.wiring import TABLES

_DOCSTRING = '"""Tables: {name}. Written by tools.migrations; never edited once released."""\n\n'


async def pending() -> list[MigrationWriter]:
    """What the models say and the migrations do not: nothing, in a sound checkout."""
    config = tortoise_config("sqlite://:memory:", modules=TABLES)
    context = await Tortoise.init(config=config, _enable_global_fallback=True)
    try:
        assert context.apps is not None
        _describe(context.apps)
        return list(await MigrationAutodetector(context.apps, config["apps"]).changes())
    finally:
        await context.close_connections()


def _describe(apps: Apps) -> None:
    """Columns by their comments. A docstring is for readers: as a comment in SQL it would be cut at its first
    semicolon on SQLite, and so would a column's."""
    for models in apps.values():
        for model in models.values():
            model._meta.table_description = ""
            comments = comments_of(model)
            for name, field in model._meta.fields_map.items():
                if field.description is None and name in comments:
                    field.description = comments[name].partition("\n")[0]
                if ";" in (field.description or ""):
                    field.description = None


def _together(written: str) -> str:
    """The same migration, with its new tables created as one operation (see `kernel.migrating`)."""
    head, operations = written.split("    operations = [\n")
    return f"from kernel.migrating import together\n{head}    operations = together([\n{operations.rstrip()})\n"


def main(name: str) -> int:
    writers = asyncio.run(pending())
    for writer in writers:
        writer.name = f"{writer.name.split('_', 1)[0]}_{name}"
        path = Path(writer.write())
        path.write_text(_DOCSTRING.format(name=name) + _together(path.read_text()))
        print(path)
    return 0 if writers else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
