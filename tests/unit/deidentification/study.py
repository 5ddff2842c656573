"""One synthetic study of every kind of object, mutually consistent, of a patient who is known word by word."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from tests.unit.deidentification import study_documents, study_images, study_objects
from tests.unit.deidentification.study_patient import written

Make = Callable[[], Dataset]


@cache
def _images() -> tuple[Dataset, ...]:
    return tuple(study_images.ct(number) for number in range(1, study_images.SLICES + 1))


def _of_images(make: Callable[[list[Dataset]], Dataset]) -> Make:
    return lambda: make(list(_images()))


# What the object is called -> what makes it.
OBJECTS: Final[dict[str, Make]] = {
    **{f"ct{number}": partial(study_images.ct, number) for number in range(1, study_images.SLICES + 1)},
    "pet": study_images.pet,
    "enhanced-mr": study_images.enhanced_mr,
    "us": study_images.ultrasound,
    "sc": study_images.capture,
    "slide-volume": partial(study_images.slide, "VOLUME", 1),
    "slide-label": partial(study_images.slide, "LABEL", 2),
    "slide-overview": partial(study_images.slide, "OVERVIEW", 3),
    "rtstruct": _of_images(study_objects.rtstruct),
    "rtplan": study_objects.rtplan,
    "seg": _of_images(study_objects.segmentation),
    "reg": study_objects.registration,
    "pr": _of_images(study_objects.presentation),
    "ko": _of_images(study_objects.key_objects),
    "ecg": study_objects.ecg,
    "sr": _of_images(study_documents.report),
    "pdf": study_documents.pdf,
    "cda": study_documents.cda,
    "stl": study_documents.stl,
}


@cache
def encoded(name: str) -> bytes:
    """The file's bytes of one object; the same in every process."""
    return written(OBJECTS[name]())


def laid_out(folder: Path, *names: str) -> dict[str, Path]:
    """The objects (all without names) as files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.dcm" for name in names or OBJECTS}
    for name, path in paths.items():
        path.write_bytes(encoded(name))
    return paths
