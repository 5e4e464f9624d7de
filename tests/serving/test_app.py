"""The HTTP API: forms of answers, errors as problem details, limits, tokens, what it tells about itself."""

import base64
import io
import json
import re
from email import message_from_bytes
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from condgen.errors import RequestError
from condgen.pictures import pil_image
from condgen.runs.run import Run
from condgen.serving import Limits, create_app
from condgen.serving.served import named
from tests.serving.conftest import Serve
from tests.serving.echo import Echo

GREY = 1  # levels of 255 by which rounding may move a pixel


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)), dtype=np.int16)


def images(answer: dict[str, Any]) -> list[np.ndarray]:
    return [pixels(base64.b64decode(sample["image"])) for sample in answer["samples"]]


def drawn(run: Run, *asked: Any, n: int = 1, seed: int = 0, **how: Any) -> list[np.ndarray]:
    return [np.asarray(pil_image(x), dtype=np.int16) for x in run.sample(*asked, n=n, seed=seed, **how).x]


def equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    assert len(some) == len(others)
    return all(np.abs(a - b).max() <= GREY for a, b in zip(some, others, strict=True))


# ---- samples


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"request": "a 7", "n": 2, "seed": 5}, "a 7"),
        ({"request": {"digit": 7}, "n": 2, "seed": 5}, "digit=7"),
        ({"request": {"digit": {"not": [3, 4]}}, "n": 2, "seed": 5}, "digit!=3|4"),
        ({"request": ["digit=1|2", {"digit": "4"}], "n": 2, "seed": 5}, ["digit=1|2", "digit=4"]),
        ({"request": "digit=*", "n": 2, "seed": 5}, "digit=*"),
        ({"n": 2, "seed": 5}, ()),
    ],
)
def test_the_answer_is_what_the_run_gives(serve: Serve, run: Run, body: dict[str, Any], asked: Any) -> None:
    answer = serve(digits=run).post("/v1/digits/sample", json=body).json()
    expected = run.sample(asked, n=2, seed=5)
    assert equal(images(answer), drawn(run, asked, n=2, seed=5))
    assert [each["condition"] for each in answer["samples"]] == expected.condition.rows()
    assert [each["seed"] for each in answer["samples"]] == expected.seeds.tolist()
    assert [each["request"] for each in answer["samples"]] == expected.request.tolist()
    assert [each["text"] for each in answer["requests"]] == [each.text for each in run.requests(asked)]


def test_settings_of_guided_models_are_heard(serve: Serve, flow: Run) -> None:
    body = {"request": "digit=3", "n": 2, "guidance": {"digit": 3}, "steps": 3, "sampler": "euler"}
    body |= {"interval": [0.2, 0.9]}
    how = {"guidance": {"digit": 3}, "steps": 3, "sampler": "euler", "interval": (0.2, 0.9)}
    answer = images(serve(flow=flow).post("/v1/flow/sample", json=body).json())
    assert equal(answer, drawn(flow, "digit=3", n=2, **how))
    assert not equal(answer, drawn(flow, "digit=3", n=2))


def test_lines_come_one_per_sample(serve: Serve, run: Run) -> None:
    with serve(digits=run, limits=Limits(batch=2)).stream(
        "POST", "/v1/digits/sample", json={"request": "digit=2", "n": 5, "seed": 3, "format": "ndjson"}
    ) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert [line["seed"] for line in lines] == [3, 4, 5, 6, 7]
    assert equal(images({"samples": lines}), drawn(run, "digit=2", n=5, seed=3))


def test_a_grid_is_one_picture_with_a_row_per_request(serve: Serve, run: Run) -> None:
    body = {"request": ["digit=1", "digit=2"], "n": 3}
    answer = serve(digits=run).post("/v1/digits/sample", json=body, headers={"Accept": "image/png"})
    assert answer.headers["content-type"] == "image/png"
    expected = run.sample(["digit=1", "digit=2"], n=3).grid()
    assert Image.open(io.BytesIO(answer.content)).size == expected.size
    assert np.abs(pixels(answer.content) - np.asarray(expected, dtype=np.int16)).max() <= GREY


