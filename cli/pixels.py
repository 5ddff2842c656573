"""`fiona pixels`: what was found in the pixels of a transfer, and hidden."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, Item, segment
from cli.failure import Code, Failure
from cli.output import Column, Json, listing, out

COLUMNS: tuple[Column, ...] = (
    ("SOPInstanceUID", "sop_instance_uid"),
    ("SeriesInstanceUID of the source", "series_instance_uid"),
    ("Frames read", "read"),
    ("Frames changed", "changed"),
    ("Places", "boxes"),
    ("Masks", "masks"),
    ("Exempt", "exempt"),
)
FILES = {"texts": "texts.json", "before.png": "before.png", "after.png": "after.png"}


def pixels(
    transfer: Annotated[str, typer.Argument(metavar="TRANSFER")],
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            file_okay=False,
            help="Save texts and pictures of before and after there: for those who review. They show patients.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the instances whose pixels were read or exempt: frames, places, masks; no text that was read."""
    path = f"/transfers/{segment(transfer)}/pixels"
    with Client() as client:
        found = list(client.items(path))
        listing(found, COLUMNS, as_json, "no pixels of it were read")
        if save is not None:
            saved = sum(_save(client, f"{path}/{segment(item['sop_instance_uid'])}", item, save) for item in found)
            out().print(f"{saved} files are in {save}", markup=False)


def _save(client: Client, path: str, item: Item, folder: Path) -> int:
    """The pictures and the texts of one instance; how many files that makes."""
    saved = 0
    for there, here in FILES.items():
        try:
            content = client.content(f"{path}/{there}")
        except Failure as failure:
            if failure.code is not Code.NOT_FOUND:
                raise
        else:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(folder / f"{item['sop_instance_uid']}.{here}", content)
            saved += 1
    return saved


def _write_private(path: Path, content: bytes) -> None:
    """For the owner's eyes: the picture shows a patient."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
