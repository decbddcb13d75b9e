"""Joins the objects of one daemon into one, of which only the named symbols can be seen: two daemons have functions of
one name (each has its own end of an arrow), and they are linked into one program here.

    bundle.py LINKER OBJCOPY OUTPUT SYMBOL,SYMBOL,.. OBJECT.."""

import subprocess
import sys


def main():
    linker, objcopy, output, symbols, *objects = sys.argv[1:]
    objects = [name for name in objects if not name.endswith("main.c.o")]
    subprocess.run([linker, "-r", "-o", output, *objects], check=True)
    subprocess.run([objcopy, *(f"--keep-global-symbol={name}" for name in symbols.split(",")), output], check=True)


if __name__ == "__main__":
    main()
