"""In which words a text from a person is answered, and under which outcome it is kept."""

from collections.abc import Mapping

from msgspec import Struct

from alerts.settings import AlertRules
from alerts.templates import EXPLANATION, PROGRESS_WITHOUT_LIMIT, TEMPLATES
from alerts.texts import Template
from casework.clock.working_days import CHINA
from hall.progress import ProgressView
from hall.ratings import RatingView
from kernel.refusals import Refusal
from supervision.acts import CardState, CardView
from supervision.complaints import ComplaintState, ComplaintView


class Answer(Struct, frozen=True):
    """What is said back, and what the log says. No template: nothing is said."""

    outcome: str
    template: Template | None = None
    variables: Mapping[str, str] = {}


Shown = CardView | RatingView | ProgressView | ComplaintView


def in_words(view: Shown, rules: AlertRules) -> Answer:
    match view:
        case CardView():
            return _card(view, rules)
        case RatingView():
            said = {"no": view.case, "n": str(view.score), "ev": view.evidence, "tel": rules.service_phone}
            return Answer("rating", TEMPLATES["T37"], said)
        case ComplaintView():
            return _complaint(view)
    return _progress(view)


def refused(refusal: Refusal, rules: AlertRules) -> Answer:
    return Answer(refusal.code, EXPLANATION, {"refusal": refusal.text, "tel": rules.service_phone})


def not_understood(rules: AlertRules, outcome: str = "HELP") -> Answer:
    return Answer(outcome, TEMPLATES["T19"], {"tel": rules.service_phone})


def commands(rules: AlertRules) -> Answer:
    return Answer("COMMANDS", TEMPLATES["T36"], {"tel": rules.service_phone})


def silent(answer: Answer) -> Answer:
    return Answer(answer.outcome)


def _card(card: CardView, rules: AlertRules) -> Answer:
    at = card.acknowledged_at or card.decided_at
    local = at.astimezone(CHINA) if at else None
    done = "不同意发牌" if card.state is CardState.REJECTED else "确认发牌"
    return Answer(
        "card",
        TEMPLATES["T07"],
        {
            "cno": card.number or card.id,
            "time": f"{local.month}月{local.day}日{local:%H:%M}" if local else "本日",
            "act": "签收" if card.acknowledged_at else done,
            "ev": card.evidence,
            "tel": rules.service_phone,
        },
    )


def _progress(view: ProgressView) -> Answer:
    said = {"no": view.number, "item": view.item, "step": view.step, "st": view.status, "dept": view.unit}
    if view.due_on is None or view.days_left is None:
        return Answer("progress", PROGRESS_WITHOUT_LIMIT, said)
    due = f"{view.due_on.month}月{view.due_on.day}日"
    if view.days_left < 0:
        said["st"] = "已超期"
    return Answer("progress", TEMPLATES["T16"], {**said, "date": due, "left": str(max(0, view.days_left))})


_COMPLAINT_STEPS = {
    ComplaintState.REGISTERED: ("登记", "待决定受理"),
    ComplaintState.ACCEPTED: ("办理", "已受理"),
    ComplaintState.REFUSED: ("办结", "不予受理"),
}


def _complaint(view: ComplaintView) -> Answer:
    step, state = _COMPLAINT_STEPS[view.state]
    return Answer(
        "progress",
        PROGRESS_WITHOUT_LIMIT,
        {"no": view.number, "item": "投诉举报", "step": step, "st": state, "dept": "监察机关"},
    )
