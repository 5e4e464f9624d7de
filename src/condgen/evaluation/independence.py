"""Independence of a measurement: a run is not measured by networks that it was trained against, or their relatives."""

from collections.abc import Iterable, Sequence

from condgen.errors import RequestError
from condgen.evaluation.judge.features import JUDGE
from condgen.feature_networks import FeatureNetwork, relative, unrelated
from condgen.messages import setting
from condgen.runs.run import Run


def must_be_independent(run: Run, features: Iterable[str]) -> None:
    """Raise RequestError if the judge or the features are what the run was trained against, or relatives of it."""
    for name in (JUDGE, *features):
        if found := relative(name, run.info.against):
            raise RequestError(_refusal(run, name, *found))


def independent(run: Run, features: Sequence[str]) -> bool:
    """Whether a measurement in these features says something about the run."""
    return not any(relative(name, run.info.against) for name in (JUDGE, *features))


def _refusal(run: Run, name: str, trained: FeatureNetwork, shared: str) -> str:
    judged = f"{run.path} was trained against {trained.name}, so measuring it "
    judged += f"with '{name}' would measure how well it fits what it was trained to please"
    because = "" if name == trained.name else f" (both have {shared})"
    if name == JUDGE:
        return f"{judged}{because}, and obedience is always read by the judge. Train it against another network."
    return f"{judged}{because}. Take {_instead(run)}, or the folder of a vision model that shares neither."


def _instead(run: Run) -> str:
    return " or ".join(setting(features=name) for name in unrelated(run.info.against))
