"""What is shown of a test that fails beside a gateway that a fixture has started."""

from collections.abc import Generator

import pytest

from tests.system.gateway import tails


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With the ends of the services' logs."""
    report = yield
    if report.failed and call.when == "call" and (found := tails()):
        report.sections.append(("the services' logs", found))
    return report
