"""The base of all sections of pipeline.yaml."""

import re
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from include.core.yaml_file import not_a_number

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


def _refuse_two_parts(value: Any) -> Any:
    """Refuse a duration of two parts, which may mean hours or minutes."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+:\d+\s*", value):
        raise ValueError(f"'{value}' may be minutes or hours; write hours, minutes and seconds, such as 00:30:00")
    return value


#: The longest duration; a longer one may lead to dates that do not exist.
MAX_DAYS = 36_500
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]


def _within_calendar(span: timedelta) -> timedelta:
    if abs(span) > timedelta(days=MAX_DAYS):
        raise ValueError(f"a duration may have at most {MAX_DAYS:,} days; shorten it")
    return span


#: A duration: seconds, hours:minutes:seconds, or an ISO 8601 duration.
Duration = Annotated[timedelta, BeforeValidator(_refuse_two_parts), AfterValidator(_within_calendar)]


def yaml_word(value: Any) -> Any:
    """Turn null and false into the words null and off."""
    return "null" if value is None else "off" if value is False else value


class Section(BaseModel):
    """A part of pipeline.yaml, which refuses unknown fields and is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_plain(cls, data: Any) -> Any:
        wrong: list[InitErrorDetails] = [
            {"type": PydanticCustomError("number", "{problem}", {"problem": problem}), "loc": (name,), "input": value}
            for name, value in (data.items() if isinstance(data, dict) else ())
            if name in cls.model_fields
            and _is_number(cls.model_fields[name].annotation)
            and (problem := not_a_number(value))
        ]
        if wrong:
            raise ValidationError.from_exception_data(cls.__name__, wrong)
        return data


def _is_number(annotation: Any) -> bool:
    """Return whether a field takes a number or a duration, and neither text nor a boolean."""
    kinds = _kinds(annotation)
    return bool(kinds & {int, float, timedelta}) and not kinds & {str, bool}


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that a field allows, without the types of a list's or mapping's values."""
    if getattr(annotation, "__origin__", None) in (list, dict):
        return set()
    return {annotation}.union(*map(_kinds, get_args(annotation)))
