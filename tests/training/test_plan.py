"""The share of a run that is done, by the plan that applied."""

import pytest

from condgen.training.plan import Stage, share_after


@pytest.mark.parametrize(
    ("stage", "images", "share"),
    [
        (Stage(100), 0, 0.0),
        (Stage(100), 25, 0.25),
        (Stage(100), 130, 1.0),
        (Stage(100, images=50, share=0.2), 50, 0.2),
        (Stage(100, images=50, share=0.2), 75, 0.6),
        (Stage(100, images=50, share=0.2), 0, 0.0),
        (Stage(50, images=50, share=0.2), 50, 1.0),
        (Stage(40, images=50, share=0.2), 45, 1.0),
    ],
)
def test_the_rest_of_a_run_is_shared_among_the_rest_of_its_images(stage: Stage, images: int, share: float) -> None:
    assert stage.share_after(images) == pytest.approx(share)


def test_the_latest_plan_up_to_then_applies() -> None:
    stages = [Stage(100), Stage(200, images=50, share=0.5), Stage(80, images=70, share=0.6)]
    assert [share_after(stages, n) for n in (25, 49, 50, 69, 70, 75)] == pytest.approx(
        [0.25, 0.49, 0.5, 0.5 + 0.5 * 19 / 150, 0.6, 0.8]
    )
    assert share_after([], 5) is None
    assert share_after(stages[1:], 49) is None
