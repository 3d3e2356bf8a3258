"""The schema of a source's `contract` in pipeline.yaml: which changes the source may make without an edit there."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from include.config.section import Name, Section, yaml_word

Infinity = Literal["refuse", "null"]


def _infinity(value: Any) -> Any:
    """Return what becomes of infinite numbers, for all columns or by column."""
    by_column = value if isinstance(value, dict) else {"infinity": value}
    words = {name: yaml_word(each) for name, each in by_column.items()}
    for name, word in words.items():
        if word not in get_args(Infinity):
            raise ValueError(
                f"{name} is {word!r}, and refuse or null is expected, or a mapping of columns, such as {{price: null}}"
            )
    return words if isinstance(value, dict) else words["infinity"]


class Contract(Section):
    """What a source may change without an edit here; what is not allowed is an error."""

    added: Literal["refuse", "ignore"] = Field(
        default="refuse", description="A column that `columns` does not declare: refuse it, or leave it out."
    )
    dropped: Annotated[
        Literal["refuse", "null"], BeforeValidator(yaml_word, json_schema_input_type=Literal["refuse", "null", None])
    ] = Field(default="refuse", description="A declared column that is not delivered: refuse, or fill it with null.")
    renamed: dict[str, str] = Field(default={}, description="The source's name of a column: the declared one.")
    retyped: Literal["refuse_key", "cast", "refuse"] = Field(
        default="refuse_key",
        description="A column of another type than in the last batch. cast: cast it where every value fits. refuse: "
        "refuse it. refuse_key: cast it, but refuse a key column that is declared as string, whose text may change.",
    )
    infinity: Annotated[
        Infinity | dict[str, Infinity],
        BeforeValidator(
            _infinity,
            json_schema_input_type=Literal["refuse", "null", None] | dict[str, Literal["refuse", "null", None]],
        ),
    ] = Field(
        default="refuse",
        description="An infinite number, such as inf or 1e400: refuse it, or make it null, in all columns or by column "
        "({price: null} refuses it in all others). NaN is null.",
    )
    shrinks: Literal["warn", "refuse"] = Field(
        default="warn",
        description="A day that is delivered again with fewer rows than are published of it: warn, or refuse it.",
    )
    retired: list[Name] = Field(
        default=[], description="Columns that were declared once; the lake keeps them, null from now on."
    )

    def infinity_of(self, column: str) -> Infinity:
        """Return what becomes of an infinite number in a column."""
        return self.infinity.get(column, "refuse") if isinstance(self.infinity, dict) else self.infinity
