"""The graph: queries and mutations of every area, and the SDL that the phones are built from."""

from functools import cache
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from kernel.refusals import Refusal as KernelRefusal
from mobile_api.account import AccountMutations, AccountQueries
from mobile_api.applicants import ApplicantMutations, ApplicantQueries
from mobile_api.billing import BillingQueries
from mobile_api.cards import CardMutations, CardQueries
from mobile_api.cases import CaseMutations, CaseQueries
from mobile_api.catalogue import CatalogueMutations, CatalogueQueries
from mobile_api.clock import ClockMutations
from mobile_api.complaints import ComplaintMutations, ComplaintQueries
from mobile_api.coverage import CoverageQueries
from mobile_api.files import FileMutations
from mobile_api.findings import FindingQueries
from mobile_api.flow import FlowMutations, FlowQueries
from mobile_api.hall import HallMutations, HallQueries
from mobile_api.intake import IntakeMutations, IntakeQueries
from mobile_api.licences import LicenceMutations, LicenceQueries
from mobile_api.overviews import OverviewQueries
from mobile_api.papers import PaperMutations, PaperQueries
from mobile_api.public import PublicQueries
from mobile_api.refusals import Refusal, refused
from mobile_api.region import RegionQueries
from mobile_api.scalars import SCALARS
from mobile_api.statistics import StatisticsQueries
from mobile_api.tasks import TaskQueries
from mobile_api.texts import TextMutations, TextQueries
from mobile_api.window import WindowMutations, WindowQueries


@strawberry.type(description="Reading. A refusal is an entry of `errors` with `extensions.code`.")
class Query(
    AccountQueries,
    TaskQueries,
    CaseQueries,
    CardQueries,
    PublicQueries,
    CatalogueQueries,
    OverviewQueries,
    HallQueries,
    ComplaintQueries,
    ApplicantQueries,
    StatisticsQueries,
    BillingQueries,
    IntakeQueries,
    WindowQueries,
    FlowQueries,
    FindingQueries,
    CoverageQueries,
    RegionQueries,
    LicenceQueries,
    PaperQueries,
    TextQueries,
):
    pass


@strawberry.type(
    description="Acting. Every result is a union with `Refusal`. The same `idempotencyKey` gives the same answer: "
    "draw one per intention (a UUID), keep it until the answer is there."
)
class Mutation(
    AccountMutations,
    CaseMutations,
    ClockMutations,
    CardMutations,
    FileMutations,
    CatalogueMutations,
    HallMutations,
    ComplaintMutations,
    ApplicantMutations,
    IntakeMutations,
    WindowMutations,
    FlowMutations,
    LicenceMutations,
    PaperMutations,
    TextMutations,
):
    pass


@cache
def build_schema() -> strawberry.Schema:
    """The same for the whole process: building and checking it takes a tenth of a second."""
    config = StrawberryConfig(default_resolver=_read, disable_field_suggestions=True, scalar_map=SCALARS)
    return strawberry.Schema(query=Query, mutation=Mutation, config=config, exception_handlers=[_AsMember()])


def sdl() -> str:
    """The contract, as `clients/flutter_spec/graphql/schema.graphql` holds it."""
    return build_schema().as_str() + "\n"


class _AsMember(strawberry.ExceptionHandler[KernelRefusal, Refusal]):
    """A refusal raised on the way to an act becomes the union's member, like one the office returned."""

    def handle(self, exception: KernelRefusal, *, field: StrawberryField, info: strawberry.Info) -> Refusal:
        return refused(exception)


def _read(source: Any, name: str) -> object:
    """A field without a resolver: the key of a dict row, or the attribute of a value."""
    return source[name] if type(source) is dict else getattr(source, name)
