"""Settings, as the packages below want them: each package has its own frozen value and knows no other."""

from datetime import timedelta

from alerts.mail import MailServer
from alerts.settings import AlertRules
from alerts.texts import MessageClass
from casework.catalogue.definitions import Grade, ItemClass
from casework.clock.time_limits import DaysUnit
from casework.rules import CaseworkRules
from certs.settings import CertSettings
from hall.rules import HallRules
from mobile_api.services import Limits
from server.ferry_answers import texts_codes
from server.outside import INSIDE_ONLY
from server.settings import Settings
from sms.inbound import InboxRules
from supervision.rules import SupervisionRules


def casework_rules(settings: Settings) -> CaseworkRules:
    chosen, catalogue = settings.casework, settings.catalogue
    return CaseworkRules(
        hall_unit=chosen.hall_unit,
        item_code_pattern=chosen.item_code_pattern,
        same_person_adjacent=chosen.same_person_adjacent,
        public_url=settings.http.public_url,
        hearing_days_unit=DaysUnit(chosen.hearing_days),
        renewal_days_unit=DaysUnit(chosen.renewal_days),
        urge_every_hours=chosen.urge_every_hours,
        latest_entry_days=chosen.latest_entry_days,
        unfiled_upload_life=timedelta(hours=chosen.unfiled_upload_hours),
        class_names={
            ItemClass.PERMIT: catalogue.permit_name,
            ItemClass.APPROVAL: catalogue.approval_name,
            ItemClass.SERVICE: catalogue.service_name,
        },
        grade_names={
            Grade.A: catalogue.grade_a,
            Grade.B: catalogue.grade_b,
            Grade.C: catalogue.grade_c,
            Grade.D: catalogue.grade_d,
        },
        deferred_grades=tuple(map(Grade, catalogue.deferred_grades)),
        compression_target=catalogue.compression_percent / 100,
        notice_working_days=catalogue.notice_working_days,
    )


def hall_rules(settings: Settings) -> HallRules:
    return HallRules(
        answer_limit_days=settings.casework.answer_limit_days,
        rating_life=timedelta(days=settings.casework.rating_days),
    )


def cert_settings(settings: Settings) -> CertSettings:
    public = settings.http.public_url
    return CertSettings(
        organisation=settings.certs.organisation,
        audience=public,
        crl_url=f"{public}/pki/issuing.crl",
        token_life=timedelta(minutes=settings.certs.token_minutes),
        two_persons=settings.certs.two_persons,
    )


def supervision_rules(settings: Settings) -> SupervisionRules:
    chosen = settings.supervision
    return SupervisionRules(
        supervision_unit=chosen.supervision_unit,
        code_validity=timedelta(hours=chosen.card_code_hours),
        code_tries=chosen.card_code_tries,
        texts_codes=texts_codes(settings),
        remind_after=timedelta(hours=chosen.proposal_reminder_hours),
    )


def alert_rules(settings: Settings) -> AlertRules:
    chosen = settings.alerts
    return AlertRules(
        signature=chosen.signature,
        service_phone=chosen.service_phone,
        hall_place=chosen.hall_place,
        mail=settings.mail.enabled,
        duty_phone=chosen.duty_phone,
        duty_email=chosen.duty_email,
        alarm_after=timedelta(seconds=chosen.carrier_alarm_seconds),
        receipt_grace=timedelta(hours=chosen.receipt_grace_hours),
        urgent_within=timedelta(seconds=chosen.urgent_alarm_seconds),
        extension_digits=chosen.reply_extension_digits,
        access_numbers=_access_numbers(settings),
        same_template_most=chosen.same_template_per_day,
        digest_over=chosen.digest_over,
        quiet_classes=frozenset(map(MessageClass, chosen.quiet_classes)),
        quiet_from=chosen.quiet_from,
        quiet_until=chosen.quiet_until,
        keep_years=chosen.keep_years,
        keep_days=chosen.keep_days,
        keep_code_days=chosen.keep_code_days,
        appeal_working_days=chosen.appeal_working_days,
        tell_later=chosen.moved_dates in ("both", "later"),
        tell_earlier=chosen.moved_dates in ("both", "earlier"),
    )


def _access_numbers(settings: Settings) -> tuple[str, ...]:
    """The numbers people answer to, each as its kind of carrier spells it; some do not say."""
    spelt = [
        "".join(str(getattr(carrier, name, "")) for name in ("source_address", "access_number", "add_serial"))
        for carrier in settings.sms.carriers
    ]
    return tuple(filter(None, spelt))


def api_limits(settings: Settings) -> Limits:
    chosen = settings.api
    return Limits(
        depth=chosen.max_depth,
        aliases=chosen.max_aliases,
        tokens=chosen.max_tokens,
        body_octets=chosen.max_body_octets,
        per_officer=f"{chosen.requests_per_minute}/minute",
        per_address=f"{chosen.requests_per_address}/minute",
        anonymous_acts=f"{chosen.strangers_per_minute}/minute",
        absent=INSIDE_ONLY if settings.ferry.zone == "outer" else frozenset(),
    )


def mail_server(settings: Settings) -> MailServer:
    chosen = settings.mail
    return MailServer(
        host=chosen.host,
        port=chosen.port,
        sender=chosen.sender,
        username=chosen.username,
        password=chosen.password.get_secret_value(),
        start_tls=chosen.start_tls,
        ca_file=chosen.ca_file,
    )


def inbox_rules(settings: Settings) -> InboxRules:
    return InboxRules(queries_per_day=settings.casework.queries_per_day)
