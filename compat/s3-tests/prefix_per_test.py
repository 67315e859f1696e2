"""A pytest plugin for ceph/s3-tests: a bucket prefix of its own for every test, and a choice by group.

The suite takes one random prefix a process and empties every bucket that has it before and after each
test. One bucket that cannot be emptied would then be an error of every later test; with a prefix a test
it is an error of the test that left it.
"""

import configparser
import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    import s3tests.functional as suite

    if suite.prefix is None:  # its own set-up, which comes next, chooses the first
        return
    settings = configparser.RawConfigParser()
    settings.read(os.environ["S3TEST_CONF"])
    suite.prefix = suite.choose_bucket_prefix(settings.get("fixtures", "bucket prefix"))


def pytest_collection_modifyitems(config, items):
    """Keeps the tests that `run` names in a file."""
    with open(os.environ["BLUEBUCKET_S3_TESTS"]) as names:
        wanted = set(names.read().split("\n"))
    config.hook.pytest_deselected(items=[item for item in items if item.name not in wanted])
    items[:] = [item for item in items if item.name in wanted]
