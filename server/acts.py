"""The table of acts: everything that can be done here, by whom, and how sure the office must be.

One screen, one row per act: act, use-case, who may, assurance. A door that needs a new ability gets a new row, never
a rule of its own.
"""

from alerts import by_hand, dead_letters, digests, retention, rewording, wordings
from casework import acts as case_acts
from casework import files
from casework.archive import acts as archive_acts
from casework.catalogue import acts as change_acts
from casework.catalogue import change_control, proposals, publishing, verdicts
from casework.catalogue.permissions import drafter, may_see_change, officer_of_the_step
from casework.clock import acts as clock_acts
from casework.clock import calendar_import, calendars, extensions, hearings, silence, stoppages
from casework.flow import acts as flow_acts
from casework.flow import cases, delegations, packages, urging
from casework.intake import acts as intake_acts
from casework.intake import corrections, fees, filing, foreign, papers, pre_review, uploads
from casework.licences import acts as licence_acts
from casework.licences import changes, library, reviews, tending
from casework.licences.permissions import (
    may_change_licence,
    may_end_licence,
    may_look_up,
    may_review_licence,
    may_view_licence,
)
from casework.papers import acts as paper_acts
from casework.papers import by_password, printing, templates
from casework.permissions import (
    handler_of_the_case,
    head_who_may_extend,
    holder_of_the_task,
    keeper_of_the_papers,
    may_ask_hearing,
    may_file,
    may_file_package,
    may_see,
    reviewer_of_the_case,
    window_clerk,
)
from certs import acts as cert_acts
from certs import enrolment, evidence, login, revocation
from ferry import orders as ferry_orders
from ferry import reconciling
from ferry.exchange import acts as exchange_acts
from ferry.exchange import cases as exchange_cases
from ferry.exchange import days, holding, intake, senders
from ferry.zones import logins, refused
from hall import accounts, announcements, consultations, own_cases, progress, ratings
from kernel.actor import Assurance, Role
from kernel.directory import EnterDirectory, enter_directory
from kernel.office import Rule
from kernel.permissions import any_officer, anybody, role, the_system
from kernel.retention import ForgetAnswers, forget_answers
from server.archive.filing import archive_cases
from sms.orders import AskCarrier, ask_carrier
from sms.retention import StrikeOutInbound, strike_out_inbound
from supervision import acts as card_acts
from supervision import cards, complaints, coverage, orders, refused_texts, reminders, sweep

NONE, SESSION, SMS_CODE, CERTIFICATE, SYSTEM = (
    Assurance.NONE,
    Assurance.SESSION,
    Assurance.SMS_CODE,
    Assurance.CERTIFICATE,
    Assurance.SYSTEM,
)

#: Who may urge: those who answer for the work of others, and the window that the applicant asks.
urging_officer = role(
    Role.WINDOW_CLERK,
    Role.SECTION_HEAD,
    Role.DEPUTY_LEADER,
    Role.UNIT_HEAD,
    Role.SERVICE_CENTRE,
    Role.SUPERVISOR,
    Role.SUPERVISION_LEADER,
    Role.EFFICIENCY_OFFICE,
)
ra_operator = role(Role.RA_OPERATOR)
supervisor = role(Role.SUPERVISOR)
supervision_leader = role(Role.SUPERVISION_LEADER)
legal_office = role(Role.LEGAL_OFFICE)
proposer_of_texts = role(Role.INFORMATION_CENTRE, Role.SERVICE_CENTRE, Role.SUPERVISOR)
drafter_of_papers = role(Role.LEGAL_OFFICE, Role.REFORM_OFFICE, Role.SERVICE_CENTRE)

