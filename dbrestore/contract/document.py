"""The base of every document that crosses a border: frozen, camelCase in JSON, unknown keys refused."""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

# defer_build: a program imports many models and reads few; each is built when it is first used.
CONFIG: Final = ConfigDict(
    alias_generator=to_camel,
    populate_by_name=True,
    extra="forbid",
    frozen=True,
    defer_build=True,
    ser_json_bytes="base64",
)
# For `pydantic.dataclasses.dataclass` with slots: what a document has tens of thousands of, in a quarter of a model's memory.
PART: Final = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", defer_build=True)


class Document(BaseModel):
    """One typed model per document; its JSON Schema is generated into docs/contract/."""

    model_config = CONFIG

    def to_json(self) -> str:
        """The document as one line of JSON with the keys as they cross the border."""
        return self.model_dump_json(by_alias=True)

    def to_state(self) -> dict[str, object]:
        """The document as JSON-ready values, for a state section or a DynamoDB item."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a document. Raises pydantic.ValidationError with every problem at once."""
        return cls.model_validate_json(text)

    @classmethod
    def of_any_version(cls, values: Mapping[str, Any]) -> Self:
        """Read values that another version may have written: unknown keys are ignored. Raises pydantic.ValidationError."""
        return cls.model_validate(values, extra="ignore")

    @classmethod
    def from_json_of_any_version(cls, text: str | bytes) -> Self:
        """The same of a document in JSON. Raises pydantic.ValidationError."""
        return cls.model_validate_json(text, extra="ignore")