def test_parts_are_pictures_after_one_of_json(serve: Serve, run: Run) -> None:
    client = serve(digits=run)
    answer = client.post("/v1/digits/sample", json={"request": "digit=6", "n": 3, "seed": 8, "format": "multipart"})
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    about, *pictures = message_from_bytes(head + answer.content).get_payload()
    told = json.loads(about.get_payload(decode=True))  # type: ignore[union-attr, arg-type]
    assert [each["seed"] for each in told["samples"]] == [8, 9, 10]
    assert [part["X-Condgen-Seed"] for part in pictures] == ["8", "9", "10"]  # type: ignore[index]
    found = [pixels(part.get_payload(decode=True)) for part in pictures]  # type: ignore[union-attr, arg-type]
    assert equal(found, drawn(run, "digit=6", n=3, seed=8))


def test_vectors_are_rows_of_numbers_and_no_pictures(serve: Serve, points: Run) -> None:
    client = serve(points=points)
    answer = client.post("/v1/points/sample", json={"n": 4, "seed": 2}).json()
    expected = points.sample(n=4, seed=2)
    assert np.allclose([each["values"] for each in answer["samples"]], expected.values.numpy(), atol=1e-4)
    refused = client.post("/v1/points/sample", json={"format": "png"})
    assert refused.status_code == 406
    assert "vectors" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html, application/json;q=0.9", "application/json"),
        ("application/json;q=0.1, image/*;q=0.5", "image/png"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("multipart/mixed", "multipart/mixed; boundary=condgen-part"),
        ("text/html", "application/problem+json"),
        ("application/json;q=0", "application/problem+json"),
        ("image/p*", "application/problem+json"),
        ("*" * 60 + "x", "application/problem+json"),  # as a regular expression it would never be answered
    ],
)
def test_the_header_accept_chooses_the_form(serve: Serve, echo: Echo, accept: str, media: str) -> None:
    answer = serve(echo=echo).post("/v1/echo/sample", json={}, headers={"Accept": accept})
    assert answer.headers["content-type"] == media
    assert answer.status_code == (406 if "problem" in media else 200)


