"""What is in an image, as CycloneDX: `sbom.py FOLDER…`, the packages of Python in the folders, and those of Debian."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from platform import python_version

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

DPKG = Path("/var/lib/dpkg/status")
LICENSES = LicenseFactory()


def licence(found: Distribution) -> list[License]:
    """What the package says of itself, in one line."""
    said = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    said = said.strip().split("\n")[0]
    return [LICENSES.make_from_string(said)] if said else []


def from_pypi(folders: Sequence[str]) -> Iterator[Component]:
    """The distributions in folders of packages."""
    for found in distributions(path=list(folders)):
        name, version = found.metadata["Name"], found.version
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, name.lower().replace("_", "-"), version),
            licenses=licence(found),
        )


def from_debian(status: Path) -> Iterator[Component]:
    """The installed packages of the base image."""
    text = status.read_text("utf-8") if status.exists() else ""
    for paragraph in text.split("\n\n"):
        field = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if field.get("Status", "").endswith(" installed"):
            purl = PackageURL("deb", "debian", field["Package"], field["Version"], {"arch": field["Architecture"]})
            yield Component(name=field["Package"], version=field["Version"], type=ComponentType.LIBRARY, purl=purl)


def bill(folders: Sequence[str], status: Path = DPKG) -> Bom:
    """The bill of materials of an image that holds the folders."""
    bom = Bom()
    bom.metadata.component = Component(name="fiona-gateway", type=ComponentType.APPLICATION)
    bom.components.add(Component(name="cpython", version=python_version(), type=ComponentType.PLATFORM))
    for component in (*from_pypi(folders), *from_debian(status)):
        bom.components.add(component)
    return bom


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)  # it would like to know what depends on what
    sys.stdout.write(JsonV1Dot6(bill(sys.argv[1:])).output_as_string(indent=1))
