"""scripts/model: tests/model/jolteon.pml through spin and its C verifier. With every rule in force there is no fork in
any reachable state; with one rule switched off there is one."""

import argparse
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

from console import Console, Failure, run_main, table
from layout import ROOT

MODEL = ROOT / "tests/model/jolteon.pml"
WORK = ROOT / "build-model"
MEMORY_MIB_MAX = 4096
DEPTH_MAX = 10000
PROGRAMS = {"spin": "spin", "cc": "gcc"}  # and the Debian package


@dataclass(frozen=True)
class Case:
    """One run of the verifier."""

    name: str
    switches: tuple
    fork: bool  # expected


def _case(name, *switches, fork=False):
    return Case(name, tuple(f"-D{switch}" for switch in switches), fork)


CASES = (
    _case("4-validators-4-views", "VIEWS=4"),
    _case("4-validators-5-views", "VIEWS=5"),
    _case("5-validators-4-views", "VIEWS=4", "HONEST=4"),
    _case("any-order-3-views", "VIEWS=3", "ANY_ORDER"),
    _case("quorum-2-of-4", "VIEWS=4", "SMALL_QUORUM", fork=True),
    _case("quorum-3-of-5", "VIEWS=4", "HONEST=4", "SMALL_QUORUM", fork=True),
    _case("no-tc-maximum", "VIEWS=4", "NO_TC_MAXIMUM", fork=True),
    _case("no-consecutive-views", "VIEWS=4", "NO_CONSECUTIVE_VIEWS", fork=True),
    _case("no-last-voted-view", "VIEWS=4", "NO_LAST_VOTED_VIEW", fork=True),
    _case("lock-forgotten", "VIEWS=4", "LOCK_FORGOTTEN", fork=True),
    _case("vote-after-timeout", "VIEWS=4", "VOTE_AFTER_TIMEOUT", fork=True),
    _case("any-order-no-last-voted-view", "VIEWS=3", "ANY_ORDER", "NO_LAST_VOTED_VIEW", fork=True),
)


@dataclass
class Result:
    """What the verifier said."""

    fork: bool
    states: int
    memory_mib: float
    seconds: float


def _run(command, directory):
    result = subprocess.run([str(word) for word in command], cwd=directory, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return result.returncode, result.stdout


def _must(command, directory):
    code, output = _run(command, directory)
    if code != 0:
        raise Failure(f"{command[0]} failed (exit {code}):\n{output[-2000:]}")


def _number(pattern, output):
    found = re.search(pattern, output)
    if not found:
        raise Failure(f"the verifier's output is not understood:\n{output[-2000:]}")
    return float(found[1])


def check(case):
    """Run one case in build-model/<name>/."""
    directory = WORK / case.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    shutil.copy(MODEL, directory)
    started = time.monotonic()
    _must(["spin", *case.switches, "-a", MODEL.name], directory)
    _must(["cc", "-O2", "-w", "-DSAFETY", "-DNOREDUCE", f"-DMEMLIM={MEMORY_MIB_MAX}", "-o", "pan", "pan.c"], directory)
    _, output = _run(["./pan", f"-m{DEPTH_MAX}", "-w24"], directory)
    errors = _number(r"errors: (\d+)", output)
    fork = "assertion violated" in output
    # A search that was cut short has shown nothing.
    cut_short = "Search not completed" in output and not fork
    if cut_short or "max search depth too small" in output or (errors > 0) != fork:
        raise Failure(f"{case.name}: the verifier did not finish:\n{output[-2000:]}")
    return Result(fork=fork, states=int(_number(r"([\d.e+]+) states, stored", output)),
                  memory_mib=_number(r"([\d.]+)\s+total actual memory usage", output),
                  seconds=time.monotonic() - started)


def _need_programs():
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if missing:
        raise Failure(f"not installed: {', '.join(missing)}. On Debian: apt-get install {' '.join(missing)}", 2)


def _parse():
    parser = argparse.ArgumentParser(
        prog="model", description="Check the model of the agreement's rules with spin.",
        epilog="Exit code: 0 all as expected, 1 not, 2 usage or a program is missing. docs/model.md explains.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", choices=[case.name for case in CASES],
                        help=f"only this run; may be given again: {', '.join(case.name for case in CASES)}")
    parser.add_argument("--trace", action="store_true", help="print the steps to each fork")
    return parser.parse_args()


def _trace(case):
    """The steps to the fork, as spin replays them."""
    _, output = _run(["spin", *case.switches, "-t", MODEL.name], WORK / case.name)
    steps = [line.strip() for line in output.splitlines() if re.search(r"validator \d|block \d", line)]
    return "\n".join(f"    {step}" for step in steps)


def main():
    options = _parse()
    _need_programs()
    console = Console()
    wrong, rows = [], []
    for case in CASES:
        if options.only and case.name not in options.only:
            continue
        result = check(case)
        found = "a fork" if result.fork else "no fork"
        console.step(f"{case.name}: {found}")
        if result.fork != case.fork:
            wrong.append(case.name)
        if result.fork and (options.trace or not case.fork):
            console.text(_trace(case))
        rows.append([case.name, " ".join(case.switches), "a fork" if case.fork else "no fork", found,
                     f"{result.states}", f"{result.memory_mib:.0f} MiB", f"{result.seconds:.1f} s"])
    console.text()
    console.text("\n".join(table(["run", "switches", "expected", "found", "states", "memory", "time"], rows)))
    if wrong:
        console.text(f"\nNOT AS EXPECTED: {', '.join(wrong)}")
        return 1
    console.text(f"\n{len(rows)} runs, all as expected")
    return 0


if __name__ == "__main__":
    run_main(main)
