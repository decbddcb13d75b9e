"""scripts/mutants: each safety rule switched off in turn, in a private copy of the sources; a test must fail.

The rules are in tests/mutants/*.py. A worker has a copy of the tree and a build directory in build-mutants/, which stay
for the next run: only what a mutant changes is compiled again. Before the first mutant every test that is asked for must
pass on the unchanged copy.
"""

import argparse
import fcntl
import fnmatch
import importlib.util
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from console import Console, Failure, run_main, table
from layout import ROOT

RULES = ROOT / "tests/mutants"
WORK = ROOT / "build-mutants"
BUILD_OPTIONS = ("-Dbuildtype=plain", "-Doptimization=1", "-Dwerror=false")
TEST_SECONDS_MIN = 60  # a test that takes longer than this and SLOWER times its usual time does not end
SLOWER = 10
LOOK_SECONDS = 0.25  # between looks at what a test has written: the first failure ends it
SKIPPED = 77  # a test's exit code, as meson has it
STDBUF = shutil.which("stdbuf")

# Lines of cmocka, and of the seeds' own program.
FAILED = re.compile(r"^(?:\[  FAILED  \] (?:[^:\n]*: )?|FAILED )([a-z]\w+(?:=.*)?)$", re.M)
RAN = re.compile(r"^\[ RUN      \] (\w+)$", re.M)

CAUGHT, SURVIVED, BROKEN = "caught", "SURVIVED", "BROKEN"


class Stopped(Exception):
    """The run was interrupted."""


@dataclass
class Test:
    """One of meson's tests, and what must be built for it."""

    command: list
    environment: dict
    directory: str
    targets: list
    seconds: float = 0.0  # on the unchanged tree


@dataclass
class Outcome:
    """What became of a mutant."""

    verdict: str
    by: str = ""  # the test that noticed, or what is wrong
    seconds: float = 0.0


