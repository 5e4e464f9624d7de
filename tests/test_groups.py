"""Tests that share something trained run in one process, or several processes would train it."""

import pytest


@pytest.fixture(scope="module")
def shared_by_this_module() -> None:
    pass


@pytest.mark.skipif("not config.getoption('loadgroup', False)", reason="needs several processes (make test)")
def test_a_module_that_shares_a_fixture_is_a_group(shared_by_this_module: None, request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.endswith("@tests/test_groups.py")
