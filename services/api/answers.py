"""What all answers share."""

from collections.abc import Iterator
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from services.api.paging import note


def _make_strict(schema: Any) -> None:
    """Numbers and truth values as JSON has them; dates and the like are strings there and stay what they are."""
    if isinstance(schema, dict):
        if schema.get("type") in ("bool", "int", "float"):
            schema["strict"] = True
        for part in schema.values():
            _make_strict(part)
    elif isinstance(schema, list):
        for part in schema:
            _make_strict(part)


class Shape(BaseModel):
    """A body, asked or answered; takes no 0 for false, and never quotes a value when it does not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_strict(schema)
        return schema


class Change(Shape):
    """What is to be different in something that people edit; what it does not name stays."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        handler.resolve_ref_schema(schema)["minProperties"] = 1
        return schema

    def given(self) -> dict[str, Any]:
        """What was named."""
        return self.model_dump(include=self.model_fields_set)


T = TypeVar("T", bound=BaseModel)


class Page(Shape, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: Annotated[int, Field(description="of the whole list")]

    def model_post_init(self, _: Any) -> None:
        note(self.total)


def example(**values: Any) -> ConfigDict:
    """A model's configuration with one example for OpenAPI."""
    return ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra={"examples": [values]})


def examples_of(kind: type[BaseModel]) -> Iterator[tuple[str, list[Any]]]:
    """The examples of all models of a kind, by the models' names."""
    for model in kind.__subclasses__():
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and isinstance(examples := extra.get("examples"), list):
            yield model.__name__, examples
        yield from examples_of(model)
