"""Bodies that nobody would write: the server answers each of them, and never with an error of its own."""

import json
import math
import random
import string
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from condgen.runs.run import Run
from condgen.serving import Limits
from condgen.serving.bodies import SampleBody
from tests.serving.conftest import Serve

MEMBERS = (*SampleBody.model_fields, "not", "Request", "")
WORDS = (
    "7", "digit=7", "digit=*", "digit!=3", "not", "digit=1..5", "digit=nan", "a 7 or", "x0=1..2", "x0=-1e999", "=", "|",
    "*", "emb=a.csv#1", "json", "png", "ndjson", "multipart", "euler", "dopri", "٣", "\x00", "\ud800", "digit" * 50,
    ",;\n", "7" * 400,
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 7, 0.5, 1e300, -1e300, 1e-320, math.nan, math.inf, 2**40, 2**63, 10**400, 1e16, 3.0, -0.0)
LIMITS = Limits(samples=20, batch=16, steps=5, body=200_000, deadline=3_600)  # a slow machine is no failure


def value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON, more often such as a request has."""
    kind = rng.randrange(8 if depth < 4 else 5)
    match kind:
        case 0:
            return rng.choice(NUMBERS)
        case 1 | 2:
            return rng.choice(WORDS)
        case 3:
            return rng.choice((None, True, False))
        case 4:
            return "".join(rng.choice(string.printable) for _ in range(rng.randrange(30)))
        case 5:
            return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case _:
            names = (*MEMBERS, "digit", "x0", "class")
            return {rng.choice(names): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def body(rng: random.Random) -> bytes:
    """A body: valid members with some wrong values, any JSON, or JSON with some bytes changed."""
    content: Any = {rng.choice(MEMBERS): value(rng) for _ in range(rng.randrange(6))}
    if rng.random() < 0.5:
        content |= {"request": rng.choice(WORDS), "n": rng.choice((1, 2, 3))}
    encoded = bytearray(json.dumps(content if rng.random() < 0.9 else value(rng)).encode())
    while rng.random() < 0.2 and encoded:
        encoded[rng.randrange(len(encoded))] = rng.randrange(256)
    return bytes(encoded)


def failures(client: TestClient, count: int, seed: int) -> Iterator[tuple[bytes, int, str]]:
    """The bodies that the server fails at, or refuses in another form than a problem."""
    rng = random.Random(seed)
    for _ in range(count):
        content = body(rng)
        path = f"/v1/{rng.choice(('digits', 'digits', 'flow', 'points'))}/sample"
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        problem = answer.headers["content-type"] == "application/problem+json"
        if answer.status_code >= 500 or problem == (answer.status_code == 200):
            yield content, answer.status_code, answer.text


@pytest.fixture
def client(serve: Serve, run: Run, flow: Run, points: Run) -> TestClient:
    return serve(digits=run, flow=flow, points=points, limits=LIMITS)


@pytest.fixture
def apart(serve: Serve, run: Run, flow: Run, points: Run) -> TestClient:
    """The same models as `condgen serve` has them: in processes of their own."""
    return serve(digits=run.path, flow=flow.path, points=points.path, limits=LIMITS, apart=True)


def test_hundreds_of_bodies_do_not_break_the_server(client: TestClient) -> None:
    assert list(failures(client, 200, seed=0)) == []


@pytest.mark.slow
def test_ten_thousand_bodies_do_not_break_the_server(apart: TestClient) -> None:
    assert list(failures(apart, 10_000, seed=1)) == []


def test_random_forms_do_not_break_edits(client: TestClient) -> None:
    rng = random.Random(2)
    for _ in range(100):
        names = ("request", "source", "strength", "decoded", "format", "image", "other")
        fields = {
            rng.choice(names): rng.choice((*WORDS[:-7], "1", "true", "-3", "nan")) for _ in range(rng.randrange(5))
        }
        parts = [rng.choice(("image", "image", "mask")) for _ in range(rng.randrange(3))]
        files = [(part, (rng.choice(WORDS[:8]), rng.randbytes(rng.randrange(40)))) for part in parts]
        assert client.post("/v1/digits/edit", data=fields, files=files or None).status_code < 500


# ---- requests generated from the API's own description


def described(client: TestClient, most: int) -> None:
    """Ask every address with generated values, and hold each answer against the description."""
    for found in schemathesis.openapi.from_asgi("/openapi.json", client.app).get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=most, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()


@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")  # schemathesis does
def test_the_description_holds(client: TestClient) -> None:
    described(client, 8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_the_description_holds_for_long(apart: TestClient) -> None:
    described(apart, 500)