RULES = (
    # the directory and the calendar
    Rule(EnterDirectory, enter_directory, the_system, SYSTEM),
    Rule(ForgetAnswers, forget_answers, the_system, SYSTEM),
    Rule(case_acts.FillCalendar, calendars.fill_calendar, the_system, SYSTEM),
    Rule(case_acts.CheckCalendar, calendars.check_calendar, the_system, SYSTEM),
    # the catalogue
    Rule(case_acts.PublishItem, publishing.publish_item, the_system, SYSTEM),
    Rule(change_acts.SaveChange, proposals.save_change, drafter, SESSION),
    Rule(change_acts.DiscardChange, proposals.discard_change, drafter, SESSION),
    Rule(change_acts.PrepareChangeDecision, change_control.prepare_change_decision, officer_of_the_step, SESSION),
    Rule(change_acts.DecideChange, change_control.decide_change, officer_of_the_step, CERTIFICATE),
    Rule(change_acts.CommentOnChange, change_control.comment_on_change, anybody, NONE),
    Rule(change_acts.CheckChange, verdicts.check_change, may_see_change, SESSION),
    Rule(change_acts.BringChangesIntoEffect, change_control.bring_changes_into_effect, the_system, SYSTEM),
    # receipt and acceptance
    Rule(case_acts.FileApplication, filing.file_application, may_file, NONE),
    Rule(flow_acts.FilePackage, packages.file_package, may_file_package, NONE),
    Rule(flow_acts.QueryPackage, packages.query_package, anybody, NONE),
    Rule(case_acts.ReceiveSupplement, filing.receive_supplement, window_clerk, SESSION),
    Rule(case_acts.DeemAccepted, filing.deem_accepted, the_system, SYSTEM),
    Rule(case_acts.Withdraw, filing.withdraw, anybody, NONE),
    Rule(intake_acts.KeepUpload, uploads.keep_upload, anybody, NONE),
    Rule(intake_acts.CollectUploads, uploads.collect_uploads, the_system, SYSTEM),
    Rule(intake_acts.ReviewMaterials, pre_review.review_materials, reviewer_of_the_case | window_clerk, SESSION),
    Rule(intake_acts.RecordOriginals, pre_review.record_originals, window_clerk, SESSION),
    Rule(intake_acts.CorrectOnSpot, corrections.correct_on_spot, window_clerk, SESSION),
    Rule(intake_acts.HandOverPapers, papers.hand_over, keeper_of_the_papers, SESSION),
    Rule(intake_acts.ConfirmPapers, papers.confirm, keeper_of_the_papers, SESSION),
    Rule(intake_acts.WaivePapers, papers.waive, keeper_of_the_papers, SESSION),
    Rule(intake_acts.EnterFee, fees.enter_fee, window_clerk, SESSION),
    Rule(intake_acts.ChargeUnlisted, fees.charge_unlisted, window_clerk, SESSION),
    Rule(intake_acts.SettleBill, fees.settle_bill, window_clerk, SESSION),
    # the approval flow
    Rule(case_acts.PrepareDecision, cases.prepare_decision, holder_of_the_task, SESSION),
    Rule(case_acts.Decide, cases.decide, holder_of_the_task, CERTIFICATE),
    Rule(flow_acts.Urge, urging.urge, urging_officer & may_see, SESSION),
    Rule(flow_acts.PrepareDelegation, delegations.prepare_delegation, delegations.may_delegate, SESSION),
    Rule(flow_acts.Delegate, delegations.delegate, delegations.may_delegate, CERTIFICATE),
    Rule(flow_acts.RevokeDelegation, delegations.revoke_delegation, delegations.may_revoke, SESSION),
    Rule(case_acts.ViewCase, files.view_case, (any_officer & may_see) | the_system, SESSION),
    # licences and archives
    Rule(licence_acts.LookUpLicences, library.look_up, may_look_up, SESSION),
    Rule(licence_acts.ViewLicence, library.view_licence, may_view_licence, SESSION),
    Rule(licence_acts.CheckLicence, library.check_licence, anybody, NONE),
    Rule(licence_acts.PrepareLicenceChange, changes.prepare_change, may_change_licence, SESSION),
    Rule(licence_acts.ChangeLicence, changes.change_licence, may_change_licence, CERTIFICATE),
    Rule(licence_acts.PrepareLicenceEnd, changes.prepare_end, may_end_licence, SESSION),
    Rule(licence_acts.EndLicence, changes.end_licence, may_end_licence, CERTIFICATE),
    Rule(licence_acts.RecordAnnualReview, reviews.record_annual_review, may_review_licence, SESSION),
    Rule(licence_acts.TendLicences, tending.tend_licences, the_system, SYSTEM),
    Rule(archive_acts.ArchiveCases, archive_cases, the_system, SYSTEM),
    # legal time
    Rule(case_acts.StopClock, stoppages.stop_clock, handler_of_the_case, SESSION),
    Rule(clock_acts.TellLonger, stoppages.tell_longer, handler_of_the_case, SESSION),
    Rule(case_acts.ResumeClock, stoppages.resume_clock, handler_of_the_case, SESSION),
    Rule(clock_acts.NoteOverruns, stoppages.note_overruns, the_system, SYSTEM),
    Rule(clock_acts.PrepareExtension, extensions.prepare_extension, head_who_may_extend, SESSION),
    Rule(case_acts.ExtendClock, extensions.extend_clock, head_who_may_extend, CERTIFICATE),
    Rule(clock_acts.TellHearingRight, hearings.tell_hearing_right, handler_of_the_case, SESSION),
    Rule(clock_acts.AskHearing, hearings.ask_hearing, may_ask_hearing, NONE),
    Rule(clock_acts.AnnounceHearing, hearings.announce_hearing, handler_of_the_case, SESSION),
    Rule(clock_acts.HoldHearing, hearings.hold_hearing, handler_of_the_case, SESSION),
    Rule(clock_acts.TurnHearingLights, hearings.turn_hearing_lights, the_system, SYSTEM),
    Rule(clock_acts.DeemRenewed, silence.deem_renewed, the_system, SYSTEM),
    Rule(clock_acts.ImportCalendar, calendar_import.import_calendar, the_system, SYSTEM),
    Rule(clock_acts.ReprojectDeadlines, calendar_import.reproject, the_system, SYSTEM),
    # documents
    Rule(paper_acts.EnterTemplates, templates.enter_templates, the_system, SYSTEM),
    Rule(paper_acts.DraftTemplate, templates.draft_template, drafter_of_papers, SESSION),
    Rule(paper_acts.PrepareTemplateDecision, templates.prepare_template_decision, legal_office, SESSION),
    Rule(paper_acts.DecideTemplate, templates.decide_template, legal_office, CERTIFICATE),
    Rule(paper_acts.KeepPrint, printing.keep_print, the_system, SYSTEM),
    Rule(paper_acts.OpenDocuments, by_password.open_documents, anybody, NONE),
    Rule(paper_acts.ViewByPassword, by_password.view_by_password, by_password.opened_by_password, NONE),
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
    Rule(card_acts.AcknowledgeCard, cards.acknowledge_card, cards.officer_or_text, SESSION),
    Rule(card_acts.NoteRefusedText, refused_texts.note_refused_text, anybody, SMS_CODE),
    Rule(card_acts.PrepareCardDecision, cards.prepare_card_decision, supervision_leader, SESSION),
    Rule(card_acts.DecideCard, cards.decide_card, supervision_leader, CERTIFICATE),
    # messages
    Rule(digests.ReleaseHeld, digests.release_held, the_system, SYSTEM),
    Rule(dead_letters.FollowUpUndelivered, dead_letters.follow_up_undelivered, the_system, SYSTEM),
    Rule(retention.StrikeOutTexts, retention.strike_out_texts, the_system, SYSTEM),
    Rule(StrikeOutInbound, strike_out_inbound, the_system, SYSTEM),
    # the public
    Rule(progress.QueryProgress, progress.query_progress, anybody, NONE),
    Rule(accounts.RequestLoginCode, accounts.request_login_code, anybody, NONE),
    Rule(accounts.LogInByCode, accounts.log_in_by_code, anybody, NONE),
    Rule(accounts.ForgetLoginCodes, accounts.forget_login_codes, the_system, SYSTEM),
    Rule(ratings.RateCase, ratings.rate_case, ratings.applicant_or_text, SESSION),
    Rule(own_cases.ViewOwnCase, own_cases.view_own_case, own_cases.applicant_of_the_case, SESSION),
    Rule(consultations.AskQuestion, consultations.ask_question, anybody, NONE),
    Rule(consultations.AnswerQuestion, consultations.answer_question, consultations.officer_asked, SESSION),
    Rule(consultations.ReadAnswer, consultations.read_answer, anybody, NONE),
    Rule(consultations.CallOverdueAnswers, consultations.call_overdue_answers, the_system, SYSTEM),
    Rule(announcements.DraftAnnouncement, announcements.draft_announcement, any_officer, SESSION),
    Rule(
        announcements.PrepareAnnouncementStep,
        announcements.prepare_announcement_step,
        announcements.whose_step,
        SESSION,
    ),
    Rule(
        announcements.TakeAnnouncementStep, announcements.take_announcement_step, announcements.whose_step, CERTIFICATE
    ),
    Rule(complaints.FileComplaint, complaints.file_complaint, anybody, NONE),
    Rule(complaints.DecideComplaint, complaints.decide_complaint, supervisor | supervision_leader, SESSION),
    Rule(complaints.QueryComplaint, complaints.query_complaint, anybody, NONE),
    Rule(coverage.RegisterExemption, coverage.register_exemption, the_system, SYSTEM),
    # the exchange of case data
    Rule(exchange_acts.AddSender, senders.add_sender, the_system, SYSTEM),
    Rule(exchange_acts.RevokeSender, senders.revoke_sender, the_system, SYSTEM),
    Rule(exchange_acts.ImportBatch, intake.import_batch, the_system, SYSTEM),
    Rule(exchange_acts.ImportPart, intake.import_part, the_system, SYSTEM),
    Rule(exchange_acts.ReleaseHeldRows, holding.release_held_rows, the_system, SYSTEM),
    Rule(exchange_acts.TurnReportedLights, exchange_cases.turn_reported_lights, the_system, SYSTEM),
    Rule(exchange_acts.WatchDays, days.watch_days, the_system, SYSTEM),
    # texts, by hand
    Rule(by_hand.SendText, by_hand.send_text, the_system, SYSTEM),
    Rule(by_hand.ResendTexts, by_hand.resend_texts, the_system, SYSTEM),
    Rule(by_hand.ViewText, by_hand.view_text, the_system, SYSTEM),
    Rule(AskCarrier, ask_carrier, the_system, SYSTEM),
    # the data ferry
    Rule(ferry_orders.MakeFerryKeys, ferry_orders.make_ferry_keys, the_system, SYSTEM),
    Rule(ferry_orders.TakeFerryCertificate, ferry_orders.take_ferry_certificate, the_system, SYSTEM),
    Rule(ferry_orders.PinPeer, ferry_orders.pin_peer, the_system, SYSTEM),
    Rule(ferry_orders.OrderFerry, ferry_orders.order_ferry, the_system, SYSTEM),
    Rule(ferry_orders.TendFerryKeys, ferry_orders.tend_ferry_keys, the_system, SYSTEM),
    Rule(reconciling.ReconcileFerry, reconciling.reconcile_ferry, the_system, SYSTEM),
    Rule(logins.NoteLogin, logins.note_login, anybody, NONE),
    Rule(refused.NoteForeignAct, refused.note_foreign_act, the_system, SYSTEM),
    Rule(refused.ForgetRelayedActs, refused.forget_relayed_acts, the_system, SYSTEM),
    # the wording of texts
    Rule(wordings.EnterTextTemplates, wordings.enter_text_templates, the_system, SYSTEM),
    Rule(rewording.ProposeTextTemplate, rewording.propose_text_template, proposer_of_texts, SESSION),
    Rule(rewording.PrepareTextTemplateDecision, rewording.prepare_text_template_decision, legal_office, SESSION),
    Rule(rewording.DecideTextTemplate, rewording.decide_text_template, legal_office, CERTIFICATE),
    # certificates
    Rule(cert_acts.RequestEnrolment, enrolment.request_enrolment, anybody, NONE),
    Rule(cert_acts.SubmitCsr, enrolment.submit_csr, anybody, NONE),
    Rule(cert_acts.ViewEnrolment, enrolment.view_enrolment, anybody, NONE),
    Rule(cert_acts.CheckIdentity, enrolment.check_identity, ra_operator | the_system, SESSION),
    Rule(cert_acts.ApproveEnrolment, enrolment.approve_enrolment, ra_operator | the_system, SESSION),
    Rule(cert_acts.RejectEnrolment, enrolment.reject_enrolment, ra_operator | the_system, SESSION),
    Rule(cert_acts.RevokeCertificate, revocation.revoke_certificate, ra_operator | the_system, SESSION),
    Rule(cert_acts.PublishRevocationList, revocation.publish_revocation_list, the_system, SYSTEM),
    Rule(cert_acts.AttestEvidence, evidence.attest_evidence, the_system, SYSTEM),
    Rule(cert_acts.PruneRequests, login.prune_requests, the_system, SYSTEM),
    Rule(cert_acts.BeginLogin, login.begin_login, anybody, NONE),
    Rule(cert_acts.FinishLogin, login.finish_login, anybody, NONE),
)
