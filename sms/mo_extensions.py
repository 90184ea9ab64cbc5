"""What an answer is about, by the number it was sent to: an answer to extension N answers request N of that phone.

The first line that fits:

    no request of this phone left from this number, or two    the code alone says it
    a rating of a card, an answer about a card to a rating    the code alone says it
    no code, or the request's own                             that request
    the code of another request of this phone                 unclear: number and code contradict each other
    the request's code with one slip of the finger            that request
    any other code                                            a wrong code, and counted as one

Where the code alone says it and there is none, the answer is unclear, too. What is unclear is asked again and does
nothing. Pure.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from alerts.extensions import Named
from hall.ratings import PURPOSE as RATING
from kernel.chance import Secrets
from sms.commands import Decision, Rate, is_slip

Answering = Decision | Rate


def resolved(command: Answering, receiver: str, asked: Sequence[Named], secrets: Secrets) -> Answering | None:
    """`command` with the code it must mean; None when that is unclear. `asked`: what the sender was asked before."""
    here = [each for each in asked if receiver.endswith(each.extension)]
    if len(here) != 1 or (here[0].code.purpose == RATING) != isinstance(command, Rate):
        return command if command.code else None
    meant = _code_of(here[0], secrets)
    if command.code in ("", meant):
        return replace(command, code=meant)
    if command.code in {_code_of(each, secrets) for each in asked if each is not here[0]}:
        return None
    return replace(command, code=meant) if is_slip(command.code, meant) else command


def _code_of(request: Named, secrets: Secrets) -> str:
    return secrets.derived_code(request.code.purpose, request.code.value, request.code.digits)
