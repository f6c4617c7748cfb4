"""Reads mutated files of every kind until the time is up: `python fuzz.py --seconds 3600`; `tox -e fuzz`: a minute.

Each input is answered by a value or an exception of the family, within 2 s of processor time and 200 MB, or it is a
find: it is kept in the folder that is printed, with the seed that makes it again.
"""
import argparse
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import mutations

SECONDS, MBYTES = 2, 200
BATCH = 40                                           # inputs per process
KINDS = ("v2_table", "v2_data", "v1", "state", "graph", "graph_run", "meta_graph", "saved_model", "tfrecord", "packed",
         "example", "events", "safetensors", "npz")
FAMILY = ("thalweg.framework.errors.OpError", "builtins.ValueError", "builtins.TypeError")


# --- what is mutated ----------------------------------------------------------------------------------

def make_seeds(folder):
    """Fills `folder/KIND/` with small valid files: own ones, and the golden set's where that is found."""
    import hostile
    whole = Path(folder) / "all"
    whole.mkdir(parents=True)
    hostile.make_valid(whole)
    _write_functional(folder)
    own = Path(__file__).resolve().parents[1] / "data"
    golden = Path(os.environ.get("THALWEG_GOLDEN") or Path(__file__).resolve().parents[5] / "shared" / "golden")
    patterns = {
        "v2_table": [(whole, "v2_*.index"), (whole, "tbl_*.index"), (own, "*.index")],
        "v2_data": [(whole, "v2_*.index")], "v1": [(whole, "v1_*"), (own, "*_v1")],
        "state": [(whole, "state_*/checkpoint")], "graph": [(whole, "g_*"), (golden, "frozen/*.pb")],
        "graph_run": [(whole, "g_*"), (golden, "frozen/*.pb"), (Path(folder), "functional_*")],
        "meta_graph": [(golden, "v2/*.meta"), (golden, "control_flow/*.meta"), (golden, "v1/*.meta")],
        "saved_model": [(whole, "sm_*/saved_model.pb"), (golden, "saved_model/saved_model.pb")],
        "tfrecord": [(whole, "tr_good"), (golden, "tfrecord/*.tfrecord")], "packed": [(whole, "tr_*IP_good"),
                                                                                  (whole, "tr_*IB_good")],
        "example": [(whole, "ex_*")], "events": [(whole, "ev_*"), (golden, "events/tb/*tfevents*")],
        "safetensors": [(whole, "st_*"), (golden, "arrays/*.safetensors")],
        "npz": [(whole, "npz_*"), (golden, "arrays/*.npz")]}
    for kind, places in patterns.items():
        target = Path(folder) / kind
        target.mkdir()
        for place, pattern in places:
            for path in sorted(place.glob(pattern)) if place.is_dir() else []:
                if path.is_file() and path.stat().st_size < 300_000:
                    _copy(path, target / f"{len(os.listdir(target))}")
    if not os.listdir(Path(folder) / "meta_graph"):
        _write_meta_graph(Path(folder) / "meta_graph" / "0")


def _copy(path, target):
    """A seed is a folder: the file as `main`, and a checkpoint's data beside it."""
    target.mkdir()
    shutil.copyfile(path, target / "main")
    for data in path.parent.glob(path.stem + ".data-*") if path.suffix == ".index" else ():
        shutil.copyfile(data, target / data.name.replace(path.stem, "m", 1))


def _write_functional(folder):
    """Graphs with functions, of TensorFlow."""
    import numpy
    with numpy.load(Path(__file__).resolve().parents[1] / "data" / "functional" / "tf2.npz") as values:
        for name in ("cond_in_loop", "parts", "switch_case"):
            (Path(folder) / f"functional_{name}").write_bytes(values[f"{name}/graph"].tobytes())


def _write_meta_graph(target):
    import thalweg as tf
    target.mkdir(parents=True)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 3])
        w = tf.get_variable("w", [3, 2])
        w.assign_sub(0.1 * tf.gradients(tf.reduce_sum(tf.matmul(x, w)), w)[0])
        tf.train.Saver().export_meta_graph(str(target / "main"))


def mutated(rng, kind, data):
    """An input of a kind from the bytes of a valid file."""
    if kind in ("v2_table", "v1"):
        return mutations.of_bytes(rng, data) if rng.random() < 0.1 else mutations.of_table(rng, data)
    if kind in ("graph", "graph_run", "meta_graph", "saved_model"):
        return mutations.of_bytes(rng, data) if rng.random() < 0.2 else mutations.of_message(rng, data)
    if kind in ("example", "events"):
        return mutations.of_records(rng, data, mutations.of_bytes if rng.random() < 0.3 else mutations.of_message)
    if kind == "tfrecord":
        return mutations.of_bytes(rng, data)
    of = {"packed": mutations.of_packed, "safetensors": mutations.of_safetensors, "npz": mutations.of_npz}
    return of.get(kind, mutations.of_bytes)(rng, data)


