"""The commands of `fiona`, and the end of all of them: an exit code that means something."""

import sys
from collections.abc import Sequence

import typer

from cli import (
    applications,
    assign,
    attributes,
    audit,
    configuration,
    coupling,
    dead,
    deidentify,
    destinations,
    janitor,
    keys,
    mails,
    members,
    migrate,
    monitor,
    participants,
    pixels,
    profiles,
    projects,
    putting_right,
    quarantine,
    recovery,
    redcap,
    resend,
    rules,
    send,
    session,
    status,
    studies,
    switches,
    tokens,
    transfers,
    up,
    users,
    visits,
    watch,
    withdrawals,
)
from cli.failure import Failure
from cli.output import remark

app = typer.Typer(
    name="fiona",
    help="The gateway between clinical imaging and research, from a terminal.\n\n"
    "FIONA_API says where the gateway is (default http://127.0.0.1:8080). Exit codes: 0 done, 1 what was asked "
    "did not succeed, 2 wrong usage, 3 the gateway cannot be reached, 4 not found, 5 conflict, 6 not allowed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up")(up.up)
app.command("migrate")(migrate.migrate)
app.command("login")(session.login)
app.command("logout")(session.logout)
app.command("whoami")(session.whoami)
app.add_typer(users.app, name="user")
app.add_typer(members.app, name="member")
app.add_typer(tokens.app, name="token")
app.command("send")(send.send)
app.add_typer(projects.app, name="project")
app.add_typer(applications.app, name="application")
app.command("studies")(studies.studies)
app.add_typer(studies.app, name="study")
app.command("assign")(assign.assign)
app.add_typer(transfers.app, name="transfers")
app.command("reassign")(putting_right.reassign)
app.command("cancel")(putting_right.cancel)
app.command("withdraw")(putting_right.withdraw)
app.command("resend")(resend.resend)
app.add_typer(withdrawals.app, name="withdrawal")
app.add_typer(quarantine.app, name="quarantine")
app.command("pixels")(pixels.pixels)
app.add_typer(profiles.app, name="profile")
app.add_typer(attributes.app, name="attributes")
app.add_typer(dead.app, name="dead")
app.add_typer(destinations.app, name="destination")
app.add_typer(coupling.app, name="coupling")
app.add_typer(rules.app, name="rule")
app.add_typer(participants.app, name="participant")
app.add_typer(visits.app, name="event")
app.add_typer(audit.app, name="audit")
app.add_typer(redcap.app, name="redcap")
app.add_typer(mails.app, name="mail")
app.command("status")(status.status)
app.command("monitor")(monitor.monitor)
app.command("switch")(switches.switch)
app.add_typer(janitor.app, name="janitor")
app.command("doctor")(janitor.doctor)
app.add_typer(keys.app, name="keys")
app.command("backup")(recovery.backup)
app.command("restore")(recovery.restore)
app.command("republish")(recovery.republish)
app.command("watch")(watch.watch)
app.add_typer(configuration.app, name="config")
app.command("deidentify")(deidentify.deidentify)


def run(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit code."""
    try:
        app(args=arguments, prog_name="fiona")
    except Failure as failure:
        remark(f"fiona: {failure.message}")
        return failure.code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def main() -> None:
    """The entry point."""
    sys.exit(run())