class Programs:
    """Runs programs in process groups of their own, and ends all of them when the run is interrupted."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()
        self.stopped = False

    def run(self, command, log, seconds=None, until=None, **options):
        """Returns the exit code, or None when the time was up or `until` said so. What the program starts ends with it."""
        with open(log, "ab") as output:
            with self.lock:
                if self.stopped:
                    raise Stopped
                process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=subprocess.STDOUT, start_new_session=True, **options)
                self.running.add(process)
            deadline = time.monotonic() + (seconds or float("inf"))
            try:
                while True:
                    try:
                        return process.wait(min(LOOK_SECONDS, max(0, deadline - time.monotonic())))
                    except subprocess.TimeoutExpired:
                        if time.monotonic() >= deadline or (until and until()):
                            return None
            finally:
                with self.lock:
                    self.running.discard(process)
                    _end_group(process)
                process.wait()
                if self.stopped:
                    raise Stopped

    def stop(self):
        with self.lock:
            self.stopped = True
            for process in self.running:
                _end_group(process)


def _end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


# --- the list -----------------------------------------------------------------------------------------------------


def load_mutants():
    """All mutants of tests/mutants/*.py, by file name and in their order there."""
    sys.path.insert(0, str(RULES))
    found = []
    for path in sorted(RULES.glob("*.py")):
        if path.name == "mutant.py":
            continue
        spec = importlib.util.spec_from_file_location(f"mutants_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found += module.MUTANTS
    names = [each.name for each in found]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise Failure(f"two mutants have one name: {', '.join(doubled)}", 2)
    return found


def changed(edits, root):
    """The changed files, {name: text}; edits as a Mutant has them. Raises Failure when the sources are not as expected."""
    files = {}
    for name, old, new in edits:
        if not (root / name).is_file():
            raise Failure(f"{name} does not exist")
        text = files.get(name) or (root / name).read_text()
        count = text.count(old)
        if count != 1:
            first = next(line.strip() for line in old.splitlines() if line.strip())
            raise Failure(f"{name}: the text to change is there {count} times, not once: \"{first}\" ..")
        if old == new:
            raise Failure(f"{name}: the change changes nothing")
        files[name] = text.replace(old, new)
    return files


# --- copies of the tree -------------------------------------------------------------------------------------------


def source_files():
    """Files that git knows, and new ones that it does not ignore."""
    result = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"git ls-files failed: {result.stderr.strip()}")
    return [name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


class Tree:
    """A copy of the sources with its build directory. One worker's."""

    def __init__(self, home, programs, options=BUILD_OPTIONS):
        self.home = home
        self.options = options
        self.source = self.home / "tree"
        self.build = self.home / "build"
        self.programs = programs
        self.environment = os.environ | {"CCACHE_BASEDIR": str(self.home), "CCACHE_NOHASHDIR": "1"}

    def refresh(self):
        """Make the copy equal to the sources: a mutant that an interrupted run left behind goes as well. Files that are
        equal are not touched, so that they are not compiled again."""
        wanted = source_files()
        for name in wanted:
            original, copy = ROOT / name, self.source / name
            data = original.read_bytes()
            if copy.is_file() and copy.read_bytes() == data:
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
            shutil.copymode(original, copy)
        keep = set(wanted)
        for path in self.source.rglob("*"):
            if path.is_file() and str(path.relative_to(self.source)) not in keep and "__pycache__" not in path.parts:
                path.unlink()

    def configure(self):
        log = self._log("setup")
        again = (self.build / "build.ninja").exists()
        command = ["meson", "setup", *(["--reconfigure"] if again else []), *self.options, self.build, self.source]
        if self.programs.run(command, log, env=self.environment) != 0:
            if again:  # A build directory of another meson, or one that was half made: begin anew, once.
                shutil.rmtree(self.build)
                self.configure()
                return
            raise Failure(f"meson setup failed:\n{_tail(log)}")

    def tests(self):
        """Every test that meson knows here, {name: Test}."""
        introspected = {}
        for what in ("tests", "targets"):
            result = subprocess.run(["meson", "introspect", f"--{what}", self.build], capture_output=True, text=True,
                                    check=False)
            if result.returncode != 0:
                raise Failure(f"meson introspect failed: {result.stderr.strip()}")
            introspected[what] = json.loads(result.stdout)
        files = {each["id"]: [os.path.relpath(name, self.build) for name in each["filename"]]
                 for each in introspected["targets"]}
        return {each["name"]: Test(command=each["cmd"], environment=each["env"],
                                   directory=each["workdir"] or str(self.build),
                                   targets=[name for target in each["depends"] for name in files[target]])
                for each in introspected["tests"]}

    def compile(self, targets, label, jobs=1):
        """None, or the end of the compiler's output."""
        log = self._log(label)
        code = self.programs.run(["ninja", "-C", self.build, "-j", jobs, *sorted(set(targets))], log,
                                 env=self.environment)
        return None if code == 0 else _tail(log)

    def run_test(self, name, test, label, seconds):
        """None when the test passes, else what failed in it."""
        log = self._log(label)
        start = log.stat().st_size if log.exists() else 0

        def written():
            with open(log, "rb") as output:
                output.seek(start)
                return output.read().decode(errors="replace")

        # Line by line, so that what ran last is known after a crash.
        code = self.programs.run([*(["stdbuf", "-oL"] if STDBUF else []), *test.command], log, seconds,
                                 until=lambda: FAILED.search(written()), cwd=test.directory,
                                 env=self.environment | test.environment)
        failed = FAILED.search(written())
        if failed:
            return f"{name}: {failed[1]}"
        if code == 0:
            return None
        if code is None:
            return f"{name}: did not end in {seconds:.0f} s"
        if code == SKIPPED:
            return f"{name}: was skipped"
        ran = RAN.findall(written())
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        return f"{name}: {ran[-1]} ({how})" if ran else f"{name}: {how}"

    def change(self, files):
        for name, text in files.items():
            (self.source / name).write_text(text)

    def restore(self, files):
        for name in files:
            (self.source / name).write_bytes((ROOT / name).read_bytes())

    def _log(self, label):
        path = self.home / "log" / f"{label}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _tail(log):
    lines = log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if re.search(r"error:|FAILED:|ERROR", line)]
    return "\n".join((errors or lines)[-15:])


# --- the run ------------------------------------------------------------------------------------------------------


class Run:
    """Trees, tests and results of one invocation."""

    def __init__(self, mutants, jobs):
        self.mutants = mutants
        self.console = Console()
        self.programs = Programs()
        self.trees = [Tree(WORK / str(number), self.programs) for number in range(jobs)]
        self.tests = {}
        self.outcomes = {}
        self.lock = threading.Lock()

    def prepare(self):
        """Copies, builds, and the tests without any mutant: they must pass."""
        jobs = len(self.trees)
        for number, tree in enumerate(self.trees):
            self.console.step(f"tree {number + 1} of {jobs}: copy and build (the first time takes some minutes)")
            tree.refresh()
            shutil.rmtree(tree.home / "log", ignore_errors=True)
            tree.configure()
            if number == 0:
                self.tests = self._needed(tree.tests())
            targets = [name for test in self.tests.values() for name in test.targets]
            problem = tree.compile(targets, "unchanged", os.cpu_count() or 1)
            if problem:
                raise Failure(f"the sources do not compile:\n{problem}")
        self.console.step(f"{len(self.tests)} tests without a mutant")
        self._each(list(self.tests), self._baseline)
        failed = [outcome.by for outcome in self.outcomes.values() if outcome.by]
        self.outcomes.clear()
        if failed:
            raise Failure("without any mutant a test does not pass, so nothing can be told: " + "; ".join(failed))

    def _needed(self, tests):
        wanted = {name for mutant in self.mutants for name in mutant.tests}
        unknown = sorted(wanted - set(tests))
        if unknown:
            raise Failure(f"tests/mutants names tests that meson does not know: {', '.join(unknown)}")
        return {name: tests[name] for name in sorted(wanted)}

    def _test_of(self, tree, name):
        """A test's commands name the first tree's files; this tree has its own."""
        test, here = self.tests[name], str(tree.home)
        first = str(self.trees[0].home)
        return Test(command=[word.replace(first + "/", here + "/") for word in test.command],
                    environment={key: value.replace(first + "/", here + "/") for key, value in test.environment.items()},
                    directory=test.directory.replace(first + "/", here + "/"), targets=test.targets)

    def _baseline(self, tree, name):
        started = time.monotonic()
        failure = tree.run_test(name, self._test_of(tree, name), "unchanged", 3600)
        self.tests[name].seconds = time.monotonic() - started
        self.outcomes[name] = Outcome(CAUGHT, failure or "")

    def _each(self, items, work):
        """Give the items to the trees, one at a time each. What a worker raises is raised here."""
        waiting = queue.Queue()
        for item in items:
            waiting.put(item)
        problems = []

        def worker(tree):
            try:
                while not problems:
                    work(tree, waiting.get_nowait())
            except queue.Empty:
                pass
            except BaseException as error:  # pylint: disable=broad-exception-caught
                problems.append(error)

        threads = [threading.Thread(target=worker, args=(tree,)) for tree in self.trees]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self.programs.stop()
            for thread in threads:
                thread.join()
            raise
        if problems:
            raise problems[0]

    def _judge(self, tree, mutant):
        try:
            files = changed(mutant.edits, ROOT)
        except Failure as failure:
            return Outcome(BROKEN, f"no longer applies: {failure}")
        tests = {name: self._test_of(tree, name) for name in mutant.tests}
        try:
            tree.change(files)
            problem = tree.compile([name for test in tests.values() for name in test.targets], mutant.name)
            if problem:
                return Outcome(BROKEN, f"does not compile:\n{problem}")
            for name, test in tests.items():
                limit = max(TEST_SECONDS_MIN, SLOWER * self.tests[name].seconds)
                failure = tree.run_test(name, test, mutant.name, limit)
                if failure:
                    return Outcome(CAUGHT, failure)
            return Outcome(SURVIVED, "not caught by " + ", ".join(tests))
        finally:
            tree.restore(files)

    def _one(self, tree, mutant):
        started = time.monotonic()
        outcome = self._judge(tree, mutant)
        outcome.seconds = time.monotonic() - started
        with self.lock:
            self.outcomes[mutant.name] = outcome
            self.console.step(f"{len(self.outcomes)}/{len(self.mutants)} {mutant.name}: {outcome.verdict}"
                              f"{', ' + outcome.by if outcome.by else ''}")

    def run(self):
        """All mutants. Returns the program's exit code."""
        started = time.monotonic()
        self.prepare()
        self._each(self.mutants, self._one)
        rows = [[mutant.name, self.outcomes[mutant.name].verdict, self.outcomes[mutant.name].by.splitlines()[0],
                 f"{self.outcomes[mutant.name].seconds:.0f}"] for mutant in self.mutants]
        self.console.text()
        self.console.text("\n".join(table(["mutant", "", "by", "seconds"], rows)))
        count = {verdict: sum(outcome.verdict == verdict for outcome in self.outcomes.values())
                 for verdict in (CAUGHT, SURVIVED, BROKEN)}
        self.console.text(f"\n{len(self.mutants)} mutants in {time.monotonic() - started:.0f} s: {count[CAUGHT]} caught, "
                          f"{count[SURVIVED]} survived, {count[BROKEN]} broken")
        return 0 if count[CAUGHT] == len(self.mutants) else 1


# --- the door -----------------------------------------------------------------------------------------------------


def _parse():
    parser = argparse.ArgumentParser(
        prog="mutants", description="Switch each safety rule off, in a copy of the sources: a test must fail.",
        epilog="Exit code: 0 all caught, 1 one survives or no longer applies, 2 usage. Logs: build-mutants/*/log/.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="only this mutant; may be a pattern such as 'tc-*', may be given again")
    parser.add_argument("--list", action="store_true", help="print the mutants and their rules, and whether they apply")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="copies of the tree that work side by side (default: one per processor)")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("--jobs wants 1 or more")
    return options


