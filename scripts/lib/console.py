"""What the operator sees: one line per step, progress for what takes long, and failures that say what to do."""

import sys
import time


class Failure(Exception):
    """Something the operator must know; its text is the whole message. Ends the program with `code`."""

    def __init__(self, message, code=1):
        super().__init__(message)
        self.code = code


class Console:
    """Prints lines that begin with the seconds since the start. On a terminal, progress overwrites itself."""

    PROGRESS_EVERY_S = 2.0

    def __init__(self, out=sys.stdout):
        self.out = out
        self.started = time.monotonic()
        self.terminal = out.isatty()
        self.overwrites = False
        self.progress_text = ""
        self.progress_at = 0.0

    def step(self, text):
        """Say that something began or was done."""
        self._end_progress()
        self.out.write(f"[{time.monotonic() - self.started:5.1f} s] {text}\n")
        self.out.flush()

    def progress(self, text):
        """Say how far the running step is. Without a terminal: only what is new, every two seconds."""
        now = time.monotonic()
        if self.terminal:
            self.out.write(f"\r\x1b[K[{now - self.started:5.1f} s]   {text}")
            self.out.flush()
            self.overwrites = True
        elif text != self.progress_text and now - self.progress_at >= self.PROGRESS_EVERY_S:
            self.out.write(f"[{now - self.started:5.1f} s]   {text}\n")
            self.out.flush()
            self.progress_text, self.progress_at = text, now

    def text(self, text=""):
        """Print as it is."""
        self._end_progress()
        self.out.write(text + "\n")
        self.out.flush()

    def _end_progress(self):
        if self.overwrites:
            self.out.write("\r\x1b[K")
            self.overwrites = False


class Silent(Console):
    """Says nothing: for programs that start clusters for their own purposes."""

    def _nothing(self, text=""):
        pass

    step = progress = text = _nothing


def table(header, rows):
    """Lines of a table with columns as wide as their contents."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def run_main(main):
    """Run main() and turn a Failure into a message and an exit code."""
    try:
        sys.exit(main() or 0)
    except Failure as failure:
        print(f"{sys.argv[0].rsplit('/', 1)[-1].removesuffix('.py')}: {failure}", file=sys.stderr)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
