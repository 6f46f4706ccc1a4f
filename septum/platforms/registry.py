"""Which platform has this name? The one place that finds a platform's module.

A platform is a line of settings.PLATFORMS and a module of this folder with the same name. It is
imported when its name comes up: a start on one pays nothing for the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from septum.settings import PLATFORMS

if TYPE_CHECKING:
    from septum.host.journal import Journal
    from septum.platforms.platform import Platform

known: dict[str, Platform] = {}  # those that have come up, by name


def platform(name: str) -> Platform:
    """The platform a table names. The table's reader has refused any other name."""
    if name not in known:
        assert any(name == one.name for one in PLATFORMS), f"{name} is no platform"
        known[name] = import_module(f"septum.platforms.{name}").PLATFORM
    return known[name]


def restore(journal: Journal) -> list[str]:
    """Give back what dead processes of any platform held; a line for each thing."""
    return [line for one in PLATFORMS for line in platform(one.name).restore(journal)]
