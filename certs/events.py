"""What happened to keys and certificates. Chained per holder, so the RA's own log is tamper-evident."""

from typing import ClassVar

from kernel.events import Event


class AboutOfficer(Event, frozen=True):
    about: ClassVar[str] = "officer"
    officer: str


class EnrolmentRequested(AboutOfficer, frozen=True, tag="certs.enrolment_requested"):
    enrolment: str
    device: str
    check_code: str


class PossessionProved(AboutOfficer, frozen=True, tag="certs.possession_proved"):
    enrolment: str


class IdentityChecked(AboutOfficer, frozen=True, tag="certs.identity_checked"):
    enrolment: str


class EnrolmentRejected(AboutOfficer, frozen=True, tag="certs.enrolment_rejected"):
    enrolment: str
    reason: str


class OfficerEnrolled(AboutOfficer, frozen=True, tag="certs.officer_enrolled"):
    """A certificate was issued. `serial` in hex."""

    enrolment: str
    device: str
    serial: str


class CertificateRevoked(AboutOfficer, frozen=True, tag="certs.certificate_revoked"):
    serial: str
    reason: str


class SealRevoked(Event, frozen=True, tag="certs.seal_revoked"):
    """A unit's seal certificate, or the server's evidence certificate (unit "server")."""

    about: ClassVar[str] = "unit"
    unit: str
    serial: str
    reason: str


class EvidenceViewed(Event, frozen=True, tag="certs.evidence_viewed"):
    """A sealed text was shown, exported or verified in place; `sha256` of the record that was signed for it."""

    about: ClassVar[str] = "evidence"
    evidence: str
    what: str
    sha256: str


class OfficerLoggedIn(AboutOfficer, frozen=True, tag="certs.officer_logged_in"):
    serial: str


EVENTS: tuple[type[Event], ...] = (
    EnrolmentRequested,
    PossessionProved,
    IdentityChecked,
    EnrolmentRejected,
    OfficerEnrolled,
    CertificateRevoked,
    SealRevoked,
    EvidenceViewed,
    OfficerLoggedIn,
)
