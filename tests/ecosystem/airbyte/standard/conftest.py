"""Holds the standard tests to the table in README.md: no other test may be skipped, and none for another reason."""

import re
from pathlib import Path

import pytest
from airbyte_cdk.test.standard_tests import docker_base

ROW = re.compile(r"^\| `(?P<test>test_\w+)` \| (`(?P<configuration>\w+)`)? ?\| `(?P<says>.+?)` \|", re.MULTILINE)

ROWS = list(ROW.finditer(Path(__file__).with_name("README.md").read_text()))

# What a test says when it is skipped, by its name and the configuration.
SKIPPED = {(row["test"], row["configuration"]): row["says"] for row in ROWS}

# Airbyte's registry has never had a version of this connector; it need not be asked.
docker_base.fetch_published_spec = lambda repository, registry: None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    scenario = item.callspec.params.get("scenario") if hasattr(item, "callspec") else None
    expected = SKIPPED.get((item.originalname, scenario and scenario.id))
    if report.skipped:
        _, _, said = report.longrepr
        if expected is None or expected not in said:
            report.outcome, report.longrepr = "failed", f"README.md does not tell of this: {said}"
    elif expected and report.when == "call":
        report.outcome, report.longrepr = "failed", "README.md says that this is skipped"
