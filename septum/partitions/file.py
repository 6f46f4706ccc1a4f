"""How is a partition table read from its file?

Reading needs no machine: it knows keys and shapes (settings.py). What it cannot read it
notes as a finding and leaves out, so that the rules still see all the rest.
"""

from __future__ import annotations

import os.path
import re
from typing import Any

from septum import settings
from septum.partitions.draft import Draft, DraftInstance, Item
from septum.partitions.findings import Finding, UnsoundTable, Where
from septum.partitions.model import MemorySlice, Processors
from septum.partitions.places import Places

_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_TWICE = re.compile(r"Cannot (?:declare|mutate) .*?\((.*?)\)|Cannot overwrite a value")


def read(path: str) -> Draft:
    """The table at a path as it stands; UnsoundTable when it cannot be read as TOML at all."""
    import tomllib

    text = _text(path)
    try:
        raw = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; so is int()'s, at 4300 digits
        raise UnsoundTable(path, [_syntax(path, text, str(error))]) from None
    except RecursionError:
        found = _syntax(path, text, "its lists or tables are nested too deep (at line 1, column 1)")
        raise UnsoundTable(path, [found]) from None
    return _Reader(path, text).draft(raw)


def _text(path: str) -> str:
    remedy = "name the table's file, as in: septum check examples/two-systems.toml"
    try:
        with open(path, "rb") as file:
            return file.read().decode()
    except OSError as error:
        because = error.strerror or str(error)
        found = Finding(Where(path, 1, ""), "cannot read the table", because, remedy)
    except UnicodeDecodeError as error:
        because = f"byte {error.start} is not UTF-8: {error.reason}"
        found = Finding(Where(path, 1, ""), "the table is not a text", because, remedy)
    raise UnsoundTable(path, [found])


def _syntax(path: str, text: str, message: str) -> Finding:
    """What a TOML error means in a table's words."""
    at = _AT_LINE.search(message)
    line = int(at[1]) if at and at[1] else text.count("\n") + 1
    because = _AT_LINE.sub("", message)
    twice = _TWICE.search(because)
    if not twice:
        remedy = "correct this line; texts stand in quotes, lists in [ ], tables in { }"
        return Finding(Where(path, line, ""), "this is not TOML", because, remedy)
    names = re.findall(r"'([^']*)'", twice[1] or "")
    if len(names) == 2 and names[0] == "instances":
        first = Places(text).line(tuple(names))
        what = f"two instances are named {names[1]}"
        because = f"the first stands on line {first}"
        return Finding(
            Where(path, line, ".".join(names)), what, because, "give one of them another name"
        )
    key = ".".join(names) or text.split("\n")[line - 1].split("=")[0].strip()
    return Finding(Where(path, line, key), f"{key} is given twice", because, "keep one of the two")


