"""`zhangban`: everything a person does at the command line of the server."""

import typer

from server import (
    cli_archive,
    cli_catalogue,
    cli_clock,
    cli_config,
    cli_desk,
    cli_evidence,
    cli_exchange,
    cli_ferry,
    cli_replay,
    cli_sample,
    cli_sms,
    cli_statistics,
    commands,
)
from server.demo.command import demo
from server.serve import serve
from sms.simulator import __main__ as simulators

app = typer.Typer(
    help="掌办：手机审批与电子监察 · Approval on the phone, held to its legal deadlines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_config.app, name="config")
app.add_typer(cli_clock.clock_app, name="clock")
app.add_typer(cli_clock.calendar_app, name="calendar")
app.add_typer(commands.log_app, name="log")
app.add_typer(commands.county_app, name="county")
app.add_typer(cli_desk.directory_app, name="directory")
app.add_typer(cli_catalogue.catalogue_app, name="catalogue")
app.add_typer(commands.enrolment_app, name="enrolment")
app.add_typer(cli_archive.archive_app, name="archive")
app.add_typer(cli_archive.case_app, name="case")
app.add_typer(cli_evidence.app, name="evidence")
app.add_typer(cli_desk.certificate_app, name="certificate")
app.add_typer(cli_sms.sms_app, name="sms")
app.add_typer(cli_ferry.ferry_app, name="ferry")
app.add_typer(cli_exchange.app, name="exchange")
app.command()(demo)
app.command()(serve)
app.add_typer(simulators.app, name="simulate")
app.command("replay")(cli_replay.command)
app.command("statistics")(cli_statistics.command)
app.command("load-sample")(cli_sample.command)


@app.command()
def schema() -> None:
    """GraphQL 接口定义 · The schema as the phones' contract has it."""
    # Every other command would wait for it, a second or more.
    from mobile_api.schema import sdl

    typer.echo(sdl(), nl=False)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
