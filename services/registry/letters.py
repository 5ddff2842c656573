"""What PIs and data managers are told, in words."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from shared.tables import Project

WHAT_FOLLOWS: Final = {
    "delete": "deleted",
    "anonymise": "fully anonymised, under new identifiers that nobody can lead back, and the old ones deleted",
    "keep": "kept",
}


def reminder(project: Project, ends_on: date) -> tuple[str, str]:
    """Subject and text of a reminder."""
    return (
        f"{project.name}: the approval ends on {ends_on}",
        f"The approval {_number(project)}of the research project {project.name} ends on {ends_on}.\n\n"
        "From that day on no images are transferred for it any more, and nothing in it can be changed. If the "
        "approval is extended, please tell the administrator the new end date before.\n",
    )


def archived(project: Project, export_on: date) -> tuple[str, str]:
    """Subject and text when a project has gone to the archive."""
    return (
        f"{project.name} is archived",
        f"The research project {project.name} {_number(project)}has come to its end and is archived: no images are "
        f"transferred for it any more, and nothing in it can be changed.\n\nOn {export_on} its data will be put "
        "together for you to download. When you have confirmed that you have them, they will be "
        f"{WHAT_FOLLOWS[project.end_provision]} here.\n",
    )


def exported(project: Project, export: str, final: bool, missing: int) -> tuple[str, str]:
    """Subject and text when a file waits for the PI."""
    end = (
        f"\n\nOnly when you have confirmed it (`fiona project confirm {project.name} {export} FILE"
        f"{f' --missing {missing}' if missing else ''}`), the data will be "
        f"{WHAT_FOLLOWS[project.end_provision]} here. Please do so when you have checked your copy: nothing can be "
        "brought back afterwards."
    )
    return (
        f"{project.name}: the data can be downloaded",
        f"The data of the research project {project.name} are ready:\n"
        f"`fiona project download {project.name} {export} --to FILE`"
        f"{_lacking(missing, final) if missing else ''}{end if final else ''}\n",
    )


def _lacking(missing: int, final: bool) -> str:
    end = " Those will then be deleted as well, so please get them from there before you confirm." if final else ""
    return (
        f"\n\nThis file does not hold all. Held here no more, and not in it: {missing} of the images that were "
        f"de-identified. What was sent of them is at the project's destinations only.{end}"
    )


def taken_back(project: Project, exports: Sequence[str], why: str) -> tuple[str, str]:
    """Subject and text when exports must not be used any more."""
    named = "\n".join(f"- {each}" for each in exports)
    return (
        f"{project.name}: please delete your copies of exports",
        f"Exports of the research project {project.name} cannot be downloaded any more, because of each of them it is "
        f"true: {why}.\n\n{named}\n\nPlease delete all copies of them. `fiona project export {project.name}` asks "
        "for a new one; the last one, if it is among these and was not confirmed, is made anew by itself.\n",
    )


def ended(project: Project, successor: str | None) -> tuple[str, str]:
    """Subject and text when nothing is left."""
    said = f" Its images live on without any link to it as {successor}." if successor else ""
    return (
        f"{project.name} is deleted",
        f"The data of the research project {project.name} are deleted from the gateway.{said}\n",
    )


def _number(project: Project) -> str:
    return f"(no. {project.approval}) " if project.approval else ""
