"""Reads pipeline.yaml and expectation suites without guessing types and without dropping anything silently.

The rules are those of YAML 1.2's core schema, limited to unmistakable values. `true`, `false`, `null` and decimal
numbers have a type. Everything else (`NO`, `on`, `010`, `1_000`, `0x1F`, `1:30`, `2024-01-01`, `.inf`) stays text, and
the schema or the column's type decides whether a text is allowed there. A key is always text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from include.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TypeAlias

#: A value of a YAML file; a key of a mapping is always text.
YamlValue: TypeAlias = "bool | int | float | str | list[YamlValue] | dict[str, YamlValue] | None"

#: The parser; PyYAML's C library is ten times faster, and every task reads pipeline.yaml.
PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Maximum size of a file that is read while Airflow parses DAGs; reading one of this size takes about a second.
MAX_BYTES = 1_000_000
#: Maximum levels of nesting, and values including those that aliases repeat; more is a mistake or an attack.
MAX_DEPTH, MAX_VALUES = 50, 1_000_000

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
#: Unquoted text that other YAML parsers read as a boolean or a number.
_AMBIGUOUS = re.compile(r"yes|no|on|off|[-+]?\.(inf|nan)|[-+]?[0-9][0-9a-fx_:.]*", re.IGNORECASE)
#: Allowed tags of a value, which make an unquoted value text.
_TEXT = ("tag:yaml.org,2002:str", "!")
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class YamlFile:
    """The content of a file.

    Attributes
    ----------
    data
        The document, or None where the file is empty.
    lines
        The line of each field, counted from 1, by its path of keys and positions.
    ambiguous
        Unquoted text that other YAML parsers read as a boolean or a number, such as `no` and `1_000`, by its path.
    """

    data: YamlValue
    lines: dict[tuple[str | int, ...], int]
    ambiguous: dict[tuple[str | int, ...], str]

    def line(self, path: tuple[str | int, ...]) -> int:
        """Return the line of a field, or of its nearest parent that is in the file."""
        return next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 1)


class _Mistake(Exception):
    """A mistake that makes a file unreadable, with its line."""

    def __init__(self, line: int | None, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def read_yaml(path: Path, shown: str, max_bytes: int = MAX_BYTES) -> YamlFile:
    """Read a YAML file.

    Parameters
    ----------
    shown
        The name of the file in errors.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not valid YAML, or has a field twice; one sentence on each line.
    """
    text = _text_of(path, shown, max_bytes)
    try:
        builder = _Builder(text)
        data = builder.document()
    except _Mistake as mistake:
        raise ConfigError(f"{shown}{f':{mistake.line}' if mistake.line else ''}: {mistake}") from mistake
    except yaml.YAMLError as error:
        raise ConfigError(_not_valid(shown, text, error)) from error
    if builder.twice:
        raise ConfigError("\n".join(f"{shown}:{line}: {told}" for line, told in builder.twice))
    return YamlFile(data, builder.lines, builder.ambiguous)


def write_yaml(data: object, width: float) -> str:
    """Return data as YAML that `read_yaml` reads back unchanged; lines longer than `width` are wrapped."""
    return yaml.dump(data, Dumper=_Writer, default_flow_style=None, sort_keys=False, allow_unicode=True, width=width)


def not_a_number(value: object) -> str | None:
    """Return why a value is not a number although other libraries would accept it as one; None where it is fine.

    They read `true` as 1, and some YAML parsers read `010` as eight, others as ten.
    """
    if isinstance(value, bool):
        return f"expected a number, found {str(value).lower()}"
    if isinstance(value, str) and re.fullmatch(r"[-+]?0[0-9_]+(\.[0-9_]*)?", value):
        return f"expected a number, found '{value}', which may be octal; write it without the leading 0"
    if isinstance(value, str) and re.fullmatch(r"[-+]?\.?(nan|inf|infinity)", value, re.IGNORECASE):
        return f"expected a number, found '{value}'; write a finite one"
    return None


def _text_of(path: Path, shown: str, max_bytes: int) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{shown}: this is not a file; replace it with a YAML file")
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{shown}: the file cannot be read ({error.strerror or error}); check it") from error
    if len(content) > max_bytes:
        raise ConfigError(f"{shown}: the file has more than {max_bytes:,} bytes; shorten it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{shown}:{line}: the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from error


def _not_valid(shown: str, text: str, error: yaml.YAMLError) -> str:
    """Say in one line where and why a file is not valid YAML."""
    mark = getattr(error, "problem_mark", None)
    where = f":{mark.line + 1}" if mark else ""
    line = "".join(text.splitlines()[mark.line : mark.line + 1]) if mark else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return f"{shown}{where}: this is not valid YAML: a tab indents the line; use spaces"
    problem = (getattr(error, "problem", None) or str(error) or type(error).__name__).splitlines()[0]
    return f"{shown}{where}: this is not valid YAML: {problem}; check indentation and quotes"


class _Writer(yaml.SafeDumper):
    """Quotes texts that our parser would read as numbers and PyYAML would not."""


_Writer.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"(?:{_FLOAT.pattern})$"), list("-+.0123456789"))


class _Builder:
    """Builds a document from the parser's events and notes the line of each field."""

    def __init__(self, text: str) -> None:
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.twice: list[tuple[int, str]] = []
        self.ambiguous: dict[tuple[str | int, ...], str] = {}
        self._events = _events(text)
        self._anchors: dict[str, tuple[YamlValue, int]] = {}
        self._open: set[str] = set()
        self._values = 0

    def document(self) -> YamlValue:
        """Return the only document of the text, or None where there is none."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        data = self._value(next(self._events), ())
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Mistake(_line(after), "a second document begins here; remove the line `---`")
        return data

    def _value(self, event: yaml.Event, path: tuple[str | int, ...]) -> YamlValue:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        assert isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)), "a value begins here"
        anchor, before = event.anchor, self._values
        if anchor:
            self._open.add(anchor)
        self._count(1, event)
        if isinstance(event, yaml.ScalarEvent):
            data = _scalar(event)
            if event.implicit[0] and isinstance(data, str) and _AMBIGUOUS.fullmatch(data):
                self.ambiguous[path] = data
        elif len(path) >= MAX_DEPTH:
            raise _Mistake(_line(event), f"more than {MAX_DEPTH} levels are nested here; check the brackets")
        elif event.tag is not None and event.tag not in _COLLECTIONS:
            raise _unknown_tag(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            data = self._list(path)
        else:
            data = self._mapping(path)
        if anchor:
            self._open.discard(anchor)
            self._anchors[anchor] = (data, self._values - before)
        return data

    def _list(self, path: tuple[str | int, ...]) -> list[YamlValue]:
        items: list[YamlValue] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            place = (*path, len(items))
            self.lines[place] = _line(event)
            items.append(self._value(event, place))
        return items

    def _mapping(self, path: tuple[str | int, ...]) -> dict[str, YamlValue]:
        fields: dict[str, YamlValue] = {}
        merged: list[dict[str, YamlValue]] = []
        seen: set[str] = set()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._key(event)
            place = (*path, name)
            if name in seen:
                field = ".".join(map(str, place))
                first = self.lines[place]
                self.twice.append(
                    (_line(event), f"{field}: this field is written twice, first in line {first}; keep one of them")
                )
            seen.add(name)
            self.lines[place] = _line(event)
            merges = name == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]
            value = self._value(next(self._events), place)
            if merges:
                merged = _mappings(value, event)
            else:
                fields[name] = value
        for each in merged:
            for name in each.keys() - seen:
                self.lines[(*path, name)] = self.lines[(*path, "<<")]
            fields = each | fields
        return fields

    def _key(self, event: yaml.Event) -> str:
        if isinstance(event, yaml.AliasEvent):
            name = self._aliased(event)
        else:
            name = event.value if isinstance(event, yaml.ScalarEvent) else None
        if not isinstance(name, str):
            raise _Mistake(
                _line(event), "this is not valid YAML: a field's name is not a text; check indentation and quotes"
            )
        return name

    def _aliased(self, event: yaml.AliasEvent) -> YamlValue:
        if event.anchor in self._open:
            raise _Mistake(_line(event), f"the alias *{event.anchor} is inside the value that it repeats; write it out")
        if event.anchor not in self._anchors:
            raise _Mistake(_line(event), f"the alias *{event.anchor} has no anchor &{event.anchor} above it")
        data, values = self._anchors[event.anchor]
        self._count(values, event)
        return data

    def _count(self, values: int, event: yaml.Event) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise _Mistake(_line(event), f"the file has more than {MAX_VALUES:,} values, counting those of aliases")


def _events(text: str) -> Iterator[yaml.Event]:
    parser = PARSER(text)
    while True:
        yield parser.get_event()


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None, "the parser marks each event"
    return event.start_mark.line + 1


def _scalar(event: yaml.ScalarEvent) -> YamlValue:
    """Return the value of a text, number, boolean or null."""
    written, (plain, _) = event.value, event.implicit
    if "\0" in written:
        raise _Mistake(_line(event), "the text has a zero byte; remove it")
    if not plain and event.tag is not None and event.tag not in _TEXT:
        raise _unknown_tag(event)
    if not plain:
        return written
    if written in _NULL:
        return None
    if written in _BOOLEAN:
        return _BOOLEAN[written]
    if not _FLOAT.fullmatch(written):
        return written
    try:
        number = int(written) if _INTEGER.fullmatch(written) else float(written)
    except ValueError as error:
        raise _Mistake(_line(event), "the number has too many digits; shorten it") from error
    if number in (float("inf"), float("-inf")):
        raise _Mistake(_line(event), f"{written} is too large for a number; quote it if it is a text")
    return number


def _mappings(value: YamlValue, event: yaml.Event) -> list[dict[str, YamlValue]]:
    """Return the mappings that `<<` merges; earlier ones take precedence."""
    given = value if isinstance(value, list) else [value]
    merged = [each for each in given if isinstance(each, dict)]
    if len(merged) < len(given):
        raise _Mistake(_line(event), "`<<` needs the alias of a mapping, such as `<<: *usual`; found something else")
    return merged


def _unknown_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> _Mistake:
    shown = (event.tag or "").replace("tag:yaml.org,2002:", "!!")
    return _Mistake(_line(event), f"the tag {shown} has no meaning here; remove it")
