"""Why the ferry refuses a parcel, a record or an order. A refused parcel is kept in quarantine, never deleted."""

from kernel.refusals import Refusal


class ParcelRefused(Refusal):
    """A branch of the tree: nothing of the parcel is applied."""


class ParcelTorn(ParcelRefused):
    code = "PARCEL_TORN"
    zh = "摆渡包不完整（{where}），等待对方重发。"
    en = "The parcel ends early ({where}); it will be sent again."
    retryable = True


class ParcelMalformed(ParcelRefused):
    code = "PARCEL_MALFORMED"
    zh = "摆渡包格式有误（{why}）。"
    en = "The parcel is malformed: {why}."


class ParcelOversize(ParcelRefused):
    code = "PARCEL_OVERSIZE"
    zh = "摆渡包超出限制（{what}，上限{limit}）。"
    en = "The parcel exceeds a limit: {what}, at most {limit}."


class ParcelSignature(ParcelRefused):
    code = "PARCEL_SIGNATURE"
    zh = "摆渡包签名不符，内容可能被改动。"
    en = "The parcel's signature does not fit its octets."


class ParcelForeign(ParcelRefused):
    code = "PARCEL_FOREIGN"
    zh = "摆渡包不属于本通道（{why}）。"
    en = "The parcel does not belong to this channel: {why}."


class ParcelUntrusted(ParcelRefused):
    code = "PARCEL_UNTRUSTED"
    zh = "摆渡包签名所用的数字证书不可信（{why}）。"
    en = "The certificate that sealed the parcel may not: {why}."


class ParcelUnreadable(ParcelRefused):
    code = "PARCEL_UNREADABLE"
    zh = "摆渡包无法解密（{why}）。"
    en = "The parcel cannot be opened: {why}."


class ParcelUnknownSuite(ParcelRefused):
    code = "PARCEL_UNKNOWN_SUITE"
    zh = "摆渡包使用了未启用的密码套件“{suite}”。"
    en = "The parcel uses a suite that is not enabled here: {suite}."


class ParcelRetired(ParcelRefused):
    code = "PARCEL_RETIRED"
    zh = "摆渡包属于已停用的批次（epoch），可能是旧包重放。"
    en = "The parcel belongs to an epoch that has ended; it may be a replay."


class ParcelReplayed(ParcelRefused):
    code = "PARCEL_REPLAYED"
    zh = "同一摆渡包再次送达，已应用过，不再处理。"
    en = "The same octets came again after they had been applied."


class ParcelEquivocal(ParcelRefused):
    code = "PARCEL_EQUIVOCAL"
    zh = "同一序号出现不同内容，通道已冻结，请人工核查。"
    en = "Two contents claim one sequence number; the lane is frozen."


class RecordRefused(Refusal):
    """A branch of the tree: one record is not applied; it is kept, and its source is told the code."""


class RecordUnknownType(RecordRefused):
    code = "RECORD_UNKNOWN_TYPE"
    zh = "记录类型“{type}”不在白名单内。"
    en = "Records of type {type} may not cross."


class RecordMisdirected(RecordRefused):
    code = "RECORD_MISDIRECTED"
    zh = "记录类型“{type}”不允许走此方向或通道。"
    en = "Records of type {type} may not cross in this direction or lane."


class RecordMalformed(RecordRefused):
    code = "RECORD_MALFORMED"
    zh = "记录内容不符合规定（{why}）。"
    en = "The record does not have the shape of its type: {why}."


class RecordOversize(RecordRefused):
    code = "RECORD_OVERSIZE"
    zh = "记录超出长度上限（{limit}字节）。"
    en = "The record is longer than {limit} octets."


class RecordExpired(RecordRefused):
    code = "RECORD_EXPIRED"
    zh = "记录已过有效期，未送达。"
    en = "The record expired on its way."


class FerryForgotten(Refusal):
    """The rows of which a parcel was made are gone: only a snapshot of the state helps."""

    code = "FERRY_FORGOTTEN"
    zh = "通道{lane}第{seq}包的原始记录已不在保留期内，需要发送全量快照。"
    en = "What parcel {seq} of lane {lane} was made of is kept no longer; the other side needs a snapshot."


class PeerFileRefused(Refusal):
    code = "PEER_FILE_REFUSED"
    zh = "对端文件不可用（{why}）。"
    en = "The peer file cannot be used: {why}."


class PeerWordsDiffer(Refusal):
    code = "PEER_WORDS_DIFFER"
    zh = "口令字与对端根证书不符：可能听错，也可能文件被调换，请双方重新核对。"
    en = "These are not the words of the root in the file: misheard, or the file is another one. Compare them again."


class FerryKeysMissing(Refusal):
    code = "FERRY_KEYS_MISSING"
    zh = "缺少摆渡密钥（{what}），请先执行 zhangban ferry init。"
    en = "Keys are missing: {what}. Run `zhangban ferry init` first."


class FerryUnknownPeer(Refusal):
    code = "FERRY_UNKNOWN_PEER"
    zh = "配置中没有对端“{peer}”；已配置：{known}。"
    en = "There is no peer {peer} in the settings; known are {known}."


class FerryTwoPersons(Refusal):
    code = "FERRY_TWO_PERSONS"
    zh = "此操作须由两名不同的在职人员共同确认（{roles}）。"
    en = "This takes two different officers in service, each with one of these roles: {roles}."


class AttachmentRefused(Refusal):
    code = "ATTACHMENT_REFUSED"
    zh = "附件未通过内容检查（{why}），不予摆渡。"
    en = "The attachment may not cross: {why}."


class AttachmentUnchecked(Refusal):
    code = "ATTACHMENT_UNCHECKED"
    zh = "病毒扫描服务没有应答（{why}），附件暂不摆渡，稍后自动重试。"
    en = "The scanner did not answer ({why}); the attachment waits."
    retryable = True


class FerryFileUnusable(Refusal):
    """The machine's own reason: no such folder, no right, no room."""

    code = "FERRY_FILE_UNUSABLE"
    zh = "文件{file}无法读写：{why}。"
    en = "The file {file} cannot be used: {why}."
