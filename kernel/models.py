"""What every table is derived from."""

from typing import Any

from tortoise.models import Model, ModelMeta


class _TableMeta(ModelMeta):
    """Comments on columns are for readers: tortoise would read the source of every table for them at each start."""

    def __new__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> "_TableMeta":
        return super().__new__(cls, name, bases, {**attrs, "_no_comments": True})


class Table(Model, metaclass=_TableMeta):
    class Meta:
        abstract = True
