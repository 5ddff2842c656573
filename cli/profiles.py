"""`fiona profile`: what is removed and what is kept; on files and built-in profiles without a gateway."""

from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.failure import Failure
from cli.output import Column, Json, listing, moment, out, record, remark, show_json, table
from cli.profile_source import Source, compared, explained, taken, text

app = typer.Typer(
    help="De-identification profiles: list, show, check, explain, diff, set, versions.", no_args_is_help=True
)
Which = Annotated[str | None, typer.Argument(metavar="PROFILE", help="A built-in one, or a YAML file.")]
OfProject = Annotated[str | None, typer.Option("--project", help="The one that a project has at the gateway.")]
OfVersion = Annotated[int | None, typer.Option("--version", min=1, help="A version of the project's.")]
SopClass = Annotated[str, typer.Option(metavar="UID", help="In objects of this class; without it, in any.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A YAML file.")]

PROFILES: tuple[Column, ...] = (
    ("Profile", "name"),
    ("Version", "version"),
    ("Options", "options"),
    ("Description", "description"),
)
CHANGES: tuple[Column, ...] = (
    ("Attribute", "attribute"),
    ("Tag", "tag"),
    ("Before", "before"),
    ("After", "after"),
)
VERSIONS: tuple[Column, ...] = (
    ("Version", "version"),
    ("Name", "name"),
    ("Stored", moment("created_at")),
    ("By", "author"),
    ("Reason", "reason"),
    ("Digest", lambda item: str(item["digest"])[:12]),
)


@app.command("list")
def list_profiles(as_json: Json = False) -> None:
    """List the built-in profiles."""
    from deidentification.profiles import BUILT_IN, digest

    items: list[Item] = [
        {
            "name": profile.name,
            "version": profile.version,
            "description": profile.description,
            "options": sorted(str(option) for option in profile.options),
            "digest": digest(profile),
        }
        for _, profile in sorted(BUILT_IN.items())
    ]
    listing(items, PROFILES, as_json, "no profiles")


@app.command()
def show(which: Which = None, project: OfProject = None, version: OfVersion = None) -> None:
    """Print a profile's YAML; a file's is printed canonically, with its base worked in."""
    _one(which, project)
    source = taken(which, project, version)
    from deidentification.profiles import write_profile

    out().print(source.content if project else write_profile(source.profile), markup=False, end="", soft_wrap=True)


@app.command()
def check(file: File, as_json: Json = False) -> None:
    """Say whether a profile can be applied, and what to know before it is; 1 when it cannot."""
    from deidentification.profiles import ProfileError, digest, read_profile, warnings

    try:
        profile = read_profile(text(file))
    except ProfileError as error:
        problems: list[Item] = [{"where": each.where, "what": each.what} for each in error.problems]
        if as_json:
            show_json({"valid": False, "problems": problems, "warnings": [], "digest": None})
        else:
            out().print(table(problems, (("Where", "where"), ("What", "what"))))
        raise Failure(f"{file} is not valid") from None
    found = warnings(profile)
    if as_json:
        return show_json({"valid": True, "problems": [], "warnings": found, "digest": digest(profile)})
    out().print(f"{profile.name} {profile.version} is valid, digest {digest(profile)}", markup=False)
    for warning in found:
        out().print(f"- {warning}", markup=False, soft_wrap=True)
    return None


@app.command()
def explain(
    attribute: Annotated[str, typer.Argument(help="A keyword, (gggg,eeee) or gggg,eeee.")],
    profile: Annotated[str | None, typer.Option(help="A built-in one, or a YAML file; basic by default.")] = None,
    project: OfProject = None,
    version: OfVersion = None,
    sop_class: SopClass = "",
    as_json: Json = False,
) -> None:
    """Say what happens to an attribute, and by which row of the standard."""
    if profile and project:
        raise typer.BadParameter("either --profile or --project")
    found = explained(taken(profile or "basic", project, version).profile, attribute, sop_class)
    if as_json:
        return show_json(found)
    out().print(found["sentence"], markup=False, soft_wrap=True)
    shown = {"tag": found["tag"], "VR": found["vr"]} | ({"row": found["row"]} if found["row"] else {})
    for place in ("top", "nested"):
        shown[place] = f"{found[place]['act']}, code {found[place]['code']}, by {found[place]['source']}"
        if found[place]["type"]:
            shown[place] += f", Type {found[place]['type']}"
    return record(shown, as_json=False)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A built-in profile, or a YAML file.")],
    second: Annotated[str | None, typer.Argument(metavar="B", help="The same; not with --project.")] = None,
    project: OfProject = None,
    version: OfVersion = None,
    sop_class: SopClass = "",
    as_json: Json = False,
) -> None:
    """Show what changes from A to B; with --project, from what the project has to A."""
    if bool(second) == bool(project):
        raise typer.BadParameter("either A and B, or A and --project")
    old: Source = taken(None, project, version) if project else taken(first)
    new = taken(first) if project else taken(second)
    listing(compared(old.profile, new.profile, sop_class), CHANGES, as_json, "they do the same")


@app.command("set")
def set_profile(
    project: str,
    file: File,
    reason: Annotated[str, typer.Option(help="Why; for people.")],
    as_json: Json = False,
) -> None:
    """Give a project the next version of its profile; 5 when somebody else has just done so."""
    path = f"/projects/{segment(project)}/profile"
    with Client() as client:
        _, etag = client.marked(path)
        body = {"content": text(file), "reason": reason}
        made = client.put(path, body, replaces=etag)
    if as_json:
        return show_json(made)
    out().print(f"{project} has version {made['version']} of its profile, digest {made['digest']}", markup=False)
    for warning in made["warnings"]:
        remark(f"- {warning}")
    return None


@app.command()
def versions(project: str, as_json: Json = False) -> None:
    """List the versions of a project's profile."""
    path = f"/projects/{segment(project)}/profile/versions"
    with Client() as client:
        listing(client.items(path), VERSIONS, as_json, f"{project} has a built-in profile")


def _one(which: str | None, project: str | None) -> None:
    if bool(which) == bool(project):
        raise typer.BadParameter("either PROFILE or --project")
