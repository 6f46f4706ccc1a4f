"""How does a command print rows for people?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_GAP = "  "


def table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Aligned text, a heading and a line a row; numbers to the right, "-" for nothing.

    `columns` are keys of the rows, in order; their heading is the key with spaces for "_".
    """
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    headings = [column.replace("_", " ").upper() for column in columns]
    numeric = [
        bool(rows) and all(isinstance(row.get(column), int | float | None) for row in rows)
        for column in columns
    ]
    widths = [
        max(len(line[place]) for line in [headings, *cells]) for place in range(len(columns))
    ]
    return "\n".join(
        _GAP.join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in [headings, *cells]
    )


def cell(value: object) -> str:
    """One value as people read it, on one line; nothing in it moves the terminal's cursor."""
    if value is None or value == "" or value == () or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else " " for letter in value)
    if isinstance(value, list | tuple):
        return ",".join(cell(item) for item in value)
    return str(value)


def in_json(value: object) -> object:
    """The same value in terms JSON has: records become objects, addresses text, bytes hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        if type(value).__name__ == "PciAddress":
            return str(value)
        return {name: in_json(getattr(value, name)) for name in value._fields}
    if isinstance(value, list | tuple):
        return [in_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): in_json(item) for key, item in value.items()}
    return value
