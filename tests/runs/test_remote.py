"""A served model is asked like a run, and gives the same samples."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from condgen import Client
from condgen.errors import RequestError, RunError
from condgen.pictures import as_uint8
from condgen.requests import parse_requests
from condgen.runs.addresses import open_generator
from condgen.runs.editing import EditOptions
from condgen.runs.generator import Editor, Generator
from condgen.runs.remote import _as_json
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema, Vector
from condgen.serving import Limits, create_app
from condgen.studio.app import create_studio
from tests.conftest import Command
from tests.export.untrained import untrained
from tests.serving.server import listening

GREY = 1 / 255 + 1e-6  # a level, by which rounding may move a pixel


@pytest.fixture(scope="module")
def address(run: Run, points: Run) -> Iterator[str]:
    """A server of digits and points that makes 20 samples of a request at most."""
    app = create_app({"digits": run, "points": points}, limits=Limits(samples=20), watch=None)
    with listening(app) as found:
        yield found


def test_a_client_is_a_generator_with_the_runs_schema(address: str, run: Run) -> None:
    client = open_generator(f"{address}/digits")
    assert isinstance(client, Client)
    assert isinstance(client, Generator)
    assert client.schema == run.schema
    assert client.shape == run.shape
    assert client.fingerprint == run.fingerprint
    assert "digit=9" in repr(client)


@pytest.mark.parametrize("asked", ["a 7", "digit!=3|4", ["digit=1|2", {"digit": 5}], "digit=*", ()])
def test_images_are_those_of_the_run(address: str, run: Run, asked: Any) -> None:
    found, expected = Client(f"{address}/digits").sample(asked, n=3, seed=7), run.sample(asked, n=3, seed=7)
    assert found.condition.rows() == expected.condition.rows()
    assert found.seeds.tolist() == expected.seeds.tolist()
    assert found.request.tolist() == expected.request.tolist()
    assert abs(found.x - as_uint8(expected.x).numpy() / 255).max() <= GREY


def test_vectors_are_those_of_the_run_in_the_datas_units(address: str, points: Run) -> None:
    found, expected = Client(f"{address}/v1/points").sample(n=5, seed=3), points.sample(n=5, seed=3)
    assert abs(found.values - expected.values.numpy()).max() < 1e-4
    assert found.names == expected.names
    assert found.condition.rows() == expected.condition.rows()


def test_attributes_may_be_keywords(address: str) -> None:
    client = Client(f"{address}/digits")
    assert (client.sample(digit=7, n=2).x == client.sample("digit=7", n=2).x).all()
    with pytest.raises(RequestError, match="attribute or option of sampling 'digt'"):
        client.sample(digt=7)


def test_more_than_the_server_makes_at_once_is_asked_for_in_pieces(address: str, run: Run) -> None:
    client = Client(f"{address}/digits")
    parts = list(client.stream(client.requests(["digit=1", "digit=2"]), 45, 100, batch=30, skip=30))
    assert [(part.request[0].item(), part.seeds[0].item(), len(part)) for part in parts] == [
        (0, 130, 15),
        (1, 100, 30),
        (1, 130, 15),
    ]
    assert abs(parts[1].x - as_uint8(run.sample("digit=2", n=30, seed=100).x).numpy() / 255).max() <= GREY


def test_edits_are_those_of_the_run(address: str, run: Run) -> None:
    client, x = Client(f"{address}/digits"), as_uint8(run.sample(["digit=3", "digit=5"], n=3, seed=40).x).numpy() / 255
    assert isinstance(client, Editor)
    shown = torch.from_numpy(x).float()
    read = client.read(shown.numpy())
    assert read.rows() == run.read(shown).rows()
    for source in (read, client.stated(client.requests("digit=3")[0], 6)):
        for editing in (None, EditOptions(strength=0.5), EditOptions(strength="auto"), EditOptions(decoded=True)):
            found = client.edit(shown.numpy(), source, "digit=8", seed=9, editing=editing)
            theirs = Condition.of(run.schema, source.rows())
            expected = run.edit(shown, theirs, "digit=8", seed=9, editing=editing)
            assert abs(found.x - as_uint8(expected.x).numpy() / 255).max() <= GREY
            assert found.condition.rows() == expected.condition.rows()
            assert found.seeds.tolist() == expected.seeds.tolist()
    assert (client.edit(x, digit=8).x == client.edit(x, read, "digit=8").x).all()
    mask = np.zeros(shown.shape[2:], dtype=np.float32)
    assert (client.edit(x, read, "digit=8", mask=mask).x == x.astype(np.float32)).all()


@pytest.mark.parametrize("kind", ["vector", "continuous"])
def test_edits_are_told_numbers_that_are_not_rounded(kind: str) -> None:
    run = untrained("cvae", kind=kind)
    before = run.sample(n=2, seed=3)
    after = run.sample(n=1, seed=9).condition
    name = run.schema.names[0]
    change = {name: after.values[name][0].tolist()}
    with listening(create_app({"model": run}, watch=None)) as address:
        found = Client(f"{address}/model").edit(before.x.numpy(), before.condition, change)
    x = as_uint8(before.x) / 255
    expected = run.edit(x, before.condition, change)
    assert found.condition.rows() == expected.condition.rows()
    assert abs(found.x - as_uint8(expected.x).numpy() / 255).max() <= GREY


def test_wrong_edits_are_refused(address: str, run: Run) -> None:
    client, x = Client(f"{address}/digits"), run.sample("digit=3", n=1).x.numpy()
    three = client.stated(client.requests("digit=3")[0], 1)
    with pytest.raises(RequestError, match="stands for 10 requests"):
        client.edit(x, three, "digit=*")
    with pytest.raises(RequestError, match="Say one value of digit"):
        client.stated(client.requests("digit=3|4")[0], 1)
    with pytest.raises(RequestError, match="makes vectors"):
        Client(f"{address}/points").edit(x, three, "far=yes")


def test_edit_writes_the_files_of_the_run(address: str, run: Run, command: Command, tmp_path: Path) -> None:
    run.sample("digit=3", n=1).to_pil()[0].save(tmp_path / "3.png")
    said = []
    for model, out, how in (
        (run.path, "here", ()),
        (f"{address}/digits", "there", ()),
        (f"{address}/digits", "told", ("--from", "digit=5")),
    ):
        result = command("edit", model, tmp_path / "3.png", "digit=8", *how, "--out", tmp_path / out)
        assert result.status == 0, result.err
        said.append(result.out.splitlines()[0])
    assert said[0] == said[1]
    assert said[2].endswith("digit=5 → digit=8")
    names = [sorted(file.name for file in (tmp_path / out).iterdir()) for out in ("here", "there")]
    assert names[0] == names[1]


def test_sample_writes_the_files_of_the_run(address: str, run: Run, command: Command, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert command("sample", run.path, "a 7", "-n", 4, "--out", here).status == 0
    result = command("sample", f"{address}/digits", "a 7", "-n", 4, "--out", there)
    assert result.status == 0, result.err
    assert (here / "metadata.csv").read_bytes() == (there / "metadata.csv").read_bytes()
    assert sorted(file.name for file in here.iterdir()) == sorted(file.name for file in there.iterdir())


def test_the_servers_refusals_are_errors_with_its_words(address: str) -> None:
    client = Client(f"{address}/digits")
    with pytest.raises(RequestError, match="takes no guidance"):
        client.sample("digit=1", guidance=2.0)
    with pytest.raises(RequestError, match="There is no model 'faces' here"):
        Client(f"{address}/faces").schema  # noqa: B018
    with pytest.raises(RequestError, match=r"serves digits, points: name one, as in http://.*/digits"):
        Client(address)
    with pytest.raises(RequestError, match="Unknown value"):
        client.sample("digit=12")
    with pytest.raises(RequestError, match="at least 1"):
        client.sample("digit=1", n=0)
    with pytest.raises(RequestError, match="no address of a model"):
        Client("ftp://somewhere/digits")


def test_a_guide_stays_here(address: str, run: Run) -> None:
    client = Client(f"{address}/digits")
    with pytest.raises(RequestError, match="takes no guide"):
        list(client.stream(client.requests("digit=1"), 1, sampling=SamplingOptions(guide=run.model)))


def test_a_token_is_sent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(create_app({"digits": run}, token="secret", watch=None)) as address:
        with pytest.raises(RequestError, match="needs a token"):
            Client(address)
        assert len(Client(address, token="secret").sample("digit=1", n=1)) == 1
        monkeypatch.setenv("CONDGEN_TOKEN", "secret")
        assert len(Client(address).sample("digit=1", n=1)) == 1


def test_a_token_may_end_a_line_on_both_sides(run: Run) -> None:
    with listening(create_app({"digits": run}, token="secret\n", watch=None)) as address:
        assert Client(address, token=" secret\r\n").name == "digits"


@pytest.mark.parametrize(("token", "told"), [("clé", "of ASCII"), ("a\nb", "in one line"), ("\n", "is empty")])
def test_tokens_that_no_header_carries_are_refused_where_they_are_given(token: str, told: str, run: Run) -> None:
    with pytest.raises(RequestError, match=told):
        Client("http://127.0.0.1:9/digits", token=token)
    with pytest.raises(RequestError, match=told):
        create_app({"digits": run}, token=token)
    with pytest.raises(RequestError, match=told):
        create_studio({"digits": run}, token=token)


def test_numbers_of_arrays_are_sent_as_numbers() -> None:
    given = {"steps": np.int64(3), "guidance": np.float32(2), "interval": (np.float64(0), torch.tensor(0.5))}
    assert json.loads(_as_json(given)[1] or b"") == {"steps": 3, "guidance": 2, "interval": [0, 0.5]}


@pytest.mark.parametrize("given", [{"guidance": float("nan")}, {"guidance": {"digit": np.inf}}, {"sampler": object()}])
def test_settings_that_json_cannot_hold_are_refused(given: dict[str, Any]) -> None:
    [name] = given
    with pytest.raises(RequestError, match=f"^{name}=.* cannot be sent to a server"):
        _as_json({"n": 1, **given})


def test_a_weight_that_is_no_number_is_refused(address: str) -> None:
    with pytest.raises(RequestError, match=r"^guidance=nan cannot be sent to a server"):
        Client(f"{address}/digits").sample("digit=1", n=1, guidance=float("nan"))


# ---- a server that fails

Reply = tuple[int, dict[str, str], bytes]
ABOUT = {"attributes": [], "shape": [1], "coordinates": ["x"], "fingerprint": "f", "most": 9}
ROW = b'{"request":0,"seed":%d,"condition":{},"values":[1.5]}\n'


@pytest.fixture
def replying() -> Iterator[Callable[..., str]]:
    """`replying(…, about=…)`: the address of a server whose answers to samples are these, one after the other."""
    servers: list[HTTPServer] = []

    def start(*replies: Reply, about: bytes = json.dumps(ABOUT).encode()) -> str:
        left = list(replies)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply((200, {}, about))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._reply(left.pop(0))

            def _reply(self, reply: Reply) -> None:
                status, headers, content = reply
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/model"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


BUSY: Reply = (429, {"Retry-After": "7"}, b'{"detail": "Too much work is waiting."}')
WHOLE: Reply = (200, {}, ROW % 0 + ROW % 1)


def test_a_busy_server_is_asked_again_when_it_says(
    replying: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("condgen.runs.remote.time.sleep", waited.append)
    client = Client(replying(BUSY, (503, {}, b""), WHOLE, BUSY))
    assert client.sample(n=2).values.tolist() == [[1.5], [1.5]]
    assert waited == [7, 1]
    client._patience = 5
    with pytest.raises(RunError, match="Too much work is waiting"):
        client.sample(n=2)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ((200, {}, ROW % 0), "gave 1 of 2 samples"),
        ((200, {}, ROW % 0 + ROW % 5), "gave 2 of 2 samples"),
        ((200, {}, ROW % 0 + b'{"problem": {"detail": "The deadline."}}'), "broke off its answer: The deadline"),
        ((200, {}, ROW % 0 + (ROW % 1)[:30]), "broke off its answer"),
        ((200, {}, b"<html>"), "broke off its answer"),
        ((500, {}, b"<html>"), "500 Internal Server Error"),
    ],
)
def test_broken_answers_are_errors(replying: Callable[..., str], reply: Reply, told: str) -> None:
    with pytest.raises(RunError, match=told):
        Client(replying(reply)).sample(n=2)


@pytest.mark.parametrize(
    "about", [b"<html>hello", b"[1]", b"{}", b'{"attributes": []}', b"\xff", pytest.param(b"[" * 100_000, id="deep")]
)
def test_an_address_of_another_server_is_told_to_be_none_of_condgen(replying: Callable[..., str], about: bytes) -> None:
    address = replying(about=about)
    with pytest.raises(RunError, match="is no server of condgen"):
        open_generator(address).schema  # noqa: B018
    with pytest.raises(RunError, match="is no server of condgen"):
        Client(address.removesuffix("/model"))


@pytest.mark.parametrize("kind", ["read", "edit"])
def test_an_edit_that_is_answered_by_another_server_is_an_error(replying: Callable[..., str], kind: str) -> None:
    about = json.dumps(ABOUT | {"edits": True, "most_edited": 1, "shape": [1, 2, 2]}).encode()
    client, x = Client(replying((200, {}, b"<html>"), about=about)), np.zeros((1, 1, 2, 2), np.float32)
    with pytest.raises(RunError, match="is no server of condgen"):
        client.read(x) if kind == "read" else client.edit(x, Condition.of(client.schema, [{}]), "")


@pytest.mark.parametrize(("kind", "told"), [("PNG", ""), ("BMP", "gave a sample that is neither a PNG image")])
def test_images_of_a_server_are_png_alone(replying: Callable[..., str], kind: str, told: str) -> None:
    content = io.BytesIO()
    Image.new("L", (2, 2), 255).save(content, kind)
    row = {"request": 0, "seed": 0, "condition": {}, "image": base64.b64encode(content.getvalue()).decode()}
    client = Client(replying((200, {}, json.dumps(row).encode() + b"\n")))
    with pytest.raises(RunError, match=told) if told else nullcontext():
        assert client.sample(n=1).x.shape == (1, 1, 2, 2)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RunError, match="does not answer"):
        Client("http://127.0.0.1:9/digits").schema  # noqa: B018
    with pytest.raises(RunError, match="does not answer"):
        Client(f"http://{'a' * 70}/digits").schema  # noqa: B018


@pytest.mark.parametrize("address", ["http://[::1/a", "http://h:99999/a", "http://h:x/a", "http:///a", "http://:80/a"])
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(RequestError, match="is no address of a model"):
        Client(address)


# ---- requests travel exactly

SCHEMA = Schema(
    attributes=(
        Categorical(name="color", values=("red", "light, blue", "a|b", "x=1")),
        Flag(name="Eyeglasses"),
        Continuous(name="age", low=0, high=80),
        Vector(name="emb", mean=(0.0, 0.0), scale=(1.0, 1.0)),
    )
)


@pytest.mark.parametrize(
    "asked",
    [
        {"color": "light, blue"},
        {"color": ["a|b", "x=1"], "Eyeglasses": "yes"},
        {"color": {"not": ["red", "a|b"]}},
        {"age": 20.123456789},
        {"age": (0.1, 1 / 3)},
        {"emb": [0.123456789, -1e-9]},
        "without glasses, age=3..5",
        "color=*",
        "",
    ],
)
def test_a_requests_terms_stand_for_it_exactly(asked: Any) -> None:
    def again(several: Sequence[Any]) -> list[Any]:
        return [each.constraints for one in several for each in parse_requests(one, SCHEMA, extrapolate=True)]

    found = parse_requests(asked, SCHEMA)
    sent = json.loads(json.dumps([request.terms(SCHEMA) for request in found]))
    assert again(sent) == [request.constraints for request in found]
