"""scripts/test: runs every part, whatever became of the parts before it, and adds up what passed and failed."""

import argparse
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

import lint
from console import Console, run_main, table
from layout import ROOT

RELEASE = ROOT / "build"
SANITIZED = ROOT / "build-asan"
RESULTS = ROOT / ".cache/results"
PYTHON = ROOT / ".cache/venv/bin/python"
SUITES = ("unit", "sim", "fuzz")

SANITIZED_OPTIONS = ("--buildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false")
SANITIZED_TIMEOUT_FACTOR = 3
SANITIZED_FUZZ_RUNS = 2000


@dataclass
class Outcome:
    """What became of one part."""

    passed: int = 0
    failed: list = field(default_factory=list)  # names
    skipped: list = field(default_factory=list)
    seconds: float = 0.0


def _run(command, **environment):
    """Run with the output going to ours. Returns the exit code."""
    sys.stdout.flush()
    return subprocess.run([str(word) for word in command], cwd=ROOT, env={**os.environ, **environment},
                          stdin=subprocess.DEVNULL, check=False).returncode


def _meson_results(outcome, build):
    """Add up the log of the last `meson test`: a JSON object a line."""
    for line in (build / "meson-logs/testlog.json").read_text().splitlines():
        entry = json.loads(line)
        if entry["result"] in ("OK", "EXPECTEDFAIL"):
            outcome.passed += 1
        elif entry["result"] == "SKIP":
            outcome.skipped.append(entry["name"])
        else:
            outcome.failed.append(f"{entry['name']} ({entry['result'].lower()})")


def _meson_test(build, timeout_factor, **environment):
    outcome = Outcome()
    log = build / "meson-logs/testlog.json"
    log.unlink(missing_ok=True)
    code = _run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", "--num-processes",
                 os.cpu_count() or 1, "-t", timeout_factor, *(word for suite in SUITES for word in ("--suite", suite))],
                **environment)
    if log.exists():
        _meson_results(outcome, build)
    if code != 0 and not outcome.failed:
        outcome.failed.append(f"meson test (exit {code})")
    return outcome


def part_release(_options):
    """release build; unit, sim and fuzz tests"""
    if _run([ROOT / "scripts/build"]) != 0:
        return Outcome(failed=["build"])
    return _meson_test(RELEASE, 1)


def part_sanitized(_options):
    """the same tests under AddressSanitizer and UndefinedBehaviorSanitizer"""
    if not (SANITIZED / "build.ninja").exists() and _run(["meson", "setup", *SANITIZED_OPTIONS, SANITIZED, ROOT]) != 0:
        return Outcome(failed=["sanitized build: meson setup"])
    if _run(["ninja", "--quiet", "-C", SANITIZED]) != 0:
        return Outcome(failed=["sanitized build"])
    return _meson_test(SANITIZED, SANITIZED_TIMEOUT_FACTOR, FUZZ_RUNS=str(SANITIZED_FUZZ_RUNS))


def part_lint(_options):
    """format, layers, purity of the cores, clang-tidy, cppcheck"""
    outcome = Outcome()
    for name, problems, _ in lint.run_checks(list(lint.CHECKS), lint.parse([])):
        if problems:
            outcome.failed.append(f"lint {name}")
        else:
            outcome.passed += 1
    return outcome


def _junit_results(outcome, path):
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.append(name)
        elif case.find("skipped") is not None:
            outcome.skipped.append(name)
        else:
            outcome.passed += 1


def _pytest(name, *words):
    outcome = Outcome()
    report = RESULTS / f"{name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    code = _run([PYTHON, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *words, ROOT / "tests" / name])
    if report.exists():
        _junit_results(outcome, report)
    if code != 0 and not outcome.failed:
        outcome.failed.append(f"pytest {name} (exit {code})")
    return outcome


def part_vectors(_options):
    """the independent Python implementation against the vectors"""
    return _pytest("vectors", "-q", "--tb=short")


def part_cluster(_options):
    """clusters on a real broker and a real database"""
    return _pytest("cluster", "-v", "--tb=short")


PARTS = {"release": part_release, "sanitized": part_sanitized, "lint": part_lint, "vectors": part_vectors,
         "cluster": part_cluster}
SLOW = ("sanitized", "cluster")
NEED_RELEASE = ("lint", "cluster")  # They look at, or start, what is in build/.


def _parse():
    parser = argparse.ArgumentParser(
        prog="test", description="Install what is missing, build, and run every test. Parts: " +
        "; ".join(f"{name}: {part.__doc__}" for name, part in PARTS.items()) + ". Every part runs even if one before it "
        "failed. The last line is `N passed, N failed`; exit 0 only if something ran and nothing failed.")
    parser.add_argument("--quick", action="store_true", help=f"without {' and '.join(SLOW)}")
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="PART",
                        help=f"only this part (may be given again): {', '.join(PARTS)}")
    return parser.parse_args()


def _chosen(options):
    return [name for name in PARTS
            if (name in options.only if options.only else not (options.quick and name in SLOW))]


def _run_part(name, options, console):
    console.step(f"{name}: {PARTS[name].__doc__}")
    started = time.monotonic()
    try:
        outcome = PARTS[name](options)
    except Exception as error:  # pylint: disable=broad-except; a part that breaks is a failed part, and the next one runs
        outcome = Outcome(failed=[f"{name}: {type(error).__name__}: {error}"])
    outcome.seconds = time.monotonic() - started
    if not outcome.passed and not outcome.failed:
        outcome.failed.append(f"{name}: nothing ran")
    console.step(f"{name}: {outcome.passed} passed, {len(outcome.failed)} failed in {outcome.seconds:.0f} s")
    return outcome


def _summary(outcomes, console):
    console.text()
    for line in table(["part", "passed", "failed", "skipped", "seconds"],
                      [[name, outcome.passed, len(outcome.failed), len(outcome.skipped), f"{outcome.seconds:.0f}"]
                       for name, outcome in outcomes.items()]):
        console.text(line)
    for name, outcome in outcomes.items():
        for failure in outcome.failed:
            console.text(f"FAILED {name}: {failure}")
        for skipped in outcome.skipped:
            console.text(f"skipped {name}: {skipped}")
    console.text()


def main():
    options = _parse()
    console = Console()
    chosen = _chosen(options)
    if "release" not in chosen and set(chosen) & set(NEED_RELEASE) and _run([ROOT / "scripts/build"]) != 0:
        console.text("0 passed, 1 failed")
        return 1
    outcomes = {name: _run_part(name, options, console) for name in chosen}
    _summary(outcomes, console)
    passed = sum(outcome.passed for outcome in outcomes.values())
    failed = sum(len(outcome.failed) for outcome in outcomes.values())
    console.text(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    run_main(main)
