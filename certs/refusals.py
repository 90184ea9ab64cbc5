"""Why a certificate, a signature, an enrolment or a login is refused. The codes are part of the client contract."""

from kernel.refusals import Refusal


class CertificateMalformed(Refusal):
    code = "CERTIFICATE_MALFORMED"
    zh = "数字证书格式错误，无法识别。"
    en = "The certificate cannot be read: {why}."


class CertificateWeakKey(Refusal):
    code = "CERTIFICATE_WEAK_KEY"
    zh = "密钥类型或强度不符合要求（{key}）。"
    en = "The key is not acceptable here: {key}."


class CertificateUnknownIssuer(Refusal):
    code = "CERTIFICATE_UNKNOWN_ISSUER"
    zh = "数字证书不是由本系统信任的 CA 签发。"
    en = "The certificate was not issued by a trusted CA."


class CertificateWrongPurpose(Refusal):
    code = "CERTIFICATE_WRONG_PURPOSE"
    zh = "该数字证书不能用于此用途。"
    en = "The certificate is not made for this purpose: {why}."


class CertificateNotYetValid(Refusal):
    code = "CERTIFICATE_NOT_YET_VALID"
    zh = "数字证书尚未生效。"
    en = "The certificate is not valid before {since}."


class CertificateExpired(Refusal):
    code = "CERTIFICATE_EXPIRED"
    zh = "数字证书已过期，请重新申请。"
    en = "The certificate expired at {until}."


class CertificateRevoked(Refusal):
    code = "CERTIFICATE_REVOKED"
    zh = "数字证书已被吊销，请联系 RA 操作员。"
    en = "The certificate was revoked at {at}."


class CertificateStatusUnknown(Refusal):
    code = "CERTIFICATE_STATUS_UNKNOWN"
    zh = "暂时无法确认数字证书是否已被吊销，请稍后重试。"
    en = "No usable revocation list for {at}."
    retryable = True


class CertificateNone(Refusal):
    code = "CERTIFICATE_NONE"
    zh = "您没有可用于签名的有效数字证书，请先申请。"
    en = "{officer} has no live signing certificate."


class IssuanceDefect(Refusal):
    """The CA's own fault: what it signed is not what its profile says. Nothing leaves the CA."""

    code = "ISSUANCE_DEFECT"
    zh = "证书签发未通过自检，请联系系统管理员。"
    en = "The certificate made does not fit profile {profile}: {why}."


class SignatureInvalid(Refusal):
    code = "SIGNATURE_INVALID"
    zh = "数字签名验证未通过。"
    en = "The signature does not verify."


class SignatureNotYours(Refusal):
    code = "SIGNATURE_NOT_YOURS"
    zh = "该签名请求不属于您。"
    en = "The signing request was made for another officer."


class SigningRequestUnknown(Refusal):
    code = "SIGNING_REQUEST_UNKNOWN"
    zh = "签名请求不存在，请重新发起。"
    en = "There is no such signing request."


class SigningRequestExpired(Refusal):
    code = "SIGNING_REQUEST_EXPIRED"
    zh = "签名请求已过期，请重新发起。"
    en = "The signing request expired at {until}."


class SigningRequestUsed(Refusal):
    code = "SIGNING_REQUEST_USED"
    zh = "该签名请求已使用过，请重新发起。"
    en = "The signing request was already used."


class EvidenceInvalid(Refusal):
    code = "EVIDENCE_INVALID"
    zh = "证据记录验证未通过。"
    en = "The evidence record does not verify: {why}."


class LoginChallengeUnknown(Refusal):
    code = "LOGIN_CHALLENGE_UNKNOWN"
    zh = "登录请求不存在，请重新登录。"
    en = "There is no such login challenge."


class LoginChallengeExpired(Refusal):
    code = "LOGIN_CHALLENGE_EXPIRED"
    zh = "登录请求已过期，请重新登录。"
    en = "The login challenge expired at {until}."


class LoginChallengeUsed(Refusal):
    code = "LOGIN_CHALLENGE_USED"
    zh = "登录请求已使用过，请重新登录。"
    en = "The login challenge was already used."


class TokenInvalid(Refusal):
    code = "TOKEN_INVALID"
    zh = "登录凭证无效，请重新登录。"
    en = "The token is not valid."


class TokenExpired(Refusal):
    code = "TOKEN_EXPIRED"
    zh = "登录已超时，请重新登录。"
    en = "The token has expired."


class OfficerInactive(Refusal):
    code = "OFFICER_INACTIVE"
    zh = "该账号已停用。"
    en = "The officer is not in service."


class EnrolmentNotOpen(Refusal):
    code = "ENROLMENT_NOT_OPEN"
    zh = "该证书申请目前不能办理此步骤（当前状态：{state}）。"
    en = "The enrolment is {state}; this step is not open."


class EnrolmentExpired(Refusal):
    code = "ENROLMENT_EXPIRED"
    zh = "证书申请已过期，请重新申请。"
    en = "The enrolment expired at {until}."


class EnrolmentLimit(Refusal):
    code = "ENROLMENT_LIMIT"
    zh = "您有过多未办结的证书申请，请联系 RA 操作员。"
    en = "The officer has {open} open enrolments."


class EnrolmentKeyUsed(Refusal):
    code = "ENROLMENT_KEY_USED"
    zh = "该密钥已使用过，请在手机上重新生成密钥。"
    en = "This public key is already in an enrolment or a certificate."


class EnrolmentOwn(Refusal):
    code = "ENROLMENT_OWN"
    zh = "不能审核本人的证书申请。"
    en = "Nobody handles their own enrolment."


class EnrolmentIdentityUnchecked(Refusal):
    code = "ENROLMENT_IDENTITY_UNCHECKED"
    zh = "申请人身份尚未核验，或核验人与批准人为同一人。"
    en = "The identity must first be checked by another RA operator."
