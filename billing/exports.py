"""Usage as CSV, a row at a time."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import Struct

from billing.money import nano_to_euro

# A cell that begins so is a formula to a spreadsheet (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file for `csv.writer` that hands each row back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


def csv_rows(kind: type[Struct], rows: Iterable[Struct]) -> Iterator[bytes]:
    """A header and a line for each row of `kind` (`UsageLine` or `UsageSum`), UTF-8, as RFC 4180 has it.

    Money (`*_nano`) is written in EUR as `*_eur`,
    exactly; an unrated cost is empty. Text that a spreadsheet would run as a formula gets a quote in front.
    """
    writer: Any = csv.writer(_Line())
    names = kind.__struct_fields__
    yield writer.writerow([_heading(name) for name in names]).encode()
    for row in rows:
        yield writer.writerow([_cell(name, getattr(row, name)) for name in names]).encode()


def _heading(name: str) -> str:
    return name.removesuffix("_nano") + "_eur" if name.endswith("_nano") else name


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name.endswith("_nano"):
        return f"{nano_to_euro(int(str(value))):f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
