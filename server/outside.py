"""What the outer zone does by itself. Every other act of a person is sent inside; every other act of the system is
refused there (NOT_IN_THIS_ZONE).

An act stands here if it touches nothing but what the outer zone has: its own keys, logins, uploads and texts, or
what is mirrored. What asks for a query password does not: passwords follow from the inner zone's key.
"""

from collections.abc import Callable, Mapping
from typing import Any

from alerts import by_hand, dead_letters, digests, retention, wordings
from casework import acts as case_acts
from casework.flow import acts as flow_acts
from casework.intake import acts as intake_acts
from casework.licences import acts as licence_acts
from casework.papers import acts as paper_acts
from certs import acts as cert_acts
from ferry import orders as ferry_orders
from ferry.reconciling import ReconcileFerry
from ferry.zones.refused import ForgetRelayedActs
from hall import accounts, consultations, own_cases
from kernel.acts import Act
from kernel.directory import EnterDirectory
from kernel.office import Rule
from kernel.permissions import the_system
from kernel.retention import ForgetAnswers
from sms.orders import AskCarrier
from sms.retention import StrikeOutInbound
from supervision import complaints

LOCAL_OUTSIDE: frozenset[type[Act[Any]]] = frozenset(
    (
        # who somebody is; officers are mirrored, an operator enters the two that a new pin takes
        cert_acts.BeginLogin,
        cert_acts.FinishLogin,
        cert_acts.PruneRequests,
        cert_acts.PublishRevocationList,
        accounts.RequestLoginCode,
        accounts.LogInByCode,
        accounts.ForgetLoginCodes,
        EnterDirectory,
        # what is brought, until it is filed
        intake_acts.KeepUpload,
        intake_acts.CollectUploads,
        # looking at what is mirrored
        case_acts.ViewCase,
        own_cases.ViewOwnCase,
        licence_acts.ViewLicence,
        licence_acts.CheckLicence,
        paper_acts.ViewByPassword,
        paper_acts.KeepPrint,
        # the calendar, and the program's own wordings
        case_acts.FillCalendar,
        case_acts.CheckCalendar,
        paper_acts.EnterTemplates,
        wordings.EnterTextTemplates,
        # texts
        digests.ReleaseHeld,
        dead_letters.FollowUpUndelivered,
        retention.StrikeOutTexts,
        StrikeOutInbound,
        by_hand.SendText,
        by_hand.ResendTexts,
        by_hand.ViewText,
        AskCarrier,
        # the ferry, and what is forgotten
        ferry_orders.MakeFerryKeys,
        ferry_orders.TakeFerryCertificate,
        ferry_orders.PinPeer,
        ferry_orders.OrderFerry,
        ferry_orders.TendFerryKeys,
        ReconcileFerry,
        ForgetRelayedActs,
        ForgetAnswers,
    )
)
#: What comes of these has a number and a query password; they go by the lane of cases, with their files.
FILING: frozenset[type[Act[Any]]] = frozenset(
    (case_acts.FileApplication, flow_acts.FilePackage, consultations.AskQuestion, complaints.FileComplaint)
)

#: What a phone that saw such a view does next outside needs: an officer's certificate, to log in.
SHOWS: Mapping[type[Act[Any]], Callable[[Any], str]] = {
    cert_acts.ViewEnrolment: lambda view: f"officer:{view.officer}",
}

#: Root fields of the graph that show what is not mirrored.
INSIDE_ONLY = frozenset(("complaints", "smsBill", "waitingEnrolments"))


def crossing(rules: tuple[Rule, ...]) -> Mapping[str, type[Act[Any]]]:
    """By tag, what may be asked from outside: acts of people that are not performed there."""
    people = (rule.act for rule in rules if rule.may is not the_system)
    return {str(act.__struct_config__.tag): act for act in people if act not in LOCAL_OUTSIDE}
