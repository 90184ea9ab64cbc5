"""Numbers of persons and organisations that carry a check digit.

Source: GB 11643-1999 (ISO 7064 MOD 11-2) for the citizen's number, GB 32100-2015 (MOD 31-3) for the unified social
credit code, GB 11714-1997 for the organisation code. Numbers of fifteen digits have not been valid since 2013.
"""

import re
from datetime import date

from ferry.exchange.codes import IdKind

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def fault_of(kind: IdKind | None, number: str | None) -> str | None:
    """The code of what is wrong with a number of this kind, if anything can be said of it."""
    if number is None:
        return None
    if kind is IdKind.ID_CARD and not is_id_card(number):
        return "ID_CARD_WRONG"
    if kind is IdKind.CREDIT_CODE and not is_credit_code(number):
        return "CREDIT_CODE_WRONG"
    if kind is IdKind.ORG_CODE and not is_org_code(number):
        return "ORG_CODE_WRONG"
    return None


def is_id_card(number: str) -> bool:
    if not re.fullmatch(r"[1-9]\d{16}[\dX]", number, re.ASCII):
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number, strict=False))
    return number[17] == _ID_CHECKS[total % 11]


def is_credit_code(code: str) -> bool:
    if len(code) != 18 or any(char not in _CREDIT_ALPHABET for char in code):
        return False
    total = sum(weight * _CREDIT_ALPHABET.index(char) for weight, char in zip(_CREDIT_WEIGHTS, code, strict=False))
    return code[17] == _CREDIT_ALPHABET[-total % 31]


def is_org_code(code: str) -> bool:
    """Eight characters and a check character, a hyphen between them or not."""
    plain = code.replace("-", "")
    if not re.fullmatch(r"[0-9A-Z]{8}[0-9X]", plain, re.ASCII) or code not in (plain, f"{plain[:8]}-{plain[8]}"):
        return False
    value = {char: number for number, char in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
    check = 11 - sum(weight * value[char] for weight, char in zip(_ORG_WEIGHTS, plain, strict=False)) % 11
    return plain[8] == {10: "X", 11: "0"}.get(check, str(check))
