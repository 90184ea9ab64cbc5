"""Texts that were refused: sealed and logged also where no act could keep that.

A refusal that a use-case returns keeps the evidence and its event; one that is raised undoes them with everything else
(a race was lost, an authority is missing), and a phone that has tried too many codes is not let at an act at all.
"""

from kernel.acts import Done
from kernel.work import Work
from supervision.acts import NoteRefusedText
from supervision.events import CardReplyRefused
from supervision.reply_codes import masked


async def note_refused_text(work: Work, act: NoteRefusedText) -> Done:
    """The text itself is the act's proof, so it is sealed by now."""
    work.record(
        CardReplyRefused(
            phone=masked(work.actor.phone or ""),
            why=act.why,
            evidence=work.assured.evidence or "",
            unit=work.actor.unit or "",
        )
    )
    return Done()
