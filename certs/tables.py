"""Tables of the CA and RA. Certificates and lists are kept for ever; requests may be pruned when they have expired."""

from enum import StrEnum

from tortoise import fields
from tortoise.indexes import Index

from kernel.models import Model


class CertificateState(StrEnum):
    INTENDED = "intended"  # numbered and written down, not yet signed
    ISSUED = "issued"
    REVOKED = "revoked"


class IssuedCertificate(Model):
    """The register: every certificate this CA ever set out to sign. `holder`: officer id, unit code or "server"."""

    id = fields.BigIntField(primary_key=True)
    issuer = fields.CharField(max_length=43)
    serial = fields.CharField(max_length=40)
    profile = fields.CharField(max_length=20)
    holder = fields.CharField(max_length=20)
    device = fields.CharField(max_length=60, default="")
    spki_sha256 = fields.CharField(max_length=64)
    fingerprint = fields.CharField(max_length=43, null=True, unique=True)
    #: Empty while intended.
    der = fields.BinaryField()
    not_before = fields.DatetimeField()
    not_after = fields.DatetimeField()
    state = fields.CharEnumField(CertificateState, max_length=10)
    #: The device that logged in last is the one that is asked to sign.
    used_at = fields.DatetimeField()
    revoked_at = fields.DatetimeField(null=True)
    reason = fields.CharField(max_length=30, default="")

    class Meta:
        table = "certificate"
        unique_together = (("issuer", "serial"),)
        indexes = (
            Index(fields=("holder", "profile"), name="idx_certificate_holder"),
            Index(fields=("spki_sha256",), name="idx_certificate_spki"),
            Index(fields=("issuer", "state"), name="idx_certificate_state"),
        )


class EnrolmentState(StrEnum):
    REQUESTED = "requested"  # the phone has the octets to sign
    PROVED = "proved"  # the phone has proved that it holds the key
    CHECKED = "checked"  # an RA operator has seen the person
    ISSUED = "issued"
    REJECTED = "rejected"


#: Neither issued nor rejected; an open one may have expired.
OPEN_ENROLMENTS = (EnrolmentState.REQUESTED, EnrolmentState.PROVED, EnrolmentState.CHECKED)


class Enrolment(Model):
    id = fields.CharField(max_length=40, primary_key=True)
    officer_id = fields.CharField(max_length=20)
    device = fields.CharField(max_length=60)
    spki = fields.BinaryField()
    spki_sha256 = fields.CharField(max_length=64)
    request_info = fields.BinaryField()
    csr = fields.BinaryField(null=True)
    pickup_digest = fields.CharField(max_length=64)
    state = fields.CharEnumField(EnrolmentState, max_length=10)
    requested_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    checked_by = fields.CharField(max_length=40, default="")
    identity_document = fields.CharField(max_length=60, default="")
    decided_by = fields.CharField(max_length=40, default="")
    reason = fields.CharField(max_length=200, default="")
    certificate_id = fields.BigIntField(null=True)

    class Meta:
        table = "enrolment"
        indexes = (
            Index(fields=("officer_id", "state"), name="idx_enrolment_officer"),
            Index(fields=("state", "requested_at"), name="idx_enrolment_state"),
            Index(fields=("spki_sha256",), name="idx_enrolment_spki"),
        )


class LoginChallenge(Model):
    nonce = fields.CharField(max_length=40, primary_key=True)
    certificate_id = fields.BigIntField()
    payload = fields.BinaryField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "login_challenge"
        indexes = (Index(fields=("expires_at",), name="idx_login_challenge_expires"),)


class SigningRequestRow(Model):
    """The exact bytes an officer was asked to sign; `used_at` is set once, by compare-and-swap."""

    nonce = fields.CharField(max_length=40, primary_key=True)
    officer_id = fields.CharField(max_length=20)
    certificate_id = fields.BigIntField()
    payload = fields.BinaryField()
    statement = fields.TextField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "signing_request"
        indexes = (Index(fields=("used_at", "expires_at"), name="idx_signing_request_expires"),)


class SignatureRow(Model):
    """A verified signature (DER) over the payload of its signing request."""

    id = fields.BigIntField(primary_key=True)
    nonce = fields.CharField(max_length=40, unique=True)
    officer_id = fields.CharField(max_length=20)
    certificate_id = fields.BigIntField()
    kind = fields.CharField(max_length=40)
    subject = fields.CharField(max_length=80)
    revision = fields.IntField()
    signature = fields.BinaryField()
    signed_at = fields.DatetimeField()

    class Meta:
        table = "signature"
        indexes = (Index(fields=("subject", "id"), name="idx_signature_subject"),)


class PublishedList(Model):
    """Every CRL ever published: what was known about a certificate on a given day."""

    id = fields.BigIntField(primary_key=True)
    issuer = fields.CharField(max_length=43)
    number = fields.BigIntField()
    this_update = fields.DatetimeField()
    next_update = fields.DatetimeField()
    sha256 = fields.CharField(max_length=64)
    der = fields.BinaryField()

    class Meta:
        table = "crl"
        unique_together = (("issuer", "number"),)


class EvidenceRecord(Model):
    """A confirmation by text message, sealed with the server's evidence certificate. `body` is canonical JSON."""

    number = fields.CharField(max_length=20, primary_key=True)
    inbound = fields.BigIntField(db_index=True)
    actor = fields.CharField(max_length=40)
    body = fields.BinaryField()
    signature = fields.BinaryField()
    certificate_id = fields.BigIntField()
    sealed_at = fields.DatetimeField()

    class Meta:
        table = "evidence_record"


class SealUse(Model):
    """When, by whom and over which content a unit's seal was used."""

    id = fields.BigIntField(primary_key=True)
    unit = fields.CharField(max_length=16)
    certificate_id = fields.BigIntField()
    content_sha256 = fields.CharField(max_length=64)
    actor = fields.CharField(max_length=40)
    at = fields.DatetimeField()

    class Meta:
        table = "seal_use"
        indexes = (Index(fields=("unit", "at"), name="idx_seal_use_unit"),)
