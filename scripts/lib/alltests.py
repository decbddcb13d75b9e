"""scripts/test: every part of the suite, whatever became of the parts before it, a summary, and one line at the end:
N passed, N failed.

Parts: `release` (gcc release build and its unit, sim and fuzz suites), `vectors` (the independent Python reference),
`lint`, `sanitize` (the same suites under ASan and UBSan), `cluster` (whole clusters on a real broker and database).
"""

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree
from dataclasses import dataclass, field

import lint
from console import Failure, run_main, table
from layout import ROOT

RELEASE = ROOT / "build"
SANITIZE = ROOT / "build-sanitize"
REPORTS = ROOT / ".cache/test"
PYTHON = ROOT / ".cache/venv/bin/python"
FUZZ_RUNS_SANITIZED = "2000"
TIMEOUT_MULTIPLIER = "5"

SUITES = ("--suite", "unit", "--suite", "sim", "--suite", "fuzz")

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
}


@dataclass
class Result:
    """What a part found."""

    passed: int = 0
    skipped: int = 0
    failures: list = field(default_factory=list)


def _run(command, environment=None, show=True):
    """Run a command, its output on ours or in a log that is shown when it fails. Returns the exit code."""
    environment = os.environ | (environment or {})
    command = [str(word) for word in command]
    sys.stdout.flush()
    if show:
        return subprocess.call(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    result = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        print("\n".join(result.stdout.splitlines()[-60:]))
    return result.returncode


def read_junit(path):
    """A Result from a JUnit file."""
    result = Result()
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        for case in suite.findall("testcase"):
            name = f"{suite.get('name')}: {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                result.failures.append(name)
            elif case.find("skipped") is not None:
                result.skipped += 1
            else:
                result.passed += 1
    return result


def _meson(build, setup_words, options, environment=None):
    """Build, run meson's suites, read their report."""
    print(f"building {build.name}", flush=True)
    if not (build / "build.ninja").exists():
        if _run(["meson", "setup", build, *setup_words], show=False) != 0:
            return Result(failures=[f"meson setup {build.name}"])
    if _run(["ninja", "-C", build, "--quiet"], show=False) != 0:
        return Result(failures=[f"ninja -C {build.name}"])
    report = build / "meson-logs/testlog.junit.xml"
    report.unlink(missing_ok=True)
    names = [name for name in _meson_tests(build) if options.filter in name] if options.filter else []
    if options.filter and not names:
        return Result()
    code = _run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", "--timeout-multiplier",
                 TIMEOUT_MULTIPLIER, "--num-processes", os.cpu_count() or 1, *SUITES, *names], environment)
    if not report.exists():
        return Result(failures=[f"meson test in {build.name} left no report (exit {code})"])
    result = read_junit(report)
    if code != 0 and not result.failures:
        result.failures.append(f"meson test in {build.name} (exit {code})")
    return result


def _meson_tests(build):
    output = subprocess.run(["meson", "test", "-C", build, "--list", "--no-rebuild"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=True).stdout
    return [line.rpartition(" / ")[2].strip() for line in output.splitlines() if line.strip()]


def _pytest(directory, options, words=(), environment=None):
    if not list(directory.glob("**/test_*.py")):
        return Result(failures=[f"{directory.relative_to(ROOT)} has no tests"])
    report = REPORTS / f"{directory.name}.xml"
    REPORTS.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    filter_words = ["-k", options.filter] if options.filter else []
    code = _run([PYTHON, "-m", "pytest", directory, f"--junitxml={report}", "-p", "no:cacheprovider", *words, *filter_words],
                environment)
    if not report.exists():
        return Result(failures=[f"pytest {directory.name} left no report (exit {code})"])
    result = read_junit(report)
    nothing_selected = 5
    if code not in (0, nothing_selected) and not result.failures:
        result.failures.append(f"pytest {directory.name} (exit {code})")
    return result


def part_release(options):
    return _meson(RELEASE, ["--buildtype=release"], options)


def part_sanitize(options):
    setup_words = ["--buildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false"]
    return _meson(SANITIZE, setup_words, options, SANITIZER_OPTIONS | {"FUZZ_RUNS": FUZZ_RUNS_SANITIZED})


def part_vectors(options):
    return _pytest(ROOT / "tests/vectors", options, ["-q"])


def part_lint(_options):
    result = Result()
    for name, problems, _ in lint.run_checks(list(lint.CHECKS), lint.parse([])):
        if problems:
            result.failures.append(f"lint {name}")
        else:
            result.passed += 1
    return result


def part_cluster(options):
    return _pytest(ROOT / "tests/cluster", options, ["-v", "--tb=short", "--durations=10"])


PARTS = {"release": part_release, "vectors": part_vectors, "lint": part_lint, "sanitize": part_sanitize,
         "cluster": part_cluster}
SLOW = ("sanitize", "cluster")
NEED_RELEASE = ("lint", "cluster")  # They look at, or start, what is in build/.


def _parse():
    parser = argparse.ArgumentParser(prog="test", description="Run every test that needs no container engine.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="the same as PART")
    parser.add_argument("--quick", action="store_true", help=f"all but {' and '.join(SLOW)}")
    parser.add_argument("--filter", default="", metavar="TEXT", help="only tests whose name has this text; no lint")
    parser.add_argument("--long", action="store_true", help="also the tests that take minutes each")
    options = parser.parse_args()
    options.parts += options.only
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        raise Failure(f"no part named {', '.join(unknown)}: there are {', '.join(PARTS)}", 2)
    return options


def _chosen(options):
    names = [name for name in PARTS if not options.parts or name in options.parts]
    skipped = (set(SLOW) if options.quick else set()) | ({"lint"} if options.filter else set())
    return [name for name in names if name not in skipped]


def _run_part(name, options):
    """A part's result and its duration in seconds. A part that breaks has failed, and the next one runs."""
    started = time.monotonic()
    print(f"\n== {name} ==", flush=True)
    try:
        result = PARTS[name](options)
    except Exception as error:  # pylint: disable=broad-exception-caught
        result = Result(failures=[f"{type(error).__name__}: {error}"])
    seconds = time.monotonic() - started
    print(f"{name}: {result.passed} passed, {len(result.failures)} failed, {seconds:.0f} s", flush=True)
    return result, seconds


def main():
    options = _parse()
    names = _chosen(options)
    if options.long:
        os.environ["CYBERMESH_LONG"] = "1"
    if "release" not in names and set(names) & set(NEED_RELEASE) and _run([ROOT / "scripts/build"]) != 0:
        print("\n0 passed, 1 failed", flush=True)
        return 1
    results = {name: _run_part(name, options) for name in names}
    print()
    print("\n".join(table(["part", "passed", "failed", "skipped", "time"], [
        [name, result.passed, len(result.failures), result.skipped, f"{seconds:.0f} s"]
        for name, (result, seconds) in results.items()])))
    for name, (result, _) in results.items():
        for failure in result.failures:
            print(f"FAILED {name}: {failure}")
    passed = sum(result.passed for result, _ in results.values())
    failed = sum(len(result.failures) for result, _ in results.values())
    if passed + failed == 0:
        print("no test ran")
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    run_main(main)
