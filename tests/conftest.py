"""What holds for all tests?"""

from __future__ import annotations

import os

from hypothesis import settings

# Where a landing depends on it, the same examples each time; at a desk, ever new ones.
settings.register_profile("the same each time", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("the same each time")
