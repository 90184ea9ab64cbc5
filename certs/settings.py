"""What a deployment may choose about certificates, with the reason for each default."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class CertSettings:
    #: O= of every certificate: the authority that runs the RA.
    organisation: str = "掌办演示 RA 管理中心"
    #: Who the signed bytes and tokens are meant for; bytes signed for another deployment are refused.
    audience: str = "http://localhost:8000"
    #: Where the revocation list can be fetched; stands in every certificate, so choose it once.
    crl_url: str = "http://localhost:8000/pki/issuing.crl"
    #: Long enough to read a decision on the phone, short enough that the case does not move meanwhile.
    signing_request_life: timedelta = timedelta(minutes=5)
    challenge_life: timedelta = timedelta(seconds=60)
    token_life: timedelta = timedelta(minutes=15)
    #: How long a token is trusted before its certificate and officer are looked up again; revocation must work
    #: within 60 seconds.
    status_life: timedelta = timedelta(seconds=15)
    #: An application for a certificate that nobody handles.
    enrolment_life: timedelta = timedelta(days=3)
    #: Proved keys of one officer that wait for the RA operator, and as many unproved ones: enough for a phone, a spare
    #: and some failed attempts; a stranger can open no more in an officer's name.
    open_enrolments: int = 5
    #: One RA operator checks the identity, another approves. A county with one operator may switch it off.
    two_persons: bool = True
    crl_refresh: timedelta = timedelta(hours=1)
    #: Relying parties must notice within a day that the list is no longer renewed.
    crl_life: timedelta = timedelta(hours=24)
