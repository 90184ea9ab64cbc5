"""The table of acts: everything that can be done here, by whom, and how sure the office must be.

One screen, one row per act: act, use-case, who may, assurance. A door that needs a new ability gets a new row, never
a rule of its own.
"""

from casework import acts as case_acts
from casework import files
from casework.catalogue import publishing
from casework.clock import calendars, clocks
from casework.flow import cases
from casework.intake import filing, foreign
from casework.permissions import (
    handler_of_the_case,
    head_of_the_authority,
    holder_of_the_task,
    may_file,
    may_see,
    window_clerk,
)
from certs import acts as cert_acts
from certs import enrolment, login, revocation
from hall import progress
from kernel.actor import Assurance, Role
from kernel.directory import EnterDirectory, enter_directory
from kernel.office import Rule
from kernel.permissions import any_officer, anybody, role, the_system
from kernel.retention import ForgetAnswers, forget_answers
from supervision import acts as card_acts
from supervision import cards, orders, reminders, sweep

NONE, SESSION, SMS_CODE, CERTIFICATE, SYSTEM = (
    Assurance.NONE,
    Assurance.SESSION,
    Assurance.SMS_CODE,
    Assurance.CERTIFICATE,
    Assurance.SYSTEM,
)

reform_office = role(Role.REFORM_OFFICE)
ra_operator = role(Role.RA_OPERATOR)
supervisor = role(Role.SUPERVISOR)
supervision_leader = role(Role.SUPERVISION_LEADER)

RULES = (
    # the directory and the calendar
    Rule(EnterDirectory, enter_directory, the_system, SYSTEM),
    Rule(ForgetAnswers, forget_answers, the_system, SYSTEM),
    Rule(case_acts.FillCalendar, calendars.fill_calendar, the_system, SYSTEM),
    Rule(case_acts.CheckCalendar, calendars.check_calendar, the_system, SYSTEM),
    # the catalogue
    Rule(case_acts.PublishItem, publishing.publish_item, reform_office | the_system, SESSION),
    Rule(case_acts.RetireItem, publishing.retire_item, reform_office | the_system, SESSION),
    # receipt and acceptance
    Rule(case_acts.FileApplication, filing.file_application, may_file, NONE),
    Rule(case_acts.ReceiveSupplement, filing.receive_supplement, window_clerk, SESSION),
    Rule(case_acts.DeemAccepted, filing.deem_accepted, the_system, SYSTEM),
    Rule(case_acts.Withdraw, filing.withdraw, anybody, NONE),
    # the approval flow
    Rule(case_acts.PrepareDecision, cases.prepare_decision, holder_of_the_task, SESSION),
    Rule(case_acts.Decide, cases.decide, holder_of_the_task, CERTIFICATE),
    Rule(case_acts.StopClock, clocks.stop_clock, handler_of_the_case, SESSION),
    Rule(case_acts.ResumeClock, clocks.resume_clock, handler_of_the_case, SESSION),
    Rule(case_acts.ExtendClock, clocks.extend_clock, head_of_the_authority, SESSION),
    Rule(case_acts.ViewCase, files.view_case, any_officer & may_see, SESSION),
    # departments' own systems
    Rule(case_acts.ImportForeignCases, foreign.import_cases, the_system, SYSTEM),
    Rule(case_acts.ReportForeignSteps, foreign.report_steps, the_system, SYSTEM),
    # supervision
    Rule(card_acts.TurnLights, sweep.turn_lights, the_system, SYSTEM),
    Rule(card_acts.IssueOrders, orders.issue_orders, the_system, SYSTEM),
    Rule(card_acts.RemindUnconfirmed, reminders.remind_unconfirmed, the_system, SYSTEM),
    Rule(card_acts.ProposeCard, cards.propose_card, supervisor, SESSION),
    Rule(card_acts.ConfirmCard, cards.confirm_card, anybody, SMS_CODE),
    Rule(card_acts.RejectCard, cards.reject_card, anybody, SMS_CODE),
    Rule(card_acts.AcknowledgeCard, cards.acknowledge_card, any_officer, SESSION),
    Rule(card_acts.PrepareCardDecision, cards.prepare_card_decision, supervision_leader, SESSION),
    Rule(card_acts.DecideCard, cards.decide_card, supervision_leader, CERTIFICATE),
    # the public
    Rule(progress.QueryProgress, progress.query_progress, anybody, NONE),
    # certificates
    Rule(cert_acts.RequestEnrolment, enrolment.request_enrolment, anybody, NONE),
    Rule(cert_acts.SubmitCsr, enrolment.submit_csr, anybody, NONE),
    Rule(cert_acts.CheckIdentity, enrolment.check_identity, ra_operator | the_system, SESSION),
    Rule(cert_acts.ApproveEnrolment, enrolment.approve_enrolment, ra_operator | the_system, SESSION),
    Rule(cert_acts.RejectEnrolment, enrolment.reject_enrolment, ra_operator | the_system, SESSION),
    Rule(cert_acts.RevokeCertificate, revocation.revoke_certificate, ra_operator | the_system, SESSION),
    Rule(cert_acts.PublishRevocationList, revocation.publish_revocation_list, the_system, SYSTEM),
    Rule(cert_acts.PruneRequests, login.prune_requests, the_system, SYSTEM),
    Rule(cert_acts.BeginLogin, login.begin_login, anybody, NONE),
    Rule(cert_acts.FinishLogin, login.finish_login, anybody, NONE),
)
