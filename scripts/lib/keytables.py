"""Writes the configuration tables of docs/operations.md from the daemons' own --help.

    python3 scripts/lib/keytables.py          print them
    python3 scripts/lib/keytables.py --write  put them between the marks in docs/operations.md
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/operations.md"
BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"
STAGES = ("ingestd", "mempoold", "consensusd", "executord", "persistd", "apid")


def keys_of(stage):
    """(name, help, what it wants) of every key."""
    text = subprocess.run([ROOT / "build/services" / stage / stage, "--help"], capture_output=True, text=True,
                          check=True).stdout.split("Environment:")[1]
    lines = [line for line in text.splitlines() if line.strip()]
    for index, line in enumerate(lines):
        if line.startswith("  ") and not line.startswith("   "):
            yield line.strip(), lines[index + 1].strip(), lines[index + 2].strip()


def tables():
    common = None
    for stage in STAGES:
        keys = list(keys_of(stage))
        if common is None:
            common = keys[:5]
            yield from _table("all six", common)
        yield from _table(stage, [key for key in keys if key not in common])


def _table(name, keys):
    yield f"### {name}\n"
    yield "| key | meaning | wants |\n|---|---|---|"
    for key, text, wants in keys:
        text, wants = (cell.replace("|", "\\|") for cell in (text, wants))
        yield f"| {key} | {text} | {wants} |"
    yield ""


def main():
    text = "\n".join(tables())
    if "--write" not in sys.argv:
        print(text)
        return
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + "\n\n" + text + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
