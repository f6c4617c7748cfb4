"""How many processors this process may use: its affinity mask and the limits of its control groups.

THALWEG_NUM_THREADS, a positive number, overrides both for the default count of threads.
"""
import os
from pathlib import Path


def processors():
    """Processors that this process may use, at least 1; half a processor counts as one."""
    return max(1, min([_affinity(), *_cgroup_limits(Path("/"))]))


def default_threads():
    """Threads of one region of work, the caller among them; ValueError if THALWEG_NUM_THREADS is no such number."""
    wish = os.environ.get("THALWEG_NUM_THREADS", "")
    if not wish:
        return processors()
    if not wish.isdigit() or int(wish) < 1:
        raise ValueError(f"THALWEG_NUM_THREADS is {wish!r}; it must be a positive number, or unset")
    return int(wish)


def _affinity():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_limits(root):
    """The CPU limits of this process's control groups and all groups above, in processors, rounded up.

    `root` stands for "/", so that tests can lay out groups of their own.
    """
    limits = []
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if controllers == "":
            base, read = root / "sys/fs/cgroup", _limit_v2
        elif "cpu" in controllers.split(","):
            base, read = _first_folder(root, controllers), _limit_v1
        else:
            continue
        group = base / path.lstrip("/")
        # In a container the path may be the host's, and the container's own group is mounted at the base.
        for folder in [group, *group.parents]:
            if folder == base.parent:
                break
            limits.append(read(folder))
    return [limit for limit in limits if limit]


def _first_folder(root, controllers):
    folders = [root / "sys/fs/cgroup" / name for name in (controllers, "cpu", "cpu,cpuacct")]
    return next((f for f in folders if f.is_dir()), folders[0])


def _limit_v2(folder):
    quota, _, period = "".join(_lines(folder / "cpu.max")).partition(" ")
    return -(-int(quota) // int(period)) if quota.isdigit() else None


def _limit_v1(folder):
    quota, period = "".join(_lines(folder / "cpu.cfs_quota_us")), "".join(_lines(folder / "cpu.cfs_period_us"))
    return -(-int(quota) // int(period)) if quota.isdigit() and period.isdigit() else None


def _lines(path):
    try:
        return path.read_text().splitlines()
    except OSError:
        return []                                   # no such control group, or none of our business
