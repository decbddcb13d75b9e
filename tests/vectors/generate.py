#!/usr/bin/env python3
"""Write the test vectors beside this file, from the reference implementation in tests/lib. Same bytes every time.

python3 tests/vectors/generate.py [DIRECTORY]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

import vectors_blocks
import vectors_ceremony
import vectors_checks
import vectors_equivocation
import vectors_events
import vectors_peers
import vectors_proofs
import vectors_schedule
import vectors_trees

MODULES = [vectors_events, vectors_checks, vectors_blocks, vectors_trees, vectors_proofs, vectors_schedule, vectors_equivocation,
           vectors_ceremony, vectors_peers]


def files() -> dict[str, dict[str, Any]]:
    """File name to content."""
    return {name: content for module in MODULES for name, content in module.files().items()}


def render(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, content in files().items():
        (directory / name).write_text(render(content), encoding="ascii")


if __name__ == "__main__":
    main()
