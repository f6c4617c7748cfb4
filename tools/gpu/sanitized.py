"""Runs a row of the op tables for each family of kernels on the device CUDA: what compute-sanitizer watches.

    compute-sanitizer --tool memcheck python tools/gpu/sanitized.py

A family is what one prepare function of thalweg_cuda/kernels makes. Its row is one of level L3 of the conformance kit,
and must give what the kit asks. Prints a line per row, which families no row has, mostly of ops on variables, random
numbers and fused steps (the programs in packages/cuda/tests/gpu have those), and the same as JSON in the last line.
Status 1 where a row gives something else.
"""
import json
import sys
import traceback
from pathlib import Path

from thalweg.testing.capabilities import Capabilities
from thalweg.testing.kit import Kit
from thalweg.testing.suite.test_l3_kernels import claimed_rows, test_values
from thalweg_cuda import kernels

CAPABILITIES = Path(__file__).resolve().parents[2] / "packages/cuda/src/thalweg_cuda/caps.toml"


def main():
    kit = Kit(Capabilities.read(CAPABILITIES))
    rows, missing = chosen(kit)
    failed = sum(not passes(kit, name, case) for name, case in rows.items())
    print(f"{len(rows)} rows, {failed} failed; families without a row: {', '.join(sorted(missing))}")
    print(json.dumps({"rows": len(rows), "failed": failed, "without_row": sorted(missing)}))
    sys.exit(failed > 0)


def chosen(kit):
    """{name: Case}, the fewest that a quick search finds, and the families that no row of L3 has."""
    cases = {name: (case, {kernels.family(op) for op in case.op_types} - {None})
             for name, case in claimed_rows(kit).items()}
    missing, found = {kernels.family(op) for op in kernels.op_types()}, {}
    while True:
        name = max(cases, key=lambda name: (len(cases[name][1] & missing), cases[name][0].dtype.name == "float32"))
        case, families = cases[name]
        if not families & missing:
            return found, missing
        found[name] = case
        missing -= families


def passes(kit, name, case):
    """Runs one case; tells of it."""
    try:
        test_values(kit, case)
    except Exception:                                    # the other rows are run too
        print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"ran    {name}", flush=True)
    return True


if __name__ == "__main__":
    main()
