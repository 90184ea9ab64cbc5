"""What may stand where people read and sign: one line of text that hides nothing and moves nothing."""


def is_plain(text: str) -> bool:
    """Whether every sign of `text` is drawn where it stands: no control, format, bidirectional or surrogate sign.

    The ideographic space (U+3000) is a space that Chinese names and headings use. Officers sign what applicants
    wrote: text that cannot be shown as it is could be shown to nobody, and its case decided by nobody.
    """
    return all(sign.isprintable() or sign == "\u3000" for sign in text)
