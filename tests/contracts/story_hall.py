"""The public hall, told through the contract's operations: an applicant's own cases, questions, announcements,
complaints, statistics and the search."""

from tests.contracts.flutter_spec_story import Recorder
from tests.mobile_api.stage import CLERK, HANDLER, HEAD, ITEM, LEADER, SUPERVISOR
from tests.mobile_api.visitors import texted_code

APPLICANT, PUBLISHER = "13800000001", "OFF-0035"


async def tell(record: Recorder) -> None:
    case = await _an_applicant_logs_in(record)
    await _a_question_is_answered(record)
    await _an_announcement_comes_out(record)
    await _a_complaint_is_filed(record)
    await _officers_count_and_search(record, case)
    await _a_case_is_rated(record, case)


async def _an_applicant_logs_in(record: Recorder) -> str:
    stage = record.stage
    ticket = (await stage.get("OpenFiling"))["ticket"]
    upload = await stage.http.post(
        "/files",
        params={"name": "申请表.pdf"},
        content=b"%PDF-1.7\n",
        headers={"authorization": f"Ticket {ticket}"},
    )
    materials = [{"name": "建筑工程施工许可证申请表", "upload": upload.json()["upload"]}]
    case = await stage.accepted(materials=materials)
    await stage.file(applicantPhone="13800000002")
    await record("RequestLoginCode/happy", idempotencyKey="1", phone=APPLICANT)
    await record("RequestLoginCode/too_often", idempotencyKey="2", phone=APPLICANT)
    await record("RequestLoginCode/invalid", idempotencyKey="3", phone="12345")
    code = await texted_code(stage, APPLICANT)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    await record("LogInByCode/wrong", idempotencyKey="1", phone=APPLICANT, code=wrong)
    session = await record("LogInByCode/happy", idempotencyKey="2", phone=APPLICANT, code=code)
    record.applicants[APPLICANT] = session["token"]
    await record("MyCases/happy", APPLICANT)
    await record("MyCases/login_needed", HANDLER)
    shown = await record("MyCase/happy", APPLICANT, number=case)
    await record("MyCase/not_mine", APPLICANT, number="202600000002")
    await record("ViewOwnMaterial/happy", APPLICANT, case=case, id=shown["materials"][0]["id"])
    await record("ViewOwnDocument/happy", APPLICANT, case=case, id=shown["documents"][0]["id"])
    await record("ViewOwnDocument/not_mine", APPLICANT, case="202600000002", id=shown["documents"][0]["id"])
    return case


async def _a_question_is_answered(record: Recorder) -> None:
    question = {"title": "施工许可", "question": "临时工棚需要办理施工许可证吗？", "item": ITEM}
    asked = await record("AskQuestion/happy", idempotencyKey="1", **question, phone=APPLICANT)
    await record("AskQuestion/invalid", idempotencyKey="2", **{**question, "question": " "})
    await record("AskQuestion/unknown_item", idempotencyKey="3", **{**question, "item": "ZJ-XK-999"})
    number, password = asked["consultation"]["number"], asked["queryPassword"]
    await record("Consultation/waiting", number=number, password=password)
    await record("Consultation/wrong_password", number=number, password="000000")
    await record("Questions/happy", HANDLER)
    await record("Questions/empty", CLERK)
    await record("Questions/supervised", SUPERVISOR, supervised=True)
    await record("Questions/not_permitted", HANDLER, supervised=True)
    answer = {
        "number": number,
        "answer": "投资额不足三十万元或者建筑面积不足三百平方米的，可以不申请办理。",
        "publish": True,
        "publicQuestion": "临时工棚要办施工许可证吗？",
    }
    await record("AnswerQuestion/not_permitted", CLERK, idempotencyKey="1", revision=1, **answer)
    await record("AnswerQuestion/happy", HANDLER, idempotencyKey="2", revision=1, **answer)
    await record("AnswerQuestion/already_answered", HANDLER, idempotencyKey="3", revision=2, **answer)
    await record("Consultation/answered", number=number, password=password)


