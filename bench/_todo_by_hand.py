"""The to-do page written by hand: Starlette, asyncpg, orjson, two statements and one dictionary."""

from datetime import UTC, datetime

import asyncpg
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from casework.clock.calendars import builtin_calendar
from casework.clock.working_days import day_of
from casework.flow.steps import DECISION_NAMES, step_name
from kernel.actor import Actor, ActorKind, Assurance, Role

NOW = datetime(2026, 9, 21, 2, 0, tzinfo=UTC)
OFFICER = Actor(
    kind=ActorKind.OFFICER,
    id="OFF-0001",
    roles=frozenset({Role.HANDLER}),
    unit="ZJJ",
    assurance=Assurance.SESSION,
)
POOL = 10
_TASKS = (
    "SELECT t.id, t.step, t.role, t.unit_code, t.opened_at, t.due_on, t.yellow_at, t.red_at, t.sort_at,"
    " c.id AS case_id, c.number, c.status, c.revision, c.channel, c.item_code, c.item_name, c.stage_code,"
    " c.unit_code AS case_unit, c.applicant_name, c.received_on, c.accepted_on, c.deemed_accepted, c.committed_due,"
    " c.statutory_due, c.due_provisional, c.decided_at, c.outcome, c.closed_at, c.returns,"
    " c.urges, c.urged_at"
    " FROM task t JOIN case_file c ON c.id = t.case_id"
    " WHERE t.closed_at IS NULL AND t.unit_code = $1 AND t.role = $2 AND (t.assignee IS NULL OR t.assignee = $3)"
    " ORDER BY t.closed_at, t.sort_at, t.id LIMIT 21"
)
_STEPS = (
    "SELECT * FROM (SELECT s.case_id, s.id, s.step, s.decision, s.opinion, s.officer_name, s.principal_name, s.role,"
    " s.signature, s.at, row_number() OVER (PARTITION BY s.case_id ORDER BY s.seq DESC) AS place FROM case_step s"
    " WHERE s.case_id = ANY($1)) ranked WHERE place <= 3 ORDER BY case_id, place"
)
_DECISIONS = {str(decision): name for decision, name in DECISION_NAMES.items()}


async def serve_handwritten(database: str, port: int) -> None:
    pool = await asyncpg.create_pool(database, min_size=POOL, max_size=POOL)
    calendar, today = builtin_calendar(), day_of(NOW)

    async def todos(request: Request) -> Response:
        orjson.loads(await request.body())
        async with pool.acquire() as connection:
            tasks = (await connection.fetch(_TASKS, OFFICER.unit, "handler", OFFICER.id))[:20]
            rows = await connection.fetch(_STEPS, [task["case_id"] for task in tasks])
        steps: dict[int, list[object]] = {task["case_id"]: [] for task in tasks}
        for row in rows:
            steps[row["case_id"]].append(_step(row))
        nodes = [_node(task, steps[task["case_id"]], calendar, today) for task in tasks]
        last = tasks[-1]
        page = {"nodes": nodes, "endCursor": _cursor(last["sort_at"], last["id"]), "__typename": "TaskPage"}
        return Response(orjson.dumps({"data": {"todos": page}}), media_type="application/json")

    await served(Starlette(routes=[Route("/graphql", todos, methods=["POST"])]), port)
    await pool.close()


def _node(task, steps, calendar, today) -> dict[str, object]:
    light = "RED" if task["red_at"] <= NOW else "YELLOW" if task["yellow_at"] <= NOW else "GREEN"
    return {
        "id": str(task["id"]),
        "step": task["step"],
        "stepName": step_name(task["step"], task["role"]),
        "role": task["role"].upper(),
        "unit": task["unit_code"],
        "openedAt": task["opened_at"],
        "dueOn": task["due_on"],
        "light": light,
        "daysLeft": calendar.working_days_between(today, task["due_on"]),
        "onBehalfOf": None,
        "urges": task["urges"],
        "urgedAt": task["urged_at"],
        "case": {
            "number": task["number"],
            "status": task["status"].upper(),
            "revision": task["revision"],
            "channel": task["channel"].upper(),
            "itemCode": task["item_code"],
            "itemName": task["item_name"],
            "stage": task["stage_code"],
            "unit": task["case_unit"],
            "applicantName": task["applicant_name"],
            "receivedOn": task["received_on"],
            "acceptedOn": task["accepted_on"],
            "deemedAccepted": task["deemed_accepted"],
            "committedDue": task["committed_due"],
            "statutoryDue": task["statutory_due"],
            "dueProvisional": task["due_provisional"],
            "decidedAt": task["decided_at"],
            "outcome": task["outcome"] or None,
            "closedAt": task["closed_at"],
            "returns": task["returns"],
            "recentSteps": steps,
            "__typename": "CaseSummary",
        },
        "__typename": "Task",
    }


def _step(row) -> dict[str, object]:
    return {
        "id": str(row["id"]),
        "step": row["step"],
        "stepName": step_name(row["step"], row["role"]),
        "decision": row["decision"].upper(),
        "decisionName": _DECISIONS[row["decision"]],
        "opinion": row["opinion"],
        "officerName": row["officer_name"],
        "onBehalfOf": row["principal_name"] or None,
        "evidence": row["signature"] or None,
        "at": row["at"],
        "__typename": "SignedStep",
    }


def _cursor(at: datetime, number: int) -> str:
    from casework.queries import Place
    from mobile_api.pages import cursor_of

    return str(cursor_of(Place(at, number)))


async def served(app: Starlette, port: int) -> None:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()
