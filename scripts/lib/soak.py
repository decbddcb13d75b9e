"""scripts/soak: many seeds of a simulation on all cores of the machine; one line of progress every few seconds. The first
failing seed ends it with exit code 1, and its trace is printed."""

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from console import Failure, run_main
from layout import ROOT

PROGRAMS = {"consensus": "tests/sim/sim_seeds", "all": "tests/sim/whole/sim_whole"}
TWINS = "tests/sim/sim_twins"
SHARDS = 64  # of the enumeration of Twins
CHUNK = 50  # seeds of one process
PROGRESS_EVERY_S = 5.0
TRACE_LINES = 300

FIGURES = re.compile(r"ok seeds=(\d+) steps=(\d+) heights=(\d+) longest_settle_ms=(\d+) of_seed=(\d+)")
FAILED = re.compile(r"FAILED seed=(\d+)")


@dataclass
class Totals:
    """What the finished chunks found."""

    seeds: int = 0
    steps: int = 0
    heights: int = 0
    settle_ms: int = 0
    settle_seed: int = 0
    failures: list = field(default_factory=list)  # (seed, output)

    def add(self, code, output, first):
        figures = FIGURES.search(output)
        if code == 0 and figures:
            seeds, steps, heights, settle_ms, settle_seed = map(int, figures.groups())
            self.seeds += seeds
            self.steps += steps
            self.heights += heights
            if settle_ms > self.settle_ms:
                self.settle_ms, self.settle_seed = settle_ms, settle_seed
            return
        failed = FAILED.search(output)
        self.failures.append((int(failed[1]) if failed else first, output))


def _range(text):
    match = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if not match or int(match[2]) < int(match[1]):
        raise argparse.ArgumentTypeError("wants A..B, both included")
    return int(match[1]), int(match[2])


def _parse():
    parser = argparse.ArgumentParser(prog="soak", description="Run simulated clusters from seeds.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seeds", type=_range, metavar="A..B", help="these seeds, on all cores")
    what.add_argument("--seed", type=int, metavar="X", help="exactly this one")
    what.add_argument("--twins", type=int, choices=range(2, 6), metavar="VIEWS",
                      help="every scenario of Twins up to so many views (with --validators 4 or 5)")
    parser.add_argument("--parts", type=_range, metavar="A..B",
                        help=f"with --twins: only these of its {SHARDS} parts, to go on after an interruption")
    parser.add_argument("--cores", choices=sorted(PROGRAMS), default="consensus",
                        help="of each validator: the consensus core with a model around it (default), or all its processes")
    parser.add_argument("--validators", type=int, choices=range(1, 17), metavar="N",
                        help="clusters of this size (default: the seed says)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--liars", action="store_true", help="every cluster has liars (default: the seed says)")
    kind.add_argument("--honest", action="store_true", help="no cluster has")
    parser.add_argument("--trace", action="store_true", help="print every event and effect (with --seed)")
    parser.add_argument("--real-signatures", action="store_true", help="Ed25519 instead of a keyed hash")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once (default: all cores)")
    parser.add_argument("--build", default=str(ROOT / "build"), help="the build whose programs run")
    options = parser.parse_args()
    if options.trace and options.seed is None:
        parser.error("--trace wants --seed")
    if options.cores == "all" and (options.real_signatures or options.twins):
        parser.error("--cores all has no --real-signatures or --twins")
    if options.twins and options.validators not in (4, 5):
        parser.error("--twins wants --validators 4 or 5")
    if options.parts and not (options.twins and 1 <= options.parts[0] and options.parts[1] <= SHARDS):
        parser.error(f"--parts wants --twins, and parts from 1 to {SHARDS}")
    return options


def _words(options):
    words = [os.path.join(options.build, PROGRAMS[options.cores])]
    if not os.path.exists(words[0]):
        raise Failure(f"{words[0]} is missing: run scripts/build first", 2)
    if options.validators:
        words += ["--validators", str(options.validators)]
    return words + [f"--{name.replace('_', '-')}" for name in ("liars", "honest", "real_signatures") if getattr(options, name)]


def _run(words):
    result = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", check=False)
    return result.returncode, result.stdout


def _show_failure(words, seed, output):
    print(output.strip())
    _, trace = _run([*words, "--first", str(seed), "--count", "1", "--trace"])
    lines = trace.splitlines()
    if len(lines) > TRACE_LINES:
        print(f"(the last {TRACE_LINES} of {len(lines)} lines)")
    print("\n".join(lines[-TRACE_LINES:]))
    flags = " ".join((["--cores", "all"] if words[0].endswith(PROGRAMS["all"]) else []) + words[1:])
    print(f"\nseed {seed} failed; all of its trace: scripts/soak --seed {seed} --trace {flags}".rstrip())


def _soak(options, words):
    first, last = options.seeds
    starts = iter(range(first, last + 1, CHUNK))
    totals = Totals()
    began = shown = time.monotonic()

    def chunk(start):
        return start, _run([*words, "--first", str(start), "--count", str(min(CHUNK, last + 1 - start))])

    def progress():
        seconds = max(time.monotonic() - began, 0.001)
        return (f"{totals.seeds} of {last + 1 - first} seeds, {totals.seeds / seconds:.0f}/s, {totals.steps} steps, "
                f"{totals.heights} heights, longest healing {totals.settle_ms} ms (seed {totals.settle_seed})")

    with ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(chunk, start) for _, start in zip(range(options.jobs), starts)}
        while running:
            done, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                start, (code, output) = future.result()
                totals.add(code, output, start)
                following = next(starts, None) if not totals.failures else None
                if following is not None:
                    running.add(pool.submit(chunk, following))
            if time.monotonic() - shown >= PROGRESS_EVERY_S:
                shown = time.monotonic()
                print(progress(), flush=True)
    print(progress())
    if totals.failures:
        _show_failure(words, *min(totals.failures))
        return 1
    seconds = time.monotonic() - began
    print(f"no seed failed: {totals.seeds} seeds in {seconds:.0f} s, {totals.seeds * 60 / max(seconds, 0.001):.0f} a "
          f"minute with {options.jobs} jobs, load {os.getloadavg()[0]:.1f}")
    return 0


def _soak_twins(options):
    program = os.path.join(options.build, TWINS)
    if not os.path.exists(program):
        raise Failure(f"{program} is missing: run scripts/build first", 2)
    words = [program, "--validators", str(options.validators), "--views", str(options.twins)]
    began = time.monotonic()
    first, last = options.parts or (1, SHARDS)
    run = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        parts = pool.map(lambda part: (part, _run([*words, "--shard", f"{part - 1}/{SHARDS}"])), range(first, last + 1))
        for part, (code, output) in parts:
            figures = re.search(r"scenarios=(\d+) run=(\d+) heights=\d+ forks=(\d+)", output)
            if code != 0 or not figures:
                print(output.strip())
                pool.shutdown(cancel_futures=True)
                return 1
            run += int(figures[2])
            print(f"part {part} of {SHARDS} done: {run} of {figures[1]} scenarios, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    print(f"no fork in {run} scenarios, {seconds:.0f} s with {options.jobs} jobs")
    return 0


def main():
    options = _parse()
    if options.twins:
        return _soak_twins(options)
    words = _words(options)
    if options.seeds:
        return _soak(options, words)
    words += ["--first", str(options.seed), "--count", "1"] + (["--trace"] if options.trace else [])
    sys.stdout.flush()
    return subprocess.call(words)


if __name__ == "__main__":
    run_main(main)