async def _an_announcement_comes_out(record: Recorder) -> None:
    await record("Announcements/empty")
    words = {"kind": "NOTICE", "title": "国庆假期办事安排", "body": "十月一日至七日大厅不开放，网上照常申报。"}
    drafted = await record("DraftAnnouncement/happy", HANDLER, idempotencyKey="1", **words)
    number = drafted["number"]
    await record("DraftAnnouncement/invalid", HANDLER, idempotencyKey="2", **{**words, "body": " "})
    await record("AnnouncementDesk/happy", HANDLER)
    handler = await record.stage.phone(HANDLER)
    step = {"number": number, "revision": 1, "step": "SUBMIT"}
    request = await record("PrepareAnnouncementStep/happy", HANDLER, step=step)
    await record("PrepareAnnouncementStep/not_permitted", CLERK, step=step)
    await record("PrepareAnnouncementStep/step_closed", HEAD, step={**step, "step": "REVIEW"})
    signed = handler.signed(request)
    other = {**step, "opinion": "另一种意见。"}
    await record("TakeAnnouncementStep/signed_differently", HANDLER, idempotencyKey="1", step=other, signed=signed)
    await record("TakeAnnouncementStep/happy", HANDLER, idempotencyKey="2", step=step, signed=signed)
    for officer, taken in ((HEAD, "REVIEW"), (LEADER, "APPROVE"), (PUBLISHER, "PUBLISH")):
        phone = await record.stage.phone(officer)
        (row,) = [
            each
            for each in (await record.stage.get("AnnouncementDesk", phone.token))["nodes"]
            if each["number"] == number
        ]
        chosen = {"number": number, "revision": row["revision"], "step": taken}
        request = await record.stage.get("PrepareAnnouncementStep", phone.token, step=chosen)
        await record.stage.get(
            "TakeAnnouncementStep",
            phone.token,
            idempotencyKey=f"{taken}-{number}",
            step=chosen,
            signed=phone.signed(request),
        )
    await record("AnnouncementDesk/published", PUBLISHER, state="PUBLISHED")
    await record("Announcements/happy", kind="NOTICE")


async def _a_complaint_is_filed(record: Recorder) -> None:
    complaint = {"about": "UNIT", "subject": "住房和城乡建设局", "text": "窗口要求重复提交材料。"}
    named = {**complaint, "name": "李四", "phone": APPLICANT}
    filed = await record("FileComplaint/happy", idempotencyKey="1", complaint=named)
    await record("FileComplaint/anonymous", idempotencyKey="2", complaint=complaint)
    await record("FileComplaint/phone_missing", idempotencyKey="3", complaint={**named, "phone": ""})
    number, password = filed["complaint"]["number"], filed["queryPassword"]
    await record("Complaint/happy", number=number, password=password)
    await record("Complaint/unknown", number="TS2026999999", password=password)
    await record("Complaints/happy", SUPERVISOR, state="REGISTERED")
    await record("Complaints/not_permitted", HANDLER)
    await record(
        "DecideComplaint/reasons_missing", SUPERVISOR, idempotencyKey="1", number=number, revision=1, accept=False
    )
    await record("DecideComplaint/happy", SUPERVISOR, idempotencyKey="2", number=number, revision=1, accept=True)
    await record(
        "DecideComplaint/already_decided", SUPERVISOR, idempotencyKey="3", number=number, revision=2, accept=True
    )


async def _officers_count_and_search(record: Recorder, case: str) -> None:
    await record("Statistics/happy", SUPERVISOR, by=["UNIT", "RESULT"])
    await record(
        "Statistics/own_unit", HANDLER, filter={"since": "2026-09-01", "until": "2026-09-30", "result": "OPEN"}
    )
    await record("Statistics/not_permitted", HANDLER, filter={"unit": "SJJ"})
    await record("SearchCases/happy", HANDLER, search={"applicant": "建设", "statuses": ["IN_APPROVAL"]})
    await record("SearchCases/by_number", HANDLER, search={"number": case})
    await record("SearchCases/empty", HANDLER, search={"number": "209900000001"})


async def _a_case_is_rated(record: Recorder, case: str) -> None:
    await record("RateCase/not_open", APPLICANT, idempotencyKey="1", case=case, score=5)
    for officer, decision in ((HANDLER, "AGREE"), (HEAD, "AGREE"), (LEADER, "GRANT"), (HANDLER, "COMPLETE")):
        await record.stage.decide(officer, case, decision)
    await record("RateCase/invalid", APPLICANT, idempotencyKey="2", case=case, score=6)
    await record("RateCase/not_mine", APPLICANT, idempotencyKey="3", case="202600000002", score=5)
    await record("RateCase/happy", APPLICANT, idempotencyKey="4", case=case, score=5)
    await record("RateCase/already_rated", APPLICANT, idempotencyKey="5", case=case, score=1)
    await record("MyCase/rated", APPLICANT, number=case)
