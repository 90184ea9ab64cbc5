"""Why a batch or a sender is refused. What is wrong with one row refuses nothing: it stands in the row's receipt."""

from kernel.refusals import Refusal


class ExchangeRefused(Refusal):
    """A branch: every reason why a batch or a sender is not taken."""


class ExchangeUnfit(ExchangeRefused):
    """`why` is a code of `faults.FILE_FAULTS`."""

    code = "EXCHANGE_UNFIT"
    zh = "数据包不合规：{words}（{why}{where}）。"
    en = "The batch does not keep to case-exchange/1: {why}{where}."


class SenderUnknown(ExchangeRefused):
    code = "EXCHANGE_SENDER_UNKNOWN"
    zh = "该证书未登记为数据报送证书，或已注销。"
    en = "No sender is registered with this certificate, or it was revoked."


class SenderTaken(ExchangeRefused):
    code = "EXCHANGE_SENDER_TAKEN"
    zh = "来源系统{system}已登记。"
    en = "The source system {system} is registered already."


class RequestUnfit(ExchangeRefused):
    code = "EXCHANGE_REQUEST_UNFIT"
    zh = "证书申请文件无法使用：{why}。"
    en = "The certificate request cannot be used: {why}."


class BatchReused(ExchangeRefused):
    code = "EXCHANGE_BATCH_REUSED"
    zh = "批次号{batch}已用于另一批数据。"
    en = "The batch {batch} was another one before."


class BatchFromTheFuture(ExchangeRefused):
    code = "EXCHANGE_BATCH_EARLY"
    zh = "批次的时间{at}晚于本系统时间，请核对时钟。"
    en = "The batch is of {at}, which is still to come."
    retryable = True


class PushUnfit(ExchangeRefused):
    """`why`: which header or limit."""

    code = "EXCHANGE_PUSH_UNFIT"
    zh = "请求不合规：{why}。"
    en = "The request does not keep to the standard: {why}."


class PushTooLarge(ExchangeRefused):
    code = "EXCHANGE_TOO_LARGE"
    zh = "超过单次报送上限：{limit}。请分批，或以文件报送。"
    en = "More than one push may bring: {limit}. Divide it, or send a file."


class PushTooOften(ExchangeRefused):
    code = "EXCHANGE_TOO_OFTEN"
    zh = "请求过于频繁，请{seconds}秒后再试。"
    en = "Too many requests; try again in {seconds} seconds."
    retryable = True


class KeyReused(ExchangeRefused):
    code = "EXCHANGE_KEY_REUSED"
    zh = "该 Idempotency-Key 已用于另一个数据包。"
    en = "This Idempotency-Key stood for another package before."
