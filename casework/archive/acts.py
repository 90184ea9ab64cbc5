"""The acts of archiving."""

from kernel.acts import Act, Done


class ArchiveCases(Act[Done], frozen=True, tag="archive.cases"):
    """The clock's: archives up to `limit` cases that have been closed and are not archived yet."""

    limit: int = 50