class _Reader:
    """Reads one file; what it cannot read, it adds to its findings."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.places = Places(text)
        self.findings: list[Finding] = []
        self.platform = ""  # while it is not known: nothing is refused for its sake

    def draft(self, raw: dict[str, Any]) -> Draft:
        self._refuse_unknown(raw, ("machine", "instances"), ())
        machine = self._table(raw.get("machine", {}), ("machine",))
        platform = machine.get("platform", settings.default("machine", "platform"))
        if platform in settings.PLATFORM_NAMES:
            self.platform = platform
        values = self._section("machine", machine, ("machine",))
        instances = self._table(raw.get("instances", {}), ("instances",))
        drafts = [
            self._instance(name, self._table(instances[name], ("instances", name)))
            for name in instances
        ]
        computer = values["computer"]
        if "/" in computer or computer.endswith(".toml"):
            computer = self._absolute(computer)
        found = tuple(self.findings)
        return Draft(self.path, self.places, values["platform"], tuple(drafts), found, computer)

    def _instance(self, name: str, raw: dict[str, Any]) -> DraftInstance:
        values = self._section("instance", raw, ("instances", name))
        values["memory"] = self._memory(values["memory"])
        key = ("instances", name, "processors")
        values["processors"] = self._processors(values["processors"], key)
        return DraftInstance(name, **values)

    def _absolute(self, path: str) -> str:
        """Relative to the table's folder, so that a table and its kernels move together."""
        folder = os.path.dirname(os.path.abspath(self.path))
        return os.path.normpath(os.path.join(folder, path))

    def _memory(self, value: Any) -> MemorySlice | None:
        if isinstance(value, dict):
            base, floating = value["base"], value["float"]
            if base is None or floating is None:
                return None
            return MemorySlice(base, floating, value["at"])
        return None if value is None else MemorySlice(value, 0)

    def _processors(self, value: Any, key: tuple[str, ...]) -> Processors | None:
        if value is None:
            return None
        share, own = value["share"], value["own"]
        if (share is None) == (own is None):
            what = "processors are neither shared nor owned"
            if share is not None:
                what = "processors are both shared and owned"
            because = "it has both share and own" if share else "it has neither share nor own"
            if not any(finding.where.key.startswith(".".join(key)) for finding in self.findings):
                self._find(key, what, because, "write { share = [0, 1] } or { own = [1] }")
            return None
        numbers = tuple(item.value for item in (own if share is None else share))
        return Processors(numbers, share is None, value["weight"], value["count"])

    def _section(self, name: str, raw: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
        """The section's values by key: as given, else the default; None where there is neither."""
        known = settings.section(name)
        self._refuse_unknown(raw, tuple(known), key)
        values: dict[str, Any] = {}
        for item in known.values():
            values[item.key] = None if item.default is settings.REQUIRED else item.default
            if item.key in raw:
                value = self._known_value(item, raw[item.key], (*key, item.key))
                values[item.key] = values[item.key] if value is None else value
            elif item.default is settings.REQUIRED:
                because = f"{item.key} ({item.help}) has no default"
                remedy = f"add {item.key} = {item.shape.name}"
                self._find(key, f"{item.key} is missing", because, remedy)
        return values

    def _known_value(self, item: settings.Setting, raw: Any, key: tuple[str, ...]) -> Any:
        """The value, unless this platform's tables may not say it."""
        because = settings.refusal(item, self.platform)
        if not because:
            return self._value(item, raw, key)
        what = f"{item.key} is not for the platform {self.platform}"
        self._find(key, what, because, "leave it out")
        return None

    def _value(self, item: settings.Setting, raw: Any, key: tuple[str, ...]) -> Any:
        shape = item.shape
        if shape.section and isinstance(raw, dict):
            return self._section(shape.section, raw, key)
        if shape.section == "processors" or (shape.each and not isinstance(raw, list)):
            self._bad(item, key, f"{settings.shown(raw)} is not {shape.name}")
            return None
        if shape.pairs:
            return self._pairs(item, raw, key)
        if not shape.each:
            return self._one(item, raw, key)
        found = [Item(self._one(item, one, key, in_list=True), str(one)) for one in raw]
        readable = tuple(one for one in found if one.value is not None)
        return None if raw and not readable else readable

    def _pairs(self, item: settings.Setting, raw: Any, key: tuple[str, ...]) -> Any:
        if not isinstance(raw, dict):
            self._bad(item, key, f"{settings.shown(raw)} is not {item.shape.name}")
            return None
        found = []
        for word, value in raw.items():
            pair = tuple(self._one(item, one, key, in_list=True) for one in (word, value))
            if None not in pair:
                found.append(Item(pair, word))
        return tuple(found)

    def _one(
        self, item: settings.Setting, raw: Any, key: tuple[str, ...], in_list: bool = False
    ) -> Any:
        try:
            value = item.shape.read(raw)
            return self._absolute(str(value)) if item.shape is settings.PATH else value
        except ValueError as error:
            self._bad(item, key, str(error), word=str(raw) if in_list else "")
            return None

    def _table(self, raw: Any, key: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(raw, dict):
            return raw
        dotted = ".".join(key)
        because = f"{settings.shown(raw)} stands where a table is expected"
        self._find(key, f"{dotted} is not a table", because, f"begin it with a line [{dotted}]")
        return {}

    def _refuse_unknown(
        self, raw: dict[str, Any], known: tuple[str, ...], key: tuple[str, ...]
    ) -> None:
        for name in raw:
            if name not in known:
                meant = settings.nearest(name, known)
                remedy = f"did you mean {meant}?" if meant else "leave it out"
                because = f"known here: {', '.join(known)}"
                self._find((*key, name), f"{name} is not a known key", because, remedy)

    def _bad(
        self, item: settings.Setting, key: tuple[str, ...], because: str, word: str = ""
    ) -> None:
        remedy = f"write {item.shape.name}"
        self._find(key, f"{item.key} cannot be read", because, remedy, word)

    def _find(
        self, key: tuple[str, ...], what: str, because: str, remedy: str, word: str = ""
    ) -> None:
        where = Where(self.path, self.places.line(key, word), ".".join(key))
        self.findings.append(Finding(where, what, because, remedy))