# --- in a process of its own ---------------------------------------------------------------------------

def prepare():
    import readers
    readers.prepare()
    logging.disable(logging.CRITICAL)


def run_batch(kind, seeds, work, seed):
    """Reads BATCH inputs; gives what is wrong with the first that is a find, or None. The input stays in `work`."""
    rng = random.Random(seed)
    places = sorted(os.listdir(seeds))
    for _ in range(BATCH):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(f"{seeds}/{rng.choice(places)}", work)
        path = _input(rng, kind, work)
        _forget_peak()
        before, start = _status("VmRSS"), time.process_time()
        problem = _problem(kind, path)
        seconds, mbytes = time.process_time() - start, (_status("VmHWM") - before) / 1024
        if seconds > SECONDS or mbytes > MBYTES:
            problem = problem or f"{seconds:.1f} s, {mbytes:.0f} MB"
        if problem:
            return problem
    return None


def _input(rng, kind, work):
    """Puts the mutated file into `work`; gives the path that a reader takes."""
    with open(f"{work}/main", "rb") as file:
        data = file.read()
    if kind == "v2_data":
        os.rename(f"{work}/main", f"{work}/m.index")
        return _mutated_data(rng, work)
    name = {"v2_table": "m.index", "state": "checkpoint", "saved_model": "saved_model.pb"}.get(kind, "m")
    with open(f"{work}/{name}", "wb") as file:
        file.write(mutated(rng, kind, data))
    return {"v2_table": f"{work}/m", "state": work, "saved_model": work}.get(kind, f"{work}/m")


def _mutated_data(rng, work):
    """The data file changed, and the checksum in the index made right for one that is read as it stands."""
    from thalweg_io.checkpoints.bundle.entry import Entry
    from thalweg_io.checkpoints.table import TableWriter, read_table
    from thalweg_io.records.crc32c import masked_crc32c
    name = f"{work}/m.data-00000-of-00001"
    if not os.path.exists(name):
        return f"{work}/m"
    with open(name, "rb") as file:
        data = mutations.of_bytes(rng, file.read())
    with open(name, "wb") as file:
        file.write(data)
    with open(f"{work}/m.index", "rb") as file:
        entries = read_table(file.read(), "m.index")
    out = bytearray()
    writer = TableWriter(out.extend)
    for key, value in entries.items():
        entry = Entry.from_message(value) if key else None
        if entry is not None and entry.shape is not None:
            entry.crc = masked_crc32c(data[entry.offset:entry.offset + entry.size])
            value = entry.message()
        writer.add(key, value)
    writer.finish()
    with open(f"{work}/m.index", "wb") as file:
        file.write(out)
    return f"{work}/m"


def _problem(kind, path):
    import readers
    try:
        reader = {"v2_table": "v2", "v2_data": "v2", "packed": "tfrecord", "graph_run": "graph"}.get(kind, kind)
        if kind == "packed":
            with open(path, "rb") as file:
                case = {"compression": "GZIP" if file.read(1) == b"\x1f" else "ZLIB"}
        else:
            case = {"run": True} if kind == "graph_run" else {}
        readers.read(reader, path, case)
    except Exception as error:
        names = [f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__]
        if not set(FAMILY) & set(names):
            import traceback
            return f"{names[0]}: {str(error)[:300]} at {traceback.format_tb(error.__traceback__)[-1]}"
    return None


def _forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field))


# --- the loop -----------------------------------------------------------------------------------------

def fuzz(seconds, seed, keep, kinds=KINDS, batches=None, say=print):
    """Runs batches of all kinds in turn; gives [(kind, seed of the batch, problem, folder with the input)]."""
    import fresh
    finds, count, number = [], 0, 0
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder, fresh.Nursery("fuzz") as nursery:
        make_seeds(folder)
        while time.monotonic() < end and (batches is None or number < batches * len(kinds)):
            kind, batch_seed = kinds[number % len(kinds)], f"{seed}/{number}"
            work = f"{folder}/work"
            outcome = nursery.call("fuzz:run_batch", kind, f"{folder}/{kind}", work, batch_seed, timeout_s=60)
            problem = outcome.value or outcome.error or (f"ended with {outcome.status}" if outcome.status else None)
            count, number = count + BATCH, number + 1
            if problem:
                place = f"{keep}/{kind}-{number}"
                shutil.copytree(work, place)
                finds.append((kind, batch_seed, problem, place))
                say(f"{kind}, batch {batch_seed}: {problem}\n    kept in {place}")
    say(f"{count} inputs of {len(kinds)} kinds, {len(finds)} finds, seed {seed}")
    return finds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("THALWEG_FUZZ_SECONDS", 60)))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kinds", default=",".join(KINDS), help="comma-joined")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    keep = tempfile.mkdtemp(prefix="thalweg-fuzz-")
    finds = fuzz(args.seconds, args.seed, keep, args.kinds.split(","), say=lambda text: print(text, flush=True))
    sys.exit(bool(finds))


if __name__ == "__main__":
    main()
