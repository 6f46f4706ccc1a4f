"""Is every setting declared once, and enough for the reader and the manual?"""

from __future__ import annotations

import pytest

from septum import settings
from septum.partitions.draft import DraftInstance
from septum.partitions.model import MemorySlice, Partition, PartitionTable, Processors
from septum.settings import REQUIRED, SECTIONS, SETTINGS, PciBus


def test_every_setting_is_declared_once_and_explained() -> None:
    keys = [(item.section, item.key) for item in SETTINGS]
    assert len(keys) == len(set(keys))
    assert all(item.help and item.section in SECTIONS for item in SETTINGS)


def test_the_manual_names_every_key_and_default() -> None:
    text = settings.manual()
    for item in SETTINGS:
        lines = [line for line in text.splitlines() if line.split()[:1] == [item.key]]
        assert any(item.help in line for line in lines), item.key
        if item.default is REQUIRED:
            assert any("(required)" in line for line in lines)
    assert "weight          share of time" in text and "(default: 100)" in text


def test_defaults_have_the_shape_they_stand_for() -> None:
    for item in SETTINGS:
        if item.default not in (REQUIRED, None, ()) and item.key != "count":  # 0: all named
            assert item.shape.read(item.default) == item.default, item.key


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        ("machine", "platform", "beta", "alpha"),
        ("instance", "kernel", "", "empty"),
        ("instance", "kernel", 5, "not a text"),
        ("instance", "kernel", "a\0b", "zero byte"),
        ("instance", "memory", -1, "below zero"),
        ("instance", "memory", 1.5, "not a size"),
        ("instance", "functions", "zz", "not a PCI address"),
        ("instance", "buses", "00:1f.2", "not a PCI bus"),
        ("processors", "weight", 0, "between 1 and 10000"),
        ("processors", "share", -1, "below zero"),
    ],
)
def test_what_cannot_be_read_is_explained(section: str, key: str, value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        settings.setting(section, key).shape.read(value)


def test_buses() -> None:
    assert PciBus.parse("03") == PciBus.parse("0000:03") == PciBus(0, 3)
    assert str(PciBus(1, 0x2A)) == "0001:2a"


def test_the_nearest_word() -> None:
    assert settings.nearest("memroy", ("memory", "kernel")) == "memory"
    assert settings.nearest("zzz", ("memory", "kernel")) == ""


def test_a_setting_is_a_field_of_the_records_made_of_it() -> None:
    """The reader and the table hand values on by name, so a new key is a row and two fields."""
    keys = set(settings.section("instance"))
    assert set(DraftInstance._fields) == {"name", *keys}
    assert set(Partition._fields) <= {"name", *keys}
    for kind, section in (
        (Partition, "instance"),
        (Processors, "processors"),
        (MemorySlice, "memory"),
        (PartitionTable, "machine"),
    ):
        for key, value in kind._field_defaults.items():
            assert value is settings.default(section, key), key


def test_platforms_refuse_words_that_there_are() -> None:
    words = {f"{item.section}.{item.key}" for item in SETTINGS}
    assert {word for platform in settings.PLATFORMS for word in platform.refuses} <= words
    assert settings.known_to(settings.setting("instance", "isa")) == ("alpha",)
    assert settings.known_to(settings.setting("instance", "kernel")) == ("pc", "alpha")
    assert "  alpha: devices of an ISA bus" in settings.manual()
