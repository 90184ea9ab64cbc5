"""What a deployment decides about its messages, with the reason for each default."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from alerts.texts import MessageClass
from casework.clock.working_days import CHINA


@dataclass(frozen=True, kw_only=True)
class AlertRules:
    #: The signature registered with the carriers; every text begins with it, in 【】.
    signature: str
    #: Whom to ring, in every answer that refuses.
    service_phone: str
    #: Where applicants collect what was granted.
    hall_place: str = "政务大厅"
    #: E-mail repeats what officers get by text, except codes. Off until a mail server is named.
    mail: bool = False
    #: Local time. Outside it the quiet classes wait for the morning; equal times switch it off.
    quiet_from: time = time(21)
    quiet_until: time = time(8)
    #: Warnings and answers never wait; approval information may be wanted in the evening.
    quiet_classes: frozenset[MessageClass] = frozenset({MessageClass.NOTICE})
    #: The officer on duty, told when a carrier is down or a grave text fails; empty: nobody is.
    duty_phone: str = ""
    duty_email: str = ""
    #: So long a carrier may be down or failing before the officer on duty hears of it; links break for seconds.
    alarm_after: timedelta = timedelta(seconds=60)
    #: An urgent text that waits longer, although a carrier is up, is told to the officer on duty.
    urgent_within: timedelta = timedelta(seconds=120)
    #: The carriers' own limit: beyond it they refuse one template to one phone for the rest of the span.
    same_template_most: int = 50
    same_template_within: timedelta = timedelta(hours=24)
    #: Whoever gets more to-dos than this within the span reads about the others in one text.
    digest_over: int = 5
    digest_within: timedelta = timedelta(minutes=10)
    #: How many digits the access numbers leave for an extension by which an answer is known; 0: none, as by default,
    #: for a carrier that did not grant them refuses the text. `access_numbers`: ours, as far as settings know them.
    extension_digits: int = 0
    access_numbers: tuple[str, ...] = ()
    #: A receipt is waited for so long after a text's life; then it ends as unreported. Carriers' own retries are over.
    receipt_grace: timedelta = timedelta(hours=24)
    #: A message nobody could deliver for this long is news no more.
    valid_for: timedelta = timedelta(days=3)
    #: How long words and numbers are kept, by period (alerts/retention.py): what the law had told, what somebody may
    #: ask about, and login codes.
    keep_years: int = 10
    keep_days: int = 90
    keep_code_days: int = 7
    #: Working days to appeal against a card (no law gives a number; the public measures say three).
    appeal_working_days: int = 3
    #: Whether people are told that a changed calendar moved a due date: later, earlier.
    tell_later: bool = True
    tell_earlier: bool = True

    def send_after(self, now: datetime, message_class: MessageClass) -> datetime:
        """`now`, or the end of the quiet hours."""
        if message_class not in self.quiet_classes:
            return now
        return self.quiet_end(now) or now

    def quiet_end(self, now: datetime) -> datetime | None:
        """When the quiet hours end that `now` is in; None outside them."""
        local = now.astimezone(CHINA)
        at = local.time()
        over_midnight = self.quiet_from > self.quiet_until
        is_quiet = (
            at >= self.quiet_from or at < self.quiet_until
            if over_midnight
            else self.quiet_from <= at < self.quiet_until
        )
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if over_midnight and at >= self.quiet_from else 0)
        return datetime.combine(day, self.quiet_until, CHINA).astimezone(now.tzinfo)
