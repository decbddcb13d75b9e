"""scripts/lint: the checks that a compiler does not make."""

import argparse
import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from console import Failure, run_main
from layout import ROOT

# What a pure core may call: memory, text, sorting, and the checks that compilers put in.
PURE_SYMBOLS = re.compile(
    r"(mem(cpy|move|set|cmp|chr|rchr|mem|pcpy)|str[a-z]+|calloc|malloc|realloc|reallocarray|free|qsort|bsearch|abort"
    r"|v?snprintf|__assert_fail|__ctype_(b|tolower|toupper)_loc|isfinite|isnan|isinf|__fpclassify|__isoc99_(s?scanf|strto[a-z]+)"
    r"|__(mem|st|str|v?snprintf|v?sprintf)[a-z]*_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__tls_get_addr"
    r"|__(asan|ubsan|lsan|sanitizer)_.*|crypto_[a-z0-9_]+|sodium_(memzero|memcmp|is_zero|increment|compare))")

LINES_MAX = 1000  # of a source file; 600 is long already
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w./])/(?:wo" r"rk|ho" r"me)/\w")

SERVICE = re.compile(r"services/([a-z]+)/")
INCLUDE = re.compile(r'^\s*#\s*include\s+(<[^>]+>|"[^"]+")', re.M)

# The C library and the kernel: what <..> may name in common/base, beside libsodium.
STANDARD_HEADERS = re.compile(r"<(assert|ctype|endian|errno|inttypes|limits|math|stdarg|stdbool|stddef|stdint|stdio|stdlib|"
                              r"string|sodium)\.h>")


# cppcheck does not know __attribute__((cleanup)) nor outputs that are written only on success; the compilers' own
# warnings, clang's analyzer and the sanitizers watch over these.
CPPCHECK_WRONG = ("missingIncludeSystem", "unknownMacro", "memleak", "resourceLeak", "autoVariables", "uninitvar",
                  "uninitStructMember", "invalidPrintfArgType_uint")


def tracked(*patterns):
    """Files that git knows."""
    result = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"git ls-files failed: {result.stderr.strip()}")
    return sorted({name for name in result.stdout.splitlines() if (ROOT / name).is_file()})


def c_files():
    return tracked("*.c", "*.h")


def _run(command, cwd=ROOT):
    result = subprocess.run([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, check=False)
    return result.returncode, result.stdout


def check_format(_options):
    """clang-format has nothing to change."""
    code, output = _run(["clang-format", "--dry-run", "-Werror", *c_files()])
    return [line for line in output.splitlines() if ": error:" in line][:60] if code != 0 else []


def _layer_problem(name, include):
    path = include.strip('"<>')
    project = include.startswith('"')
    if name.startswith("common/base/"):
        if project and not path.startswith("common/base/"):
            return "common/base may include only common/base"
        if not project and not STANDARD_HEADERS.fullmatch(include):
            return "common/base may include only the C library's and libsodium's headers"
    elif name.startswith("common/edge/"):
        if project and not path.startswith(("common/base/", "common/edge/", "proto/")):
            return "common/edge may include only common/base, common/edge and generated code"
    elif name.startswith("services/"):
        other = SERVICE.match(path)
        if project and other and other[1] != SERVICE.match(name)[1]:
            return "a service never includes another service"
        if project and not path.startswith(("common/base/", "common/edge/", "proto/", "services/")):
            return "a service may include only itself, common and generated code"
    if project and "/" not in path and name.startswith(("common/", "services/")):
        return "includes are written from the root of the tree"
    return None


def check_layers(_options):
    """common/base <- common/edge <- services; no service knows another."""
    problems = []
    for name in c_files():
        for match in INCLUDE.finditer((ROOT / name).read_text()):
            why = _layer_problem(name, match[1])
            if why:
                problems.append(f"{name}: includes {match[1]}: {why}")
    return problems


def _defined(archive):
    return {line.split()[-1] for line in _run(["nm", "--defined-only", "-g", archive])[1].splitlines() if " " in line}


def check_purity(options):
    """A core calls nothing but memory work, libsodium and common/base: no clock, no socket, no file."""
    base = sorted(options.build.glob("common/base/*.a"))
    cores = sorted(options.build.glob("services/*/lib*_core.a"))
    if not base or not cores:
        return [f"no archives in {options.build}: build first"]
    own = set().union(*(_defined(archive) for archive in base))
    problems = []
    for archive in [*base, *cores]:
        known = own | _defined(archive)
        for line in _run(["nm", "-A", "-u", archive])[1].splitlines():
            place, _, symbol = line.rpartition(" ")
            if symbol not in known and not PURE_SYMBOLS.fullmatch(symbol):
                member = place.split(":")[1] if ":" in place else archive.name
                problems.append(f"{archive.relative_to(options.build)}: {member} calls {symbol}, which a core may not")
    return problems


def _compile_database(options):
    """The sources as the compiler sees them, with the flags that only gcc knows left out."""
    entries = json.loads((options.build / "compile_commands.json").read_text())
    wanted = [entry for entry in entries if _source(options, entry).startswith(("common/", "services/"))]
    for entry in wanted:
        entry["command"] = re.sub(r" -(Wno-maybe-uninitialized|Werror|fstack-clash-protection|fcf-protection)(?= )", "",
                                  entry["command"])
    directory = options.build / "lint"
    directory.mkdir(exist_ok=True)
    (directory / "compile_commands.json").write_text(json.dumps(wanted))
    return directory, sorted({_source(options, entry) for entry in wanted})


def _source(options, entry):
    path = Path(os.path.normpath(Path(entry["directory"]) / entry["file"]))
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) and not path.is_relative_to(options.build) else ""


