"""A plugin of pytest: of all tests that were collected every n-th is run, so that n processes run all of them.

    pytest -p part --part 0/8 ...         the first of eight, with tools/gpu on PYTHONPATH
"""
import pytest


def pytest_addoption(parser):
    parser.addoption("--part", metavar="K/N", required=True)


@pytest.hookimpl(trylast=True)           # after plugins that take tests out
def pytest_collection_modifyitems(config, items):
    k, n = map(int, config.getoption("part").split("/"))
    items[:] = items[k::n]
