"""信息发布: draft, 审核, 批准, 发布, each another person's signed step; nothing is public before the last."""

import pytest

from hall.announcements import AnnouncementView, DraftAnnouncement, announcements, content_sha256, published
from hall.publishing import AnnouncementKind, AnnouncementState, PublishingStep
from kernel.actor import ANYBODY
from tests.hall.office import Hall, code

TITLE, BODY = "关于施工许可证电子证照的通知", "自十月一日起核发电子证照。"
SUBMIT, REVIEW, APPROVE, PUBLISH, RETURN, WITHDRAW = PublishingStep


async def draft(hall: Hall, who: str = "HANDLER", **more) -> str:
    act = DraftAnnouncement(**{"kind": AnnouncementKind.NOTICE, "title": TITLE, "body": BODY, **more})
    view = await hall.do(act, await hall.officer(who))
    assert isinstance(view, AnnouncementView), view
    return view.number


async def public(hall: Hall) -> list[str]:
    rows, _ = await published(hall.database)
    return [str(row["number"]) for row in rows]


async def brought_out(hall: Hall) -> str:
    number = await draft(hall)
    for who, step in (("HANDLER", SUBMIT), ("HEAD", REVIEW), ("LEADER", APPROVE), ("XXZX", PUBLISH)):
        assert isinstance(await hall.take(who, number, step), AnnouncementView), (who, step)
    return number


@pytest.mark.feature("HALL-08")
async def test_four_people_bring_an_announcement_to_the_public_each_with_a_signature(hall: Hall) -> None:
    number = await draft(hall)
    course = (
        ("HANDLER", SUBMIT, AnnouncementState.SUBMITTED),
        ("HEAD", REVIEW, AnnouncementState.REVIEWED),
        ("LEADER", APPROVE, AnnouncementState.APPROVED),
        ("XXZX", PUBLISH, AnnouncementState.PUBLISHED),
    )
    for who, step, state in course:
        assert await public(hall) == []
        taken = await hall.take(who, number, step)
        assert (taken.number, taken.state) == (number, state)
    assert await public(hall) == [number]
    steps = await hall.database.rows("SELECT * FROM announcement_step ORDER BY seq")
    assert [(step["officer"], step["step"]) for step in steps] == [(who, step) for who, step, _ in course]
    assert all(step["evidence"] for step in steps)
    assert {step["content_sha256"] for step in steps} == {content_sha256(TITLE, BODY)}
    logged = await hall.database.rows("SELECT tag FROM event WHERE subject = $1 ORDER BY seq", f"announcement:{number}")
    assert [event["tag"] for event in logged] == ["hall.announcement_drafted", *["hall.announcement_step"] * 4]


@pytest.mark.feature("HALL-08")
async def test_the_author_may_not_approve_their_own_text_whatever_their_office(hall: Hall) -> None:
    """BOTH is handler and section head, CHIEF could approve: not what they wrote or reviewed themselves."""
    own = await draft(hall, "BOTH")
    await hall.take("BOTH", own, SUBMIT)
    assert code(await hall.take("BOTH", own, REVIEW)) == "OWN_ANNOUNCEMENT"
    await hall.take("HEAD", own, REVIEW)
    assert code(await hall.take("HEAD", own, APPROVE)) == "NOT_PERMITTED"
    leaders = await draft(hall, "LEADER")
    await hall.take("LEADER", leaders, SUBMIT)
    await hall.take("HEAD", leaders, REVIEW)
    assert code(await hall.take("LEADER", leaders, APPROVE)) == "OWN_ANNOUNCEMENT"
    assert isinstance(await hall.take("CHIEF", leaders, APPROVE), AnnouncementView)


async def test_nobody_skips_a_step_or_takes_another_offices(hall: Hall) -> None:
    number = await draft(hall)
    assert code(await hall.take("XXZX", number, PUBLISH)) == "ANNOUNCEMENT_STEP_CLOSED"
    assert code(await hall.take("HEAD", number, REVIEW)) == "ANNOUNCEMENT_STEP_CLOSED"
    assert code(await hall.take("HANDLER2", number, SUBMIT)) == "NOT_PERMITTED"
    await hall.take("HANDLER", number, SUBMIT)
    assert code(await hall.take("CLERK", number, REVIEW)) == "NOT_PERMITTED"
    assert code(await hall.take("HANDLER", number, SUBMIT)) == "ANNOUNCEMENT_STEP_CLOSED"
    assert await public(hall) == []


