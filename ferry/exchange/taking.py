"""A whole package handed to the office: opened, taken part by part, answered. Every way in ends here.

One part is in memory at a time; each is a transaction of its own, so the rest of a package that broke off is taken by
taking it again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TypeVar

from ferry.exchange.acts import BatchView, ImportBatch, ImportPart, PartView, Receipt
from ferry.exchange.faults import FILE_FAULTS
from ferry.exchange.package import Package, PackageUnfit
from ferry.exchange.refusals import ExchangeUnfit
from kernel.actor import THE_OPERATOR
from kernel.acts import Act, View
from kernel.office import Office
from kernel.refusals import Refusal

V = TypeVar("V", bound=View)
#: Told the part's number and why a row of it was not simply accepted.
Heard = Callable[[int, Receipt], None]


async def take(office: Office, source: IO[bytes], heard: Heard) -> BatchView:
    """Takes a signed batch in, or the rest of it. Raises the refusal."""
    with explained():
        return await take_package(office, Package(source), heard)


async def take_package(office: Office, package: Package, heard: Heard) -> BatchView:
    manifest = package.manifest
    opening = ImportBatch(manifest=package.octets, signature=package.signature)
    await _done(office, opening)
    for number, (_, octets) in enumerate(package.parts(), 1):
        act = ImportPart(source_system=manifest.source_system, batch=manifest.batch, number=number, octets=octets)
        answered: PartView = await _done(office, act)
        for receipt in answered.receipts:
            heard(number, receipt)
    return await _done(office, opening)


@contextmanager
def explained() -> Iterator[None]:
    """What a package is unfit for becomes a refusal."""
    try:
        yield
    except PackageUnfit as unfit:
        where = f"：{unfit.where}" if unfit.where else ""
        raise ExchangeUnfit(why=unfit.code, words=FILE_FAULTS[unfit.code].zh, where=where) from None


async def _done(office: Office, act: Act[V]) -> V:
    outcome = await office.perform(act, THE_OPERATOR, key=None)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome
