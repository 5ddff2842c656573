"""What all answers share."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """A body, asked or answered; never quotes a value when it does not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


T = TypeVar("T", bound=BaseModel)


class Page(Shape, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: Annotated[int, Field(description="of the whole list")]


def example(**values: Any) -> ConfigDict:
    """A model's configuration with one example for OpenAPI."""
    return ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"examples": [values]})
