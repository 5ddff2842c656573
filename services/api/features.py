"""What a project ticks in its application, as the profile that does it: afterwards the profile is the one truth."""

from typing import Final, Literal

from pydantic import Field

from deidentification import Option
from deidentification.profiles import BUILT_IN, Profile, write_profile
from deidentification.profiles.model import Selector
from services.api.answers import Shape, example
from services.api.needs import Expression

PRESENTATION_STATES: Final = (Selector(modality="PR"), Selector(sop_class="1.2.840.10008.5.1.4.1.1.11."))
SECONDARY_CAPTURES: Final = (
    Selector(sop_class="1.2.840.10008.5.1.4.1.1.7"),
    Selector(sop_class="1.2.840.10008.5.1.4.1.1.7."),
)


class PixelExclusion(Shape):
    """Series whose pixels are never read for text: the project answers for it."""

    model_config = example(attribute="SeriesDescription", matches="^MPR")
    attribute: Literal["ImageComments", "SeriesDescription"]
    matches: Expression = Field(description="regular expression that is searched for")

    def selector(self) -> Selector:
        """As the profile says it."""
        if self.attribute == "ImageComments":
            return Selector(image_comments=self.matches)
        return Selector(series_description=self.matches)


class Features(Shape):
    """What is done differently for a project."""

    model_config = example(
        drop_presentation_states=True, pixel_exclusions=[{"attribute": "ImageComments", "matches": "x"}]
    )
    drop_presentation_states: bool = False
    drop_secondary_captures: bool = False
    never_rewrite_pixels: bool = Field(default=False, description="images that may carry text wait for a reviewer then")
    pixel_exclusions: list[PixelExclusion] = Field(default=[], max_length=50)


def profile_of(project: str, base: str, features: Features) -> str | None:
    """The project's own profile as YAML; None: the built-in one does all of it."""
    built_in = BUILT_IN[base]
    drop, pixels = list(built_in.drop), built_in.pixels
    if features.drop_presentation_states:
        drop += PRESENTATION_STATES
    if features.drop_secondary_captures:
        drop += SECONDARY_CAPTURES
    options = built_in.options
    if features.never_rewrite_pixels:
        pixels, options = pixels.model_copy(update={"images": "none"}), options - {Option.PIXELS}
    exempt = [each.selector() for each in features.pixel_exclusions]
    pixels = pixels.model_copy(update={"exempt": (*pixels.exempt, *exempt)})
    own = {"options": options, "drop": tuple(dict.fromkeys(drop)), "pixels": pixels}
    if all(getattr(built_in, name) == value for name, value in own.items()):
        return None
    described = f"{base}, as the project has applied for it"
    made: Profile = built_in.model_copy(update=own | {"name": project, "version": "1", "description": described})
    return write_profile(made)
