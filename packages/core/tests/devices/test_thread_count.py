"""Processors that a process may use: affinity and control groups, laid out as Linux does it."""
import os
import subprocess
import sys

import pytest

import thalweg as tf
from thalweg import devices
from thalweg.devices import thread_count


def lay_out(root, groups, **files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for path, text in files.items():
        target = root / path.replace("__", "/").replace("_dot_", ".")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return root


@pytest.mark.parametrize(("quota", "limits"), [("max 100000", []), ("150000 100000", [2]), ("50000 100000", [1])])
def test_version_2(tmp_path, quota, limits):
    root = lay_out(tmp_path, "0::/jobs/one\n", sys__fs__cgroup__jobs__one__cpu_dot_max=quota + "\n")
    assert thread_count._cgroup_limits(root) == limits


def test_version_2_counts_the_groups_above(tmp_path):
    root = lay_out(tmp_path, "0::/jobs/one\n", sys__fs__cgroup__jobs__one__cpu_dot_max="max 100000",
                   sys__fs__cgroup__jobs__cpu_dot_max="300000 100000")
    assert thread_count._cgroup_limits(root) == [3]


def test_version_1(tmp_path):
    root = lay_out(tmp_path, "4:memory:/jobs\n3:cpu,cpuacct:/jobs\n0::/\n",
                   **{"sys__fs__cgroup__cpu,cpuacct__jobs__cpu_dot_cfs_quota_us": "250000",
                      "sys__fs__cgroup__cpu,cpuacct__jobs__cpu_dot_cfs_period_us": "100000"})
    assert thread_count._cgroup_limits(root) == [3]


def test_version_1_in_a_container_whose_path_is_the_hosts(tmp_path):
    root = lay_out(tmp_path, "1:cpu:/docker/0123\n", sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us="100000",
                   sys__fs__cgroup__cpu__cpu_dot_cfs_period_us="100000")
    assert thread_count._cgroup_limits(root) == [1]


def test_no_limit(tmp_path):
    root = lay_out(tmp_path, "1:cpu:/\n", sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us="-1",
                   sys__fs__cgroup__cpu__cpu_dot_cfs_period_us="100000")
    assert thread_count._cgroup_limits(root) == []


def test_no_control_groups(tmp_path):
    assert thread_count._cgroup_limits(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_the_affinity_mask_counts():
    program = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from thalweg import devices
import thalweg as tf
from thalweg import devices
from thalweg.devices import thread_count
assert thread_count.processors() == devices.set_threads() == 1
"""
    environment = {k: v for k, v in os.environ.items() if k != "THALWEG_NUM_THREADS"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=60)


def test_each_session_follows_what_the_process_may_have_now(monkeypatch):
    def run():
        with tf.Graph().as_default(), tf.Session() as session:
            session.run(tf.constant(1.0) + 1.0)
        return devices.threads()
    try:
        monkeypatch.setenv("THALWEG_NUM_THREADS", "3")
        assert run() == thread_count.default_threads() == 3
        monkeypatch.setenv("THALWEG_NUM_THREADS", "2")
        assert run() == thread_count.default_threads() == 2
        devices.set_threads(4)                                     # a wish stays
        assert run() == 4
    finally:
        monkeypatch.delenv("THALWEG_NUM_THREADS", raising=False)
        devices.set_threads()
