"""Runs that a page in a browser cannot sample."""

import pytest

from condgen.cli.spelling import spell
from condgen.errors import RequestError
from condgen.runtime.header import Header, Integration
from condgen.studio.web.model import _must_know_sampler


def test_the_advice_on_a_foreign_sampler_is_a_setting_of_training() -> None:
    header, integration = object.__new__(Header), object.__new__(Integration)
    object.__setattr__(integration, "sampler", "ralston")
    object.__setattr__(header, "integration", integration)
    with pytest.raises(RequestError) as told:
        _must_know_sampler(header)
    assert spell(str(told.value)).endswith("train with one of them (the setting sampler=heun).")
