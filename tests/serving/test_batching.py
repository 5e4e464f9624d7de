"""One thread owns a model: who shares a batch, whose turn it is, and how work ends."""

import os
import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue

import pytest

from condgen.errors import RequestError
from condgen.requests.request import Request
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions
from condgen.serving.batching import Batcher, ClosedError, Errand, FullError, Job, Outcome, Pace, Sampling
from condgen.serving.editing import ReadPlan
from condgen.serving.limits import Limits, all_but_one
from condgen.serving.metrics import Metrics
from condgen.studio.routes.edit import Look
from tests.serving.echo import Echo, picture

LIMITS = Limits(batch=4, wait=0.2, queue=20, samples=20)
PLAIN, GUIDED = SamplingOptions(), SamplingOptions(guidance=2.0)


@pytest.fixture
def batcher(echo: Echo) -> Iterator[Batcher]:
    made = Batcher(echo, LIMITS)
    yield made
    echo.gate.set()
    made.close()


class Asked:
    """A job with what came of it."""

    def __init__(self, batcher: Batcher, text: str, n: int, seed: int, how: SamplingOptions = PLAIN) -> None:
        self.batcher, self.seeds = batcher, range(seed, seed + n)
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.job: Job = Sampling(batcher.generator.requests(text), n, seed, how, self.outcomes.put)
        batcher.accept(self.job)

    def parts(self) -> list[int]:
        """The numbers of samples in which the answer came, each checked by its seed. Raises the job's error."""
        found: list[Samples] = []
        while sum(map(len, found)) < len(self.seeds):
            outcome = self.outcomes.get(timeout=30)
            if isinstance(outcome, Exception):
                raise outcome
            found.append(outcome)
        self.batcher.release(self.job)
        whole = Samples.cat(found)
        assert whole.seeds.tolist() == list(self.seeds)
        for sample in whole:
            digit = int(sample.condition.rows()[0]["digit"] or 0)
            assert sample.x[0].equal(picture(int(sample.seeds[0]), digit))
        return [len(part) for part in found]


def held(batcher: Batcher, echo: Echo) -> Asked:
    """A request at which the model waits, so that those after it come together."""
    echo.gate.clear()
    first = Asked(batcher, "", 4, 1_000)
    assert echo.busy.wait(30)
    return first


def test_requests_that_come_together_share_a_batch_up_to_its_size(batcher: Batcher, echo: Echo) -> None:
    first = held(batcher, echo)
    several = [Asked(batcher, f"digit={k}", n, 10 * k) for k, n in enumerate((1, 2, 3))]
    echo.gate.set()
    assert [each.parts() for each in (first, *several)] == [[4], [1], [2], [1, 2]]
    assert echo.batches == [[4], [1, 2, 1], [2]]


def test_other_settings_are_another_batch(batcher: Batcher, echo: Echo) -> None:
    first = held(batcher, echo)
    several = [Asked(batcher, "", 1, k, how) for k, how in enumerate((PLAIN, GUIDED, PLAIN, GUIDED))]
    echo.gate.set()
    assert [each.parts() for each in (first, *several)] == [[4], [1], [1], [1], [1]]
    assert echo.batches == [[4], [1, 1], [1, 1]]


def test_a_long_request_takes_turns_with_short_ones(batcher: Batcher, echo: Echo) -> None:
    first = held(batcher, echo)
    long, short = Asked(batcher, "", 12, 0), Asked(batcher, "digit=5", 2, 50)
    echo.gate.set()
    assert [each.parts() for each in (first, long, short)] == [[4], [4, 2, 4, 2], [2]]
    assert echo.batches == [[4], [4], [2, 2], [4], [2]]


def test_more_than_fits_is_refused_until_something_is_answered(batcher: Batcher, echo: Echo) -> None:
    first = held(batcher, echo)
    second = Asked(batcher, "", 16, 0)
    with pytest.raises(FullError) as refused:
        Asked(batcher, "", 1, 0)
    assert refused.value.after >= 1
    assert batcher.unanswered == 20
    echo.gate.set()
    first.parts()
    assert Asked(batcher, "", 1, 7).parts() == [1]
    second.parts()
    assert batcher.unanswered == 0


def test_lone_samples_hardly_slow_the_pace_of_full_batches() -> None:
    pace = Pace()
    for count, seconds in [(1, 0.1)] * 9 + [(64, 0.64)]:
        pace.note(count, seconds)
    assert 0.01 < pace.seconds_per_sample < 0.02


def test_only_samples_that_were_generated_are_counted(echo: Echo) -> None:
    counts, outcomes = list[int](), SimpleQueue[Outcome]()
    batcher = Batcher(echo, Limits(), lambda count, _: counts.append(count))
    given = echo.together([Part(Request({}, "anything"), range(3))])
    batcher.accept(Errand(lambda generator: given, 3, outcomes.put))
    batcher.accept(Errand(lambda generator: 1 / 0, 3, outcomes.put))  # type: ignore[arg-type, return-value]
    for plan in (ReadPlan(given.x), Look(given.x)):
        batcher.accept(plan.job(outcomes.put))
    batcher.close()
    assert counts == [3, 0, 0, 0]


