"""One GraphQL request to one answer: kept document, execution, and errors that say no more than they should."""

import traceback
from typing import Any

import orjson
import strawberry
import structlog
from graphql import ExecutionResult, FieldNode, GraphQLError, GraphQLOutputType, GraphQLResolveInfo
from graphql import execute as graphql_execute
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from tortoise.exceptions import ValidationError

from kernel.refusals import Invalid, Refusal
from mobile_api.context import Context
from mobile_api.guards import Document, kept_documents
from mobile_api.plans import MISFITS
from mobile_api.refusals import BadRequest, Internal, as_error
from mobile_api.services import Limits

_log = structlog.get_logger(__name__)


class Answer(dict[str, Any]):
    """`data` and `errors`, ready for JSON."""


class Door:
    """Executes documents against the schema. One per process."""

    def __init__(self, schema: strawberry.Schema, limits: Limits, *, demo: bool) -> None:
        # strawberry's own `execute` builds its extensions anew for each request; the schema beneath is public GraphQL.
        self._schema = schema._schema
        self._documents = kept_documents(self._schema, limits, introspection=demo)
        self._demo = demo

    async def answer(
        self, text: str, variables: dict[str, Any] | None, operation: str | None, context: Context
    ) -> Answer:
        """Raises BAD_REQUEST and QUERY_TOO_COSTLY for the document; everything later is part of the answer."""
        document = self._documents.of(text)
        outcome = graphql_execute(
            self._schema,
            document.node,
            context_value=context,
            variable_values=variables,
            operation_name=operation,
            executor_class=_Planned,
            hide_suggestions=True,
            planned=document,
        )
        result = outcome if isinstance(outcome, ExecutionResult) else await outcome
        answer = Answer(data=result.data)
        if result.errors:
            answer["errors"] = [self._told(error, context) for error in result.errors]
        return answer

    def _told(self, error: GraphQLError, context: Context) -> dict[str, object]:
        told: dict[str, object]
        cause = error.original_error
        while isinstance(cause, GraphQLError) and cause.original_error is not None:
            cause = cause.original_error
        if isinstance(cause, Refusal):
            told = as_error(cause)
        elif isinstance(cause, ValidationError):
            # As in the office: a value that no column holds (a number of a thousand digits) names nothing that exists.
            told = as_error(Invalid(field="—", why=str(cause)[:80]))
        elif error.path is None or cause is None:
            # Before execution: variables that do not fit. The words are graphql-core's, about the caller's own input.
            told = as_error(BadRequest(why=error.message.rstrip(".")))
        else:
            told = self._masked(error, cause, incident=context.services.secrets.token()[:8])
        if error.path is not None:
            told["path"] = error.path
        return told

    def _masked(self, error: GraphQLError, cause: Exception, *, incident: str) -> dict[str, object]:
        where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(cause.__traceback__)[-3:]]
        _log.error("a resolver failed", incident=incident, kind=type(cause).__name__, path=error.path, where=where)
        told = as_error(Internal(incident=incident))
        if self._demo:
            told["message"] = f"{type(cause).__name__}: {cause}"
        return told


class _Planned(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, with the completion of root fields by plan where there is one."""

    def __init__(self, *args: Any, planned: Document, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._planned = planned

    def complete_value(
        self,
        return_type: GraphQLOutputType,
        field_details_list: list[Any],
        info: GraphQLResolveInfo[Any],
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        if path.prev is None and not isinstance(result, Exception):
            nodes: list[FieldNode] = [details.node for details in field_details_list]
            shape = self._planned.plans.shape_for(self.schema, return_type, nodes, self.fragment_definitions)
            if shape is not None:
                try:
                    return shape(result)
                except MISFITS:
                    pass
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)


def encoded(answer: object) -> bytes:
    return orjson.dumps(answer)