async def test_what_is_returned_is_rewritten_and_begins_anew(hall: Hall) -> None:
    number = await draft(hall)
    await hall.take("HANDLER", number, SUBMIT)
    await hall.take("HEAD", number, REVIEW)
    assert code(await hall.take("LEADER", number, RETURN, opinion=" ")) == "INVALID"
    returned = await hall.take("LEADER", number, RETURN, opinion="日期有误。")
    assert returned.state is AnnouncementState.DRAFT
    again = DraftAnnouncement(
        kind=AnnouncementKind.NOTICE, title=TITLE, body="自十一月一日起。", number=number, revision=returned.revision
    )
    assert code(await hall.do(again, await hall.officer("HEAD"))) == "UNKNOWN_ANNOUNCEMENT"
    assert isinstance(await hall.do(again, await hall.officer("HANDLER")), AnnouncementView)
    assert code(await hall.do(again, await hall.officer("HANDLER"))) == "CHANGED_MEANWHILE"
    assert isinstance(await hall.take("HANDLER", number, SUBMIT), AnnouncementView)
    late = DraftAnnouncement(kind=AnnouncementKind.NOTICE, title=TITLE, body=BODY, number=number, revision=9)
    assert code(await hall.do(late, await hall.officer("HANDLER"))) == "ANNOUNCEMENT_STEP_CLOSED"


async def test_a_signature_over_other_words_is_refused(hall: Hall) -> None:
    number = await draft(hall)
    await hall.take("HANDLER", number, SUBMIT)
    prepared = hall.notary.prepare

    async def forged(work, statement):
        await hall.database.execute("UPDATE announcement SET body = 'x' WHERE number = $1", number)
        return await prepared(work, statement)

    hall.notary.prepare = forged  # type: ignore[method-assign]
    assert code(await hall.take("HEAD", number, REVIEW)) == "ANNOUNCEMENT_SIGNED_DIFFERENTLY"


async def test_what_is_public_can_be_taken_down_with_reasons_and_never_changed(hall: Hall) -> None:
    number = await brought_out(hall)
    assert code(await hall.take("XXZX", number, WITHDRAW, opinion="")) == "INVALID"
    assert (await hall.take("XXZX", number, WITHDRAW, opinion="已失效。")).state is AnnouncementState.WITHDRAWN
    assert await public(hall) == []


async def test_the_desk_says_what_each_officer_may_do_now(hall: Hall) -> None:
    number = await draft(hall)
    await hall.take("HANDLER", number, SUBMIT)

    async def possible(who: str) -> list[str] | None:
        rows, _ = await announcements(hall.database, await hall.officer(who))
        found = [row["possible"] for row in rows if row["number"] == number]
        return [str(step) for step in found[0]] if found else None  # type: ignore[attr-defined]

    assert await possible("HEAD") == ["review", "return"]
    assert await possible("HANDLER") == []
    assert await possible("CLERK") is None  # another unit's
    assert await possible("XXZX") is None  # not yet for the publisher
    await hall.take("HEAD", number, REVIEW)
    await hall.take("LEADER", number, APPROVE)
    assert await possible("XXZX") == ["publish", "return"]


async def test_the_public_list_is_paged_newest_first_and_by_kind(hall: Hall) -> None:
    numbers = []
    for day in range(18, 22):
        hall.at(f"2026-09-{day} 10:00")
        numbers.append(await brought_out(hall))
    rows, end = await published(hall.database, first=3)
    rest, last = await published(hall.database, first=3, after=end)
    assert [row["number"] for row in (*rows, *rest)] == numbers[::-1]
    assert last is None
    assert (await published(hall.database, kind=AnnouncementKind.POLICY))[0] == []


async def test_only_officers_write(hall: Hall) -> None:
    act = DraftAnnouncement(kind=AnnouncementKind.NOTICE, title=TITLE, body=BODY)
    assert code(await hall.do(act, ANYBODY)) == "NOT_PERMITTED"
    assert code(await hall.do(act, await hall.applicant("13800000001"))) == "NOT_PERMITTED"
    for title, body in ((" ", BODY), (TITLE, ""), ("字" * 121, BODY)):
        act = DraftAnnouncement(kind=AnnouncementKind.NOTICE, title=title, body=body)
        assert code(await hall.do(act, await hall.officer("HANDLER"))) == "INVALID"