def _chosen(options):
    mutants = load_mutants()
    for pattern in options.only:
        if not any(fnmatch.fnmatch(mutant.name, pattern) for mutant in mutants):
            raise Failure(f"no mutant is named {pattern} (scripts/mutants --list)", 2)
    return [mutant for mutant in mutants
            if not options.only or any(fnmatch.fnmatch(mutant.name, pattern) for pattern in options.only)]


def _list(mutants):
    broken = 0
    for mutant in mutants:
        print(f"{mutant.name}: {mutant.rule}\n    {', '.join(dict.fromkeys(edit[0] for edit in mutant.edits))}; "
              f"caught by {', '.join(mutant.tests)}")
        try:
            changed(mutant.edits, ROOT)
        except Failure as failure:
            broken += 1
            print(f"    NO LONGER APPLIES: {failure}")
    print(f"{len(mutants)} mutants, {broken} no longer apply")
    return 1 if broken else 0


def _interrupted(_number, _frame):
    raise KeyboardInterrupt


def main():
    options = _parse()
    mutants = _chosen(options)
    if options.list:
        return _list(mutants)
    signal.signal(signal.SIGTERM, _interrupted)
    WORK.mkdir(exist_ok=True)
    with open(WORK / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"another scripts/mutants works in {WORK.relative_to(ROOT)}/") from None
        return Run(mutants, min(options.jobs, len(mutants))).run()


if __name__ == "__main__":
    run_main(main)
