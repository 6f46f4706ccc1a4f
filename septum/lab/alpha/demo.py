"""Does the patent's own example work? Two systems on one Alpha computer, and a report of it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from septum.engine.alpha.processor.processor import prepare
from septum.errors import Problem
from septum.lab.alpha import files, report
from septum.lab.alpha.run import run, sound
from septum.lab.alpha.story import told
from septum.lab.progress import Progress
from septum.lab.report import written

FOLDER = Path("build/demo-alpha")
TABLE = files.CHECKOUT / "examples" / "alpha-two-systems.toml"
LIMIT = 10.0  # seconds after everything is built


def main(folder: Path = FOLDER) -> int:
    """Run it, print and write its report; 0 when all is right."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    try:
        built = files.build(progress)
        prepare(progress.say)
        result, text = judged(built)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    print(text)
    (folder / "report.json").write_text(written(result))
    print(f"the report: {folder / 'report.json'}")
    return 0 if result["sound"] else 1


def judged(built: files.AlphaFiles, table: Path = TABLE) -> tuple[dict[str, Any], str]:
    """One run of a table's systems: its report, and how it is told."""
    began = time.perf_counter()
    checked, machine = sound(table)
    finished = run(checked, machine)
    result = report.found(finished, versions(built))
    result["seconds"] = {**finished.seconds, "total": time.perf_counter() - began}
    if result["seconds"]["total"] > LIMIT:
        result["sound"] = False
        result["failures"].append(f"seconds.total: it took more than {LIMIT:.0f} s")
    return result, told(result, finished.promised)


def versions(built: files.AlphaFiles) -> dict[str, str]:
    """What each system's kernel calls itself."""
    kernels = {"blue": built.blue, "green": built.green}
    return {name: kernel.version.partition("-")[0] for name, kernel in kernels.items()}


if __name__ == "__main__":
    sys.exit(main())
