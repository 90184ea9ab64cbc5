"""`zhangban evidence`: a sealed text message as a person reads it, as a file to take away, and whether it holds.

For IT operators at the server; `verify FILE` for anybody anywhere, with the root certificate and nothing of ours.
Whatever shows what somebody texted stands in the log.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from cryptography import x509
from cryptography.x509.oid import NameOID
from rich.table import Table

from certs.verification import serial_hex
from kernel.clock import as_utc
from kernel.refusals import Refusal
from server.archive.checking import read_root
from server.archive.refusals import ArchiveFileUnusable
from server.commands import ConfigOption, JsonOption, at_work, refused, run
from server.evidence.checking import FAULT_NAMES, EvidenceVerdict, Fault, FaultCode, verify
from server.evidence.package import Package, differing_rows, package
from server.evidence.record import AnsweredRequest, SentText
from server.terminal import as_it_stands, console, moment

NumberArgument = Annotated[str, typer.Argument(metavar="ID", help="存证号，如 EV00000001 · As the text named it.")]

app = typer.Typer(help="短信存证 · Sealed text messages: shown, exported, verified offline.", no_args_is_help=True)

#: cryptography has no short name for it.
_NAMES = {NameOID.SERIAL_NUMBER: "serialNumber"}
_PURPOSES = {"confirm": "发牌确认", "acknowledge": "签收", "rating": "评价"}
_ACTS = {
    "card.confirm": "同意（确认发牌，或签收）",
    "card.reject": "不同意发牌",
    "card.acknowledge": "签收",
    "hall.rate": "评价",
    "text.note_refused": "被拒绝，仅存证",
}


@app.command("show")
def show(number: NumberArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """何号码何时说了什么、结果如何，查阅留痕 · Who said what when, and what came of it; the view is logged."""

    async def found() -> Package:
        async with at_work(config) as system:
            return await package(system, number, what="show")

    made = run(found())
    if as_json:
        told = {"body": made.body, "record": made.record, "sha256": _digests(made)}
        typer.echo(msgspec.json.encode(told))
    else:
        _print(made)


@app.command("export")
def export(
    number: NumberArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", dir_okay=False, help="写到何处 · Where to.")],
    config: ConfigOption = None,
) -> None:
    """导出可独立核验的存证文件，留痕 · Write a file that a stranger can verify; the export is logged."""

    async def exported() -> Package:
        async with at_work(config) as system:
            made = await package(system, number, what="export")
            with _usable(file):
                _write(made.octets, file)
            return made

    made = run(exported())
    typer.echo(f"{made.sealed.number} → {file}  SHA-256 {made.sha256}")


@app.command("verify")
def check(
    target: Annotated[
        str, typer.Argument(metavar="FILE.zip|ID", help="存证文件或存证号 · A file, or one in our books.")
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="根证书，来自可信渠道，核验文件时必须 · The root certificate, PEM, from elsewhere; needed for a file.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """核验存证，逐项指出不符之处 · Verify a file with the root alone, or one in place; name every fault, exit 1."""
    try:
        trusted = _root(root)
        if re.fullmatch(r"EV\d{8,18}", target.strip().upper(), re.ASCII) and not Path(target).exists():
            verdict = run(_in_place(target, trusted, config))
        elif trusted is None:
            raise typer.BadParameter("核验文件须有 --root · a file needs --root")
        else:
            with _usable(Path(target)):
                verdict = verify(Path(target).read_bytes(), trusted)
    except Refusal as refusal:
        raise refused(refusal) from None
    _print_verdict(verdict, as_json=as_json)
    raise typer.Exit(0 if verdict.intact else 1)


async def _in_place(number: str, root: x509.Certificate | None, config: Path | None) -> EvidenceVerdict:
    async with at_work(config) as system:
        made = await package(system, number, what="verify")
        verdict = verify(made.octets, root or system.authority.root)
        rows = [Fault(code=FaultCode.ROWS_DIFFER, where=row) for row in await differing_rows(made.body)]
        return msgspec.structs.replace(verdict, faults=(*verdict.faults, *rows))


def _root(file: Path | None) -> x509.Certificate | None:
    if file is None:
        return None
    with _usable(file):
        return read_root(file.read_bytes())


@contextmanager
def _usable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise ArchiveFileUnusable(file=str(file), why=wrong.strerror or type(wrong).__name__) from None


def _write(octets: bytes, file: Path) -> None:
    """Whole or not at all."""
    if file.exists() and not file.is_file():
        raise ArchiveFileUnusable(file=str(file), why="not a regular file")
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_bytes(octets)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------------- for people
def _print(made: Package) -> None:
    body, record = made.body, made.record
    who = f"{body.actor['name']}（{body.actor['id']}）" if body.actor["kind"] == "officer" else "非登记人员"
    rows = [
        ("存证号", body.number),
        ("号码", f"{body.sender}，{who}"),
        ("发往", f"{body.receiver}（通道 {body.carrier}）"),
        ("内容", body.text),
        ("网关收到", _time(body.received_at)),
        ("封存", _time(body.sealed_at)),
        ("请求", _ACTS.get(str(body.act["act"]), str(body.act["act"]))),
        ("结果", f"{record.outcome or '—'}，{_time(record.handled_at)}"),
        *_request_rows(record.request),
        *_sent_rows("答复短信", record.answer),
        *((f"报文 {place} SHA-256", digest) for place, digest in enumerate(body.pdus_sha256, 1)),
        ("内容 SHA-256", body.text_sha256),
        *((f"{name} SHA-256", digest) for name, digest in _digests(made).items()),
        ("封存证书", _signer(made)),
    ]
    table = Table("", "", show_header=False, box=None)
    for label, value in rows:
        table.add_row(label, as_it_stands(value))
    console().print(table)


def _request_rows(request: AnsweredRequest | None) -> list[tuple[str, str]]:
    if request is None:
        return [("所答请求", "没有与该回复码相符的请求")]
    state = f"已用 {_time(request.used_at)}" if request.used_at else "未用"
    locked = f"，锁定 {_time(request.locked_at)}" if request.locked_at else ""
    return [
        ("所答请求", f"{_PURPOSES.get(request.purpose, request.purpose)} {request.about}，一次性码 {request.code_id}"),
        (
            "一次性码",
            f"{_time(request.drawn_at)} 至 {_time(request.expires_at)}，{state}{locked}，错{request.wrong_tries}次",
        ),
        *_sent_rows("请求短信", request.text),
    ]


def _sent_rows(label: str, sent: SentText | None) -> list[tuple[str, str]]:
    if sent is None:
        return [(label, "—")]
    extension = f"，扩展码 {sent.extension}" if sent.extension else ""
    parts = [
        (
            f"{label} {part.number}/{part.total}",
            f"{part.carrier} {part.sms_id}，提交 {_time(part.submitted_at)}，{part.state} {_time(part.receipt_at)}",
        )
        for part in sent.parts
    ]
    return [(label, f"{sent.template} 第{sent.version}版 → {sent.to}{extension}，{sent.state}：{sent.words}"), *parts]


def _signer(made: Package) -> str:
    certificate = x509.load_der_x509_certificate(made.sealed.certificate)
    until = moment(certificate.not_valid_after_utc)
    return f"{certificate.subject.rfc4514_string(_NAMES)}，序列号 {serial_hex(certificate)}，有效期至 {until}"


def _digests(made: Package) -> dict[str, str]:
    return {file.path: file.sha256 for file in made.record.files if not file.path.startswith("frames/")}


def _time(instant: str | None) -> str:
    return moment(as_utc(datetime.fromisoformat(instant))) if instant else "—"


def _print_verdict(verdict: EvidenceVerdict, *, as_json: bool) -> None:
    if as_json:
        told = {"intact": verdict.intact, "faults": verdict.faults, "body": verdict.body, "record": verdict.record}
        typer.echo(msgspec.json.encode(told))
        return
    if verdict.intact and verdict.body is not None and verdict.record is not None:
        body = verdict.body
        table = Table("", "", show_header=False, box=None)
        table.add_row("存证号", as_it_stands(body.number))
        table.add_row("号码", as_it_stands(f"{body.sender} → {body.receiver}，{_time(body.received_at)}"))
        table.add_row("内容", as_it_stands(body.text))
        table.add_row("结果", as_it_stands(verdict.record.outcome or "—"))
        console().print(table)
        console().print("完好 · intact: every octet, seal and certificate holds", style="green")
    for fault in verdict.faults:
        why = f"（{fault.why}）" if fault.why else ""
        typer.echo(f"{fault.code}  {FAULT_NAMES[fault.code]}：{as_it_stands(f'{fault.where}{why}')}", err=True)