def check_tidy(options):
    """clang-tidy finds nothing."""
    database, sources = _compile_database(options)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(lambda source: _run(["clang-tidy", "--quiet", "-p", database, source]), sources)
        problems = [output for code, output in results if code != 0]
    return sorted({line for output in problems for line in output.splitlines() if ": error: " in line})


def check_cppcheck(_options):
    """cppcheck finds nothing."""
    sources = tracked("common/*.c", "services/*.c")
    code, output = _run([
        "cppcheck", "--quiet", "--error-exitcode=1", "--std=c11", "--inline-suppr", "-j", os.cpu_count() or 1,
        "--enable=warning,portability",
        *(f"--suppress={name}" for name in CPPCHECK_WRONG), "-I", ".", *sources])
    return output.splitlines()[:60] if code != 0 else []


def check_python(_options):
    """Every Python file compiles."""
    code, output = _run(["python3", "-m", "compileall", "-q", *tracked("*.py")])
    return output.splitlines() if code != 0 else []


def _texts():
    """(name, lines) of the tracked text files that people write."""
    for name in tracked():
        if name.startswith("tests/fuzz/corpus/") or name.endswith(".json"):
            continue
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue


def check_text(_options):
    """Nothing is marked as unfinished, names a directory of somebody's machine, or is too long to read."""
    problems = []
    for name, lines in _texts():
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line) or MACHINE_PATH.search(line):
                problems.append(f"{name}:{number}: {line.strip()[:100]}")
        if name.startswith(("common/", "services/", "scripts/")) and len(lines) > LINES_MAX:
            problems.append(f"{name}: {len(lines)} lines, more than {LINES_MAX}")
    return problems


CHECKS = {"format": check_format, "layers": check_layers, "purity": check_purity, "text": check_text,
          "python": check_python, "cppcheck": check_cppcheck, "tidy": check_tidy}


def run_checks(names, options, say=print):
    """Run checks. Returns [(name, problems, seconds)]."""
    results = []
    for name in names:
        started = time.monotonic()
        problems = CHECKS[name](options)
        seconds = time.monotonic() - started
        say(f"lint {name}: {'ok' if not problems else 'FAILED'} ({seconds:.1f} s)")
        for problem in problems:
            say(f"    {problem}")
        results.append((name, problems, seconds))
    return results


def parse(arguments=None):
    parser = argparse.ArgumentParser(prog="lint", description="Checks that a compiler does not make: " +
                                     "; ".join(f"{name}: {check.__doc__[0].lower()}{check.__doc__[1:-1]}"
                                               for name, check in CHECKS.items()) + ".")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"{', '.join(CHECKS)} (default: all)")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="a build to read archives and flags from")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.checks if name not in CHECKS]
    if unknown:
        raise Failure(f"no check named {', '.join(unknown)}: there are {', '.join(CHECKS)}", 2)
    options.build = options.build.resolve()
    return options


def main():
    options = parse()
    results = run_checks(options.checks or list(CHECKS), options)
    return 1 if any(problems for _, problems, _ in results) else 0


if __name__ == "__main__":
    run_main(main)
