"""The schema of a source's `contract` in pipeline.yaml: which changes the source may make without an edit there."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from include.config.section import Name, Section, yaml_word

Infinity = Literal["refuse", "null"]


def _infinity(value: Any) -> Any:
    """Parse what happens to infinite numbers, for all columns or by column."""
    by_column = value if isinstance(value, dict) else {"infinity": value}
    words = {name: yaml_word(each) for name, each in by_column.items()}
    for name, word in words.items():
        if word not in get_args(Infinity):
            raise ValueError(
                f"{name} is {word!r}, and refuse or null is expected, or a mapping of columns, such as {{price: null}}"
            )
    return words if isinstance(value, dict) else words["infinity"]


class Contract(Section):
    """Changes that a source may make without an edit of pipeline.yaml; all others are errors."""

    added: Literal["refuse", "ignore"] = Field(
        default="refuse", description="What happens to an undeclared column: refuse the batch, or ignore the column."
    )
    dropped: Annotated[
        Literal["refuse", "null"], BeforeValidator(yaml_word, json_schema_input_type=Literal["refuse", "null", None])
    ] = Field(
        default="refuse",
        description="What happens if a declared column is missing: refuse the batch, or fill the column with null.",
    )
    renamed: dict[str, str] = Field(default={}, description="Declared column names, by the source's name.")
    retyped: Literal["refuse_key", "cast", "refuse"] = Field(
        default="refuse_key",
        description="What happens if a column has another type than in the previous batch. cast: cast it if every "
        "value fits. refuse: refuse the batch. refuse_key: cast, but refuse a key column declared as string, whose "
        "text may change.",
    )
    infinity: Annotated[
        Infinity | dict[str, Infinity],
        BeforeValidator(
            _infinity,
            json_schema_input_type=Literal["refuse", "null", None] | dict[str, Literal["refuse", "null", None]],
        ),
    ] = Field(
        default="refuse",
        description="What happens to an infinite number, such as inf or 1e400: refuse the batch, or make it null, in "
        "all columns or by column ({price: null} refuses it in all others). NaN is always null.",
    )
    shrinks: Literal["warn", "refuse"] = Field(
        default="warn",
        description="What happens if a day comes again with fewer rows than published: warn, or refuse it.",
    )
    retired: list[Name] = Field(
        default=[], description="Columns that are no longer declared; the lake keeps them, with null in new rows."
    )

    def infinity_of(self, column: str) -> Infinity:
        """Return what happens to an infinite number in a column."""
        return self.infinity.get(column, "refuse") if isinstance(self.infinity, dict) else self.infinity
