"""The same work on many items in some threads, for work that mostly waits for the system without Python's lock."""
import concurrent.futures
import os

_MOST_THREADS = 4                     # a disk and its cache are not quicker with more


def side_by_side(function, items):
    """[function(item) for item in items], several at a time; the error of the first item that has one is raised."""
    count = min(_MOST_THREADS, len(items), processors())
    if count < 2:
        return [function(item) for item in items]
    pool = concurrent.futures.ThreadPoolExecutor(count, "thalweg-read")
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