# ---- errors


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"request": "digit=11"}, 422, "Unknown value for 'digit': '11'"),
        ({"request": "an elephant"}, 422, "elephant"),
        ({"request": {"colour": "red"}}, 422, "Unknown attribute 'colour'"),
        ({"request": {"digit": {"x": 1}}}, 422, "/request/digit"),
        ({"n": 0}, 422, "/n: "),
        ({"n": 1.5}, 422, "/n: "),
        ({"n": True}, 422, "/n: "),
        ({"seed": "3"}, 422, "/seed: "),
        ({"request": {"digit": 12}}, 422, "Unknown value for 'digit': '12'"),
        ({"seed": 2**40}, 422, "/seed: "),
        ({"n": 2, "seed": 2**40 - 1}, 422, "below 2^40"),
        ({"count": 3}, 422, "/count: "),
        ({"steps": 5}, 422, "takes no guidance, steps or sampler"),
        ({"free": True}, 422, 'leave out `"free"`'),
        ({"steps": 201}, 422, "takes 200 steps at most"),
        ({"guidance": 1e9}, 422, "/guidance"),
        ({"n": 51}, 422, '`"n": 50`'),
        ({"request": "digit=*", "n": 6}, 422, "10 requests for 6 samples each would be 60"),
        ({"request": ["digit=*"] * 6}, 422, "makes 50 at once"),
        ({"request": "digit=table.csv#1"}, 422, "reads no files"),
        ({"request": {"digit": {"not": ["a/table.parquet#12"]}}}, 422, "reads no files"),
        ({"request": ["a 7" + " " * 19_990] * 6}, 422, "/request: All texts together may have 100,000 characters"),
        ({"request": [{"digit": ["7" * 20_000] * 6}]}, 422, "/request: All texts together may have 100,000 characters"),
        ([], 422, "the whole"),
    ],
)
def test_wrong_bodies_are_problems_that_say_what_to_do(
    serve: Serve, run: Run, body: Any, status: int, told: str
) -> None:
    answer = serve(digits=run, limits=Limits(samples=50)).post("/v1/digits/sample", json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"]) == (status, status, "about:blank")
    assert told in problem["detail"]


def test_a_problem_holds_the_words_that_are_unknown(serve: Serve, run: Run) -> None:
    client = serve(digits=run)
    assert client.post("/v1/digits/sample", json={"request": "a green 7"}).json()["words"] == ["green"]
    assert "words" not in client.post("/v1/digits/sample", json={"request": "digit=11"}).json()


def test_other_errors_are_problems_too(serve: Serve, echo: Echo) -> None:
    client = serve(echo=echo)
    assert "Served: echo" in client.post("/v1/eko/sample", json={}).json()["detail"]
    assert client.get("/v1/eko/schema").status_code == 404
    assert client.get("/nowhere").json()["title"] == "Not Found"
    assert client.get("/v1/echo/sample").json()["status"] == 405
    assert client.post("/v1/echo/sample", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    inside = client.post("/v1/echo/sample", json={"request": "digit=9"})
    assert (inside.status_code, "cannot draw" in inside.text) == (500, False)


def test_a_body_of_another_type_or_none_is_told_the_type(serve: Serve, echo: Echo) -> None:
    client = serve(echo=echo)
    for content, status in ((b"n=3", 415), (b'{"n": 3}', 415), (b"", 422)):
        answer = client.post(
            "/v1/echo/sample", content=content, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == status
        assert "`Content-Type: application/json`" in answer.json()["detail"]


def test_unknown_addresses_name_those_that_there_are(serve: Serve, echo: Echo) -> None:
    client = serve(echo=echo)
    assert "`/v1/models`" in client.get("/").json()["detail"]
    assert client.get("/v1").json() == client.get("/v1/models").json()


def test_bodies_have_a_limit_whether_they_tell_their_length_or_not(serve: Serve, echo: Echo) -> None:
    client = serve(echo=echo, limits=Limits(body=1_000))
    told = {"Content-Type": "application/json"}
    long = json.dumps({"request": "digit=3" + " " * 1_000}).encode()
    assert client.post("/v1/echo/sample", content=long, headers=told).status_code == 413
    assert client.post("/v1/echo/sample", content=iter([long]), headers=told).status_code == 413
    short = json.dumps({"request": "digit=3"}).encode()
    assert client.post("/v1/echo/sample", content=iter([short]), headers=told).status_code == 200


def test_a_token_is_needed_everywhere_but_for_health(serve: Serve, echo: Echo) -> None:
    client, right = serve(echo=echo, token="secret"), {"Authorization": "Bearer secret"}
    for path in ("/v1/models", "/v1/echo/schema", "/metrics", "/openapi.json"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": "Bearer secre"}).status_code == 401
        assert client.get(path, headers=right).status_code == 200
    refused = client.post("/v1/echo/sample", json={})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert client.post("/v1/echo/sample", json={}, headers=right).status_code == 200
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    assert "security" in client.get("/openapi.json", headers=right).json()


# ---- edits


def uploaded(run: Run, n: int) -> list[tuple[str, tuple[str, bytes]]]:
    files = []
    for k, image in enumerate(run.sample("digit=3", n=n, seed=40).to_pil()):
        file = io.BytesIO()
        image.save(file, "PNG")
        files.append(("image", (f"{k}.png", file.getvalue())))
    return files


@pytest.mark.parametrize(
    "fields", [{}, {"source": "digit=3"}, {"decoded": "true"}, {"strength": "0.5"}, {"strength": "auto"}]
)
def test_edits_are_what_the_run_gives(serve: Serve, run: Run, fields: dict[str, str]) -> None:
    from condgen.data import as_float
    from condgen.runs.editing import EditOptions

    files = uploaded(run, 2)
    answer = serve(digits=run).post("/v1/digits/edit", files=files, data={"request": "digit=8", **fields}).json()
    x = as_float(run.sample("digit=3", n=2, seed=40).x.mul(255).round().byte())
    source = run.stated(run.requests("digit=3")[0], 2) if "source" in fields else run.read(x)
    strength = "auto" if fields.get("strength") == "auto" else 0.5
    how = {"decoded": EditOptions(decoded=True), "strength": EditOptions(strength=strength)}  # type: ignore[arg-type]
    expected = run.edit(x, source, "digit=8", editing=next((how[name] for name in fields if name in how), None))
    assert equal(images(answer), [np.asarray(image, dtype=np.int16) for image in expected.to_pil()])
    assert answer["sources"] == source.rows()
    assert [each["condition"] for each in answer["samples"]] == [{"digit": "8"}] * 2


def test_a_mask_says_where_all_images_of_an_edit_may_change(serve: Serve, run: Run) -> None:
    height, width = run.shape[1:]
    mask = Image.new("L", (2 * width, 2 * height))  # of another size, as the images may be
    mask.paste(255, (0, 0, 2 * width, height))
    upload = io.BytesIO()
    mask.save(upload, "PNG")
    client, files, fields = serve(digits=run), uploaded(run, 2), {"request": "digit=8", "source": "digit=3"}
    whole = images(client.post("/v1/digits/edit", files=files, data=fields).json())
    answer = client.post("/v1/digits/edit", files=[*files, ("mask", ("top.png", upload.getvalue()))], data=fields)
    part, before = images(answer.json()), [np.asarray(Image.open(io.BytesIO(f[1][1])), dtype=np.int16) for f in files]
    top, rest = slice(0, height // 2 - 1), slice(height // 2 + 1, None)  # resizing blurs the edge
    for edited, everywhere, original in zip(part, whole, before, strict=True):
        assert equal([edited[top], edited[rest]], [everywhere[top], original[rest]])
        assert not equal([edited], [everywhere])
    broken = client.post("/v1/digits/edit", files=[*files, ("mask", ("top.png", b"no image"))], data=fields)
    assert (broken.status_code, "top.png cannot be read" in broken.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("files", "fields", "told"),
    [
        ([], {"request": "digit=8"}, "/image: Field required"),
        ([("image", ("x.png", b"no image"))], {"request": "digit=8"}, "x.png cannot be read: it is not an image"),
        (None, {"request": "digit=*"}, "stands for 10 requests"),
        (None, {"request": "digit=8", "strength": "-1"}, "strength of an edit must be above 0"),
        (None, {"request": "digit=8", "strength": "much"}, "/strength"),
        (None, {"request": "digit=8", "strenght": "3"}, "Unknown field 'strenght'. Did you mean strength?"),
        (None, {"request": ""}, " /request: Field required"),
        ([], {"request": "digit=8", "image": "hello"}, ": This must be an uploaded file."),
        (None, {"request": ["digit=8", "digit=9"]}, "The field 'request' was sent 2 times; send it once."),
        (None, {"request": "digit=8", "seed": ["1", "2", "3"]}, "The field 'seed' was sent 3 times; send it once."),
        (None, {"request": "a 7" + " " * 20_000}, "A request in words may have 20,000 characters"),
        (None, {"request": "digit=8", "source": "digit=12"}, "Unknown value"),
        (None, {"request": '{"digit": 12}'}, "Unknown value"),
        (None, {"request": '{"digit": {"a": [1]}}'}, "is no mapping of attributes to values in JSON"),
        (None, {"request": '{"digit": 8', "source": "digit=3"}, "is no mapping of attributes to values in JSON"),
        (None, {"request": "digit=8", "source": "digit!=3"}, "What an image shows is one value"),
        (None, {"request": "digit=8", "source": "digit=3|7"}, "'digit=3|7' leaves a choice"),
    ],
)
def test_wrong_edits_are_refused(serve: Serve, run: Run, files: Any, fields: dict[str, Any], told: str) -> None:
    files = uploaded(run, 1) if files is None else files
    answer = serve(digits=run).post("/v1/digits/edit", files=files, data=fields)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert ".." not in answer.json()["detail"]


def test_models_without_edits_refuse_them(serve: Serve, echo: Echo, run: Run) -> None:
    answer = serve(echo=echo).post("/v1/echo/edit", files=uploaded(run, 1), data={"request": "digit=8"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "This model cannot edit.")


# ---- what it tells about itself


def test_models_and_schemas_are_told(serve: Serve, run: Run, points: Run, echo: Echo) -> None:
    client = serve(digits=run, points=points, echo=echo)
    models = {model["name"]: model for model in client.get("/v1/models").json()["models"]}
    assert [(name, model["edits"]) for name, model in models.items()] == [
        ("digits", True),
        ("points", True),
        ("echo", False),
    ]
    assert models["digits"]["fingerprint"] == run.fingerprint
    told = client.get("/v1/points/schema").json()
    assert told["attributes"] == points.schema.model_dump(mode="json")["attributes"]
    assert (told["shape"], told["coordinates"]) == ([2], ["x0", "x1"])


def test_metrics_count_answers_samples_and_batches(serve: Serve, echo: Echo) -> None:
    client = serve(echo=echo)
    client.post("/v1/echo/sample", json={"n": 3})
    client.post("/v1/echo/sample", json={"n": 0})
    client.post("/v1/other/sample", json={})
    text = client.get("/metrics").text
    for line in (
        'condgen_answers_total{model="echo",status="200"} 1.0',
        'condgen_answers_total{model="echo",status="422"} 1.0',
        'condgen_samples_total{model="echo"} 3.0',
        'condgen_unanswered_samples{model="echo"} 0.0',
        'condgen_loads_total{model="echo",result="ok"} 1.0',
    ):
        assert line in text
    assert "other" not in text


def test_the_api_is_described_with_examples_that_work(serve: Serve, run: Run) -> None:
    client = serve(digits=run)
    described = client.get("/openapi.json").json()
    referred = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(described)))
    assert referred <= set(described["components"]["schemas"])
    for example in described["components"]["schemas"]["SampleBody"]["examples"]:
        assert client.post("/v1/digits/sample", json=example).status_code == 200
    assert client.get("/docs").status_code == 404  # its scripts would come from elsewhere


# ---- names


def test_models_are_named_by_their_files_or_as_told(tmp_path: Any) -> None:
    (tmp_path / "digits").mkdir()
    (tmp_path / "faces.onnx").touch()
    (tmp_path / "a=b").mkdir()
    paths = [f"{tmp_path}/digits/", f"{tmp_path}/faces.onnx", f"other={tmp_path}/digits", f"{tmp_path}/a=b"]
    assert list(named(paths)) == ["digits", "faces", "other", "a=b"]
    with pytest.raises(RequestError, match="both be called 'digits'"):
        named([f"{tmp_path}/digits", f"digits={tmp_path}/faces.onnx"])


@pytest.mark.parametrize("name", ["a b", "", "../x", "a/b", "a=b"])
def test_names_that_do_not_fit_into_an_address_are_refused(echo: Echo, name: str) -> None:
    with pytest.raises(RequestError, match="NAME=PATH"):
        create_app({name: echo})
    with pytest.raises(RequestError, match="at least one model"):
        create_app({})


def test_other_pages_can_be_mounted(echo: Echo) -> None:
    from starlette.responses import PlainTextResponse

    app = create_app({"echo": echo}, watch=None)
    app.mount("/", PlainTextResponse("a page"))
    with TestClient(app) as client:
        assert client.get("/").text == "a page"
        assert client.post("/v1/echo/sample", json={}).status_code == 200
