"""The register of wordings: which words each text has here, and which it had when a message was made of it.

The program's own wording of every template is entered at the start; an installation may approve another
(alerts/rewording.py). In force is the newest that a person had approved, as long as it has the values that the program
gives the text today; else the program's own. A version is never changed, so a message names its words for ever.
Read where a text is made, in the same transaction: an approved wording is in force at once, in every process.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from alerts.events import TextTemplatesEntered
from alerts.states import as_int, as_json, listed
from alerts.tables import TextTemplate
from alerts.templates import BY_ID
from alerts.texts import Template
from casework.papers.tables import TemplateState
from kernel.acts import Act, Done
from kernel.db import Database, Row, instant, instant_of
from kernel.work import Work

#: Who entered the program's own wordings.
PROGRAM = "system"


class EnterTextTemplates(Act[Done], frozen=True, tag="text_template.enter"):
    """At the start: enters the program's own wordings that are not in the register yet, as approved."""


class Wording(Struct, frozen=True):
    """`registered`: a carrier's own number of exactly these words, by the carrier's name."""

    body: str
    registered: Mapping[str, str]


class Version(Struct, frozen=True, kw_only=True):
    """A wording with what was decided about it. `template` is in its words."""

    template: Template
    state: TemplateState
    is_in_force: bool
    registered: Mapping[str, str]
    reason: str
    author: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    opinion: str
    evidence: str | None


async def enter_text_templates(work: Work, act: EnterTextTemplates) -> Done:
    newest: dict[str, TextTemplate] = {}
    taken: dict[str, int] = {}
    for row in await TextTemplate.all().order_by("version"):
        taken[row.template] = row.version
        if row.author == PROGRAM:
            newest[row.template] = row
    missing = [
        TextTemplate(
            template=template.id,
            version=max(template.version, taken.get(template.id, 0) + 1),
            body=template.body,
            state=TemplateState.APPROVED,
            author=PROGRAM,
            proposed_at=work.now,
            decided_by=PROGRAM,
            decided_at=work.now,
        )
        for template in BY_ID.values()
        if template.id not in newest or newest[template.id].body != template.body
    ]
    if missing:
        await TextTemplate.bulk_create(missing)
        entered = tuple(f"{row.template}/{row.version}" for row in missing)
        work.record(TextTemplatesEntered(text_template="built-in", entered=entered))
    return Done(count=len(missing))


async def in_force(database: Database, templates: Iterable[Template]) -> Mapping[str, Template]:
    """`templates` by their id, each with the words and the version that are in force here."""
    wanted = {template.id: template for template in templates}
    rows = await database.rows(
        f"SELECT t.template, version, body, author FROM text_template t JOIN {listed(database, 1, template='text')}"
        " ON t.template = r.template WHERE state = 'approved' ORDER BY version",
        as_json({"template": template} for template in sorted(wanted)),
    )
    chosen: dict[str, Row] = {}
    for row in rows:
        template = wanted[str(row["template"])]
        is_ours = row["author"] == PROGRAM
        if is_ours and (row["body"] != template.body or _is_a_persons(chosen.get(template.id))):
            continue
        if is_ours or _has_values_of(template, str(row["body"])):
            chosen[template.id] = row
    return {
        id: replace(template, body=str(chosen[id]["body"]), version=as_int(chosen[id]["version"]))
        if id in chosen
        else template
        for id, template in wanted.items()
    }


async def worded(database: Database, template: Template) -> Template:
    """`template` as it is worded here."""
    return (await in_force(database, (template,)))[template.id]


class Wordings:
    """The wordings that messages were made of, for who must know them without a database at hand."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Wording] = {}

    async def learn(self, database: Database, made_of: Collection[tuple[str, int]]) -> None:
        """Reads those that are not known yet. A version never changes, so what is known stays true."""
        unknown = set(made_of) - self._known.keys()
        if not unknown:
            return
        rows = await database.rows(
            "SELECT t.template, t.version, body, registrations FROM text_template t"
            f" JOIN {listed(database, 1, template='text', version='int')}"
            " ON t.template = r.template AND t.version = r.version",
            as_json({"template": template, "version": version} for template, version in sorted(unknown)),
        )
        # Words that nobody wrote down, such as an operator's own, are asked for once.
        self._known |= dict.fromkeys(unknown, Wording("", {}))
        for row in rows:
            registered = msgspec.json.decode(str(row["registrations"]), type=dict[str, str])
            self._known[str(row["template"]), as_int(row["version"])] = Wording(str(row["body"]), registered)

    def of(self, template: str, version: int) -> Wording:
        return self._known.get((template, version), _UNKNOWN)


async def versions(database: Database, template: str = "") -> list[Version]:
    """Every version of `template`, or of all, newest first."""
    where, values = ("WHERE template = $1", [template]) if template else ("", [])
    rows = await database.rows(f"SELECT * FROM text_template {where} ORDER BY template, version DESC", *values)
    # What a later program no longer says is not worded any more.
    rows = [row for row in rows if row["template"] in BY_ID]
    current = await in_force(database, {BY_ID[str(row["template"])] for row in rows})
    return [_version(row, current[str(row["template"])]) for row in rows]


# ------------------------------------------------------------------------------------------------------------ below

_UNKNOWN = Wording("", {})


def _is_a_persons(row: Row | None) -> bool:
    return row is not None and row["author"] != PROGRAM


def _has_values_of(template: Template, body: str) -> bool:
    return set(replace(template, body=body).names) == set(template.names)


def _version(row: Row, current: Template) -> Version:
    state = TemplateState(str(row["state"]))
    template = replace(current, body=str(row["body"]), version=as_int(row["version"]))
    return Version(
        template=template,
        state=state,
        is_in_force=state is TemplateState.APPROVED and template.version == current.version,
        registered=msgspec.json.decode(str(row["registrations"]), type=dict[str, str]),
        reason=str(row["reason"]),
        author=str(row["author"]),
        proposed_at=instant_of(row["proposed_at"]),
        decided_by=str(row["decided_by"]) or None,
        decided_at=instant(row["decided_at"]),
        opinion=str(row["opinion"]),
        evidence=str(row["signature"]) or None,
    )
