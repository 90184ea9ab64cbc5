"""Rows by plain equality, and rows changed by compare-and-swap: the statements every act is made of.

tortoise builds each query anew, which costs more than PostgreSQL takes to answer it. Here the SQL of a table and a
set of columns is written once; values and results go through the model's own fields, inside the transaction that is
open. Everything else (ranges, joins, pages) is a queryset or SQL. Source of the figures: bench/approve.py.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from kernel.db import stored_instant

M = TypeVar("M", bound=Model)


async def one(model: type[M], **equal: object) -> M | None:
    """The row whose columns are `equal` (None: IS NULL), the youngest if there are several; None if there is none."""
    connection, dialect = _connected(model)
    sql = _select(model, _shape(equal), dialect, "DESC LIMIT 1")
    _, rows = await connection.execute_query(sql, _values(model, equal, dialect))
    return model._init_from_db(**dict(rows[0])) if rows else None


async def many(model: type[M], **equal: object) -> list[M]:
    """All rows whose columns are `equal`, oldest first."""
    connection, dialect = _connected(model)
    sql = _select(model, _shape(equal), dialect, "ASC")
    _, rows = await connection.execute_query(sql, _values(model, equal, dialect))
    return [model._init_from_db(**dict(row)) for row in rows]


async def change(model: type[Model], where: Mapping[str, object], **changes: object) -> int:
    """Writes `changes` to the rows whose columns are as in `where` (None: IS NULL); how many there were."""
    connection, dialect = _connected(model)
    written = [_stored(model, name, value, dialect) for name, value in changes.items()]
    sql = _update(model, tuple(changes), _shape(where), dialect)
    count, _ = await connection.execute_query(sql, written + _values(model, where, dialect))
    return count


def _connected(model: type[Model]) -> tuple[BaseDBAsyncClient, str]:
    """The connection of the open transaction, if one is open."""
    connection = model._meta.db
    return connection, connection.capabilities.dialect


def _shape(equal: Mapping[str, object]) -> tuple[tuple[str, bool], ...]:
    return tuple((name, value is None) for name, value in equal.items())


def _values(model: type[Model], equal: Mapping[str, object], dialect: str) -> list[object]:
    return [_stored(model, name, value, dialect) for name, value in equal.items() if value is not None]


def _stored(model: type[Model], name: str, value: object, dialect: str) -> object:
    stored = model._meta.fields_map[name].to_db_value(value, model)
    return stored_instant(stored) if isinstance(stored, datetime) and dialect == "sqlite" else stored


@lru_cache(maxsize=512)
def _select(model: type[Model], shape: tuple[tuple[str, bool], ...], dialect: str, order: str) -> str:
    meta = model._meta
    columns = ", ".join(f'"{column}"' for column in meta.fields_db_projection.values())
    return (
        f'SELECT {columns} FROM "{meta.db_table}" WHERE {_where(shape, dialect, 1)}'
        f' ORDER BY "{meta.db_pk_column}" {order}'
    )


@lru_cache(maxsize=512)
def _update(model: type[Model], changed: tuple[str, ...], shape: tuple[tuple[str, bool], ...], dialect: str) -> str:
    written = ", ".join(f'"{name}" = {_mark(n, dialect)}' for n, name in enumerate(changed, 1))
    return f'UPDATE "{model._meta.db_table}" SET {written} WHERE {_where(shape, dialect, len(changed) + 1)}'


def _where(shape: tuple[tuple[str, bool], ...], dialect: str, first: int) -> str:
    terms, number = [], first
    for name, is_null in shape:
        terms.append(f'"{name}" IS NULL' if is_null else f'"{name}" = {_mark(number, dialect)}')
        number += not is_null
    return " AND ".join(terms)


def _mark(number: int, dialect: str) -> str:
    return f"?{number}" if dialect == "sqlite" else f"${number}"