def test_seconds_without_a_sample_are_no_batch_of_samples() -> None:
    metrics = Metrics()
    metrics.generated("digits", 0, 1.5)
    text = metrics.text().decode()
    assert 'condgen_model_seconds_total{model="digits"} 1.5' in text
    assert "condgen_batch_samples_count" not in text


def test_errands_leave_the_pace_alone_and_nobody_is_sent_away_beyond_the_deadline(echo: Echo) -> None:
    batcher = Batcher(echo, Limits(batch=4, queue=4, samples=4, deadline=3))
    done = SimpleQueue[Outcome]()
    batcher.accept(slow := Errand(lambda generator: time.sleep(0.1), 1, done.put))  # type: ignore[arg-type, return-value]
    done.get(timeout=30)
    batcher.release(slow)
    Asked(batcher, "", 4, 0).parts()
    assert batcher._pace.seconds_per_sample < 0.01
    batcher._pace.note(1, 1e4)
    first = held(batcher, echo)
    with pytest.raises(FullError) as refused:
        batcher.must_have_room()
    assert refused.value.after == 3
    echo.gate.set()
    first.parts()
    batcher.close()


def test_a_released_request_is_not_generated(batcher: Batcher, echo: Echo) -> None:
    first = held(batcher, echo)
    batcher.release(Asked(batcher, "", 3, 0).job)
    assert batcher.unanswered == 4
    echo.gate.set()
    first.parts()
    assert Asked(batcher, "digit=1", 1, 1).parts() == [1]
    assert echo.batches == [[4], [1]]


def test_a_request_that_fails_fails_alone(batcher: Batcher, echo: Echo) -> None:
    first = held(batcher, echo)
    good, bad, fine = (Asked(batcher, f"digit={k}", 1, k) for k in (3, 9, 4))
    echo.gate.set()
    assert [each.parts() for each in (first, good, fine)] == [[4], [1], [1]]
    with pytest.raises(ValueError, match="cannot draw a nine"):
        bad.parts()
    assert batcher.unanswered == 0


def test_a_closed_batcher_finishes_what_it_accepted_and_takes_no_more(echo: Echo) -> None:
    batcher = Batcher(echo, LIMITS)
    several = [Asked(batcher, "", 5, 10 * k) for k in range(4)]
    batcher.close()
    assert [sum(each.parts()) for each in several] == [5, 5, 5, 5]
    with pytest.raises(ClosedError):
        Asked(batcher, "", 1, 0)


def test_an_errand_has_the_model_to_itself(batcher: Batcher, echo: Echo) -> None:
    first, outcomes = held(batcher, echo), SimpleQueue[Outcome]()
    before = Asked(batcher, "", 1, 0)
    batcher.accept(Errand(lambda generator: next(generator.stream(generator.requests("digit=2"), 3)), 3, outcomes.put))
    batcher.accept(Errand(lambda generator: 1 / 0, 1, outcomes.put))  # type: ignore[arg-type, return-value]
    after = Asked(batcher, "", 1, 1)
    echo.gate.set()
    assert [each.parts() for each in (first, before, after)] == [[4], [1], [1]]
    assert len(outcomes.get(timeout=30)) == 3  # type: ignore[arg-type]
    assert echo.batches == [[4], [1, 1], [3]]
    assert isinstance(outcomes.get(timeout=30), ZeroDivisionError)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"batch": 0}, "batch must be above 0"),
        ({"wait": -1}, "wait"),
        ({"threads": 0}, "threads"),
        ({"samples": 3000}, "never fit into a queue"),
    ],
)
def test_wrong_limits_are_refused(wrong: dict[str, int], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        Limits(**wrong)


class Threads(Echo):
    """A generator that notes who limits its threads, and to how many."""

    limited: tuple[str, int] | None = None

    def use_threads(self, most: int) -> None:
        self.limited = threading.current_thread().name, most


@pytest.mark.parametrize("threads", [None, 3])
def test_a_model_computes_in_as_many_threads_as_it_may(threads: int | None) -> None:
    model = Threads()
    batcher = Batcher(model, Limits(threads=threads))
    batcher.close()
    assert model.limited == (threads and ("condgen-model", threads))


def test_one_processor_is_left_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for available in (8, 1):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=available: set(range(n)), raising=False)
        found.append(all_but_one())
    assert found == [7, 1]


def test_after_a_large_batch_the_next_waits_for_those_who_ask_again(echo: Echo) -> None:
    batcher = Batcher(echo, Limits(batch=16, wait=1e6, queue=20, samples=20))
    first = held(batcher, echo)
    echo.gate.set()
    first.parts()
    one = Asked(batcher, "", 2, 0)
    with pytest.raises(Empty):
        one.outcomes.get(timeout=0.1)
    rest = Asked(batcher, "digit=1", 2, 2)
    assert [each.parts() for each in (one, rest)] == [[2], [2]]
    assert echo.batches == [[4], [2, 2]]
    batcher.close()


def test_a_quarter_of_a_full_batch_waits_for_nobody(echo: Echo) -> None:
    batcher = Batcher(echo, Limits(batch=8, wait=1e6, queue=20, samples=20))
    first = held(batcher, echo)
    echo.gate.set()
    first.parts()
    assert Asked(batcher, "", 2, 0).parts() == [2]
    batcher.close()
