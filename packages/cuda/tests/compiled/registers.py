#!/usr/bin/env python3
"""Compiles the catalogue's sources for the processors of NVIDIA's cards and writes registers.csv: what kernels take.

    tox -e cuda-compile -- --write      all of ARCHS, two minutes each: after a change to kernels
    tox -e cuda-compile                 two of them, and nothing is written: status 1 if the table says otherwise
    registers.py --check 90 100         the same for others, where NVRTC and the packages are installed

A row is an op type: how many kernels launch for it, and the most that one of them takes. A kernel that needs more
than the table says, by 5 % of registers or by any stack, is a mistake or wants a new table, as does an op of the table
that no kernel is asked for any more; the compiler's version stands in the first line, and another version is an error.
A stack is a mistake unless stacks.py has a reason for it.
"""
import argparse
import csv
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalogue import sources
from cubin import Use, uses
from stacks import unexplained

from thalweg_cuda import kernels
from thalweg_cuda.compiler.nvrtc import Nvrtc

TABLE = Path(__file__).with_name("registers.csv")
ARCHS = (75, 80, 86, 89, 90, 100, 120)
GROWTH = 1.05


def compiled(nvrtc, found, arch, threads=2):
    """{op type: (count of kernels, Use of the greediest in each respect)}; CompileError for a source that fails."""
    with ThreadPoolExecutor(threads) as pool:
        cubins = list(pool.map(lambda source: nvrtc.compile(source.text, source.options, f"sm_{arch}"), found))
    by_op = defaultdict(list)
    for op_types, cubin in zip(found.values(), cubins):
        for op_type in op_types:
            by_op[op_type] += uses(cubin).values()
    return {op_type: (len(all_uses), Use(*map(max, zip(*all_uses)))) for op_type, all_uses in by_op.items()}


def read():
    """(version of the compiler, {(op type, arch): (count, Use)}) of the table."""
    with open(TABLE, newline="") as file:
        version = file.readline().strip().removeprefix("# NVRTC ")
        return version, {(row["op_type"], int(row["arch"])): (int(row["kernels"]), Use(
            int(row["registers"]), int(row["stack"]), int(row["shared"]))) for row in csv.DictReader(file)}


def write(version, table):
    """The same, to the file."""
    with open(TABLE, "w", newline="") as file:
        file.write(f"# NVRTC {version}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["op_type", "arch", "kernels", *Use._fields])
        for (op_type, arch), (count, use) in sorted(table.items()):
            writer.writerow([op_type, arch, count, *use])


def greedier(table, now):
    """Sentences on kernels that take more than the table says, that it does not know, or that have gone from it."""
    for (op_type, arch), (_, use) in sorted(now.items()):
        known = table.get((op_type, arch))
        if known is None:
            yield f"{op_type} on sm_{arch} is not in {TABLE.name}"
        elif use.registers > GROWTH * known[1].registers or use.stack > known[1].stack:
            yield f"{op_type} on sm_{arch} takes {use}, {TABLE.name} has {known[1]}"
    archs = {arch for _, arch in now}
    for op_type, arch in sorted(key for key in table.keys() - now.keys() if key[1] in archs):
        yield f"{op_type} on sm_{arch} is in {TABLE.name}, but nothing asks for a kernel of it"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", type=int, nargs="+", metavar="ARCH")
    args = parser.parse_args()
    nvrtc, found = Nvrtc.load(), sources()
    without = sorted(set(kernels.op_types()).difference(*found.values()))
    print(f"{len(found)} sources; ops that launch nothing, or are refused: {', '.join(without)}", flush=True)
    now = {}
    for arch in args.check or ARCHS:
        table = compiled(nvrtc, found, arch)
        now.update({(op_type, arch): row for op_type, row in table.items()})
        print(f"sm_{arch}: {len(found)} sources, at most {max(use.registers for _, use in table.values())} registers, "
              f"{sum(use.stack > 0 for _, use in table.values())} ops with a stack", flush=True)
    version = ".".join(map(str, nvrtc.version))
    if args.write:
        write(version, now)
        _end(unexplained(now))
    known, table = read()
    if known != version:
        sys.exit(f"{TABLE.name} is of NVRTC {known}, this is {version}: all kernels compile, but registers were not "
                 f"compared; make the table anew, or install nvidia-cuda-nvrtc=={known}.*")
    _end([*greedier(table, now), *unexplained(now)])


def _end(wrong):
    wrong = list(wrong)
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
