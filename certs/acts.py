"""What can be asked of the RA and CA, and what they answer."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from certs.tables import EnrolmentState
from kernel.acts import Act, Done, SignatureFormat, View

DeviceLabel = Annotated[str, Meta(min_length=1, max_length=60)]


class RevocationReason(StrEnum):
    """Of RFC 5280 5.3.1, those that concern an officer's device."""

    KEY_COMPROMISE = "key_compromise"  # lost or stolen phone
    AFFILIATION_CHANGED = "affiliation_changed"  # moved to another unit
    SUPERSEDED = "superseded"  # a new key on the same device
    CESSATION_OF_OPERATION = "cessation_of_operation"  # left the service


class EnrolmentOpened(View, frozen=True, tag="enrolment_opened"):
    """The phone signs `to_sign` and keeps `pickup` to fetch its certificate. `check_code` is read out to the RA."""

    enrolment: str
    to_sign: bytes
    pickup: str
    check_code: str
    expires_at: datetime


class EnrolmentView(View, frozen=True, tag="enrolment"):
    """`chain`: the officer's certificate and its issuer, DER, once issued."""

    enrolment: str
    state: EnrolmentState
    officer: str
    device: str
    check_code: str
    expires_at: datetime
    reason: str = ""
    chain: tuple[bytes, ...] = ()


class ViewEnrolment(Act[EnrolmentView], frozen=True, tag="enrolment.view"):
    """The phone asks where its enrolment stands. An act, because an enrolment may be known in another zone only."""

    enrolment: str
    pickup: str


class CertificateView(View, frozen=True, tag="certificate"):
    serial: str
    holder: str
    device: str
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None
    reason: str = ""


class LoginChallengeView(View, frozen=True, tag="login_challenge"):
    """The phone signs `payload` as it is before `expires_at`."""

    nonce: str
    payload: bytes
    expires_at: datetime


class SessionView(View, frozen=True, tag="session"):
    """A session that was granted. The door turns it into a token with `Tokens.issue`: no token is ever stored."""

    id: str
    officer: str
    name: str
    certificate: str
    issued_at: datetime
    expires_at: datetime


class RequestEnrolment(Act[EnrolmentOpened], frozen=True, tag="certs.request_enrolment"):
    """`public_key`: SubjectPublicKeyInfo, DER, P-256."""

    officer: str
    device: DeviceLabel
    public_key: bytes


class SubmitCsr(Act[EnrolmentView], frozen=True, tag="certs.submit_csr"):
    enrolment: str
    signature: bytes
    format: SignatureFormat = SignatureFormat.DER


class CheckIdentity(Act[EnrolmentView], frozen=True, tag="certs.check_identity"):
    """The RA operator has seen the person, the check code and `document` ("身份证原件")."""

    enrolment: str
    document: Annotated[str, Meta(min_length=1, max_length=60)]


class ApproveEnrolment(Act[EnrolmentView], frozen=True, tag="certs.approve_enrolment"):
    enrolment: str


class RejectEnrolment(Act[EnrolmentView], frozen=True, tag="certs.reject_enrolment"):
    enrolment: str
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class RevokeCertificate(Act[CertificateView], frozen=True, tag="certs.revoke_certificate"):
    """`serial` in hex."""

    serial: str
    reason: RevocationReason


class PublishRevocationList(Act[Done], frozen=True, tag="certs.publish_revocation_list"):
    """The clock's act: signs a new list when the newest is older than the settings allow."""


class Attestation(View, frozen=True, tag="attestation"):
    """A signature (DER) of the office, and the certificate (DER) it verifies with."""

    signature: bytes
    certificate: bytes


class AttestEvidence(Act[Attestation], frozen=True, tag="certs.attest_evidence"):
    """Signs what the books say about a sealed text, for whoever looks at it: `what` is show, export or verify."""

    number: str
    what: str
    record: bytes


class PruneRequests(Act[Done], frozen=True, tag="certs.prune_requests"):
    """The clock's act: forgets login challenges, unused signing requests and open enrolments that expired a day ago."""


class BeginLogin(Act[LoginChallengeView], frozen=True, tag="certs.begin_login"):
    """`certificate`: DER as the phone keeps it, or else `serial` in hex."""

    certificate: bytes = b""
    serial: str = ""


class FinishLogin(Act[SessionView], frozen=True, tag="certs.finish_login"):
    nonce: str
    signature: bytes
    format: SignatureFormat = SignatureFormat.DER
