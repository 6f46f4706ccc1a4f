"""What holds for all tests?"""

from __future__ import annotations

import os

from hypothesis import settings

# No deadlines: a machine that is busy with something else makes no test wrong. Where a landing
# depends on it, the same examples each time; at a desk, ever new ones.
settings.register_profile("at a desk", deadline=None)
settings.register_profile("the same each time", deadline=None, derandomize=True)
settings.load_profile("the same each time" if os.environ.get("CI") else "at a desk")
