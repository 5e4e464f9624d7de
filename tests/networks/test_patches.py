"""The last step of a decoder: what its outputs are, and what becomes of an error in them."""

import pytest
import torch
from scipy.fft import idctn
from torch import Tensor, nn

from condgen.conditioning import Encoded, Unconditioned
from condgen.evaluation.metrics.artefacts import artefacts
from condgen.models.backbones import Backbones, Size
from condgen.models.latents.codec import SpatialCodec
from condgen.networks import ConvDecoder
from condgen.networks.conv import pattern_period
from condgen.networks.patches import COLOUR, Deblocking, Pixels, Spectrum, deblocked

SHAPES = [(1, 2), (1, 4), (2, 4), (3, 2), (3, 4), (6, 4)]


def alone(channels: int, patch: int, output: int) -> Tensor:
    """The patch [channel, row, column] in the middle of which one output is 1, and 0 in all others."""
    y = torch.zeros(1, channels * patch**2, 5, 5)
    y[0, output, 2, 2] = 1
    return Spectrum(channels, patch)(y)[0, :, 2 * patch : 3 * patch, 2 * patch : 3 * patch]


@pytest.mark.parametrize(("down", "across"), [(0, 1), (1, 0), (2, 3), (3, 3)])
def test_a_detail_is_a_wave_of_the_cosine_transform(down: int, across: int) -> None:
    coefficients = torch.zeros(4, 4)
    coefficients[down, across] = 4 / (1 + 4 * (down**2 + across**2) ** 0.75)
    expected = torch.from_numpy(idctn(coefficients.numpy(), norm="ortho"))
    in_common = 1 / 9  # which it has with its neighbours, all zero
    torch.testing.assert_close(alone(1, 4, 4 * down + across)[0], (1 - in_common) * expected, atol=1e-6, rtol=1e-5)


def test_the_first_colour_is_grey_and_the_others_are_weaker_and_have_no_lightness() -> None:
    of_means, of_waves = (0, 1, 2), (3, 18, 33)
    for outputs in (of_means, of_waves):
        grey, *others = (alone(3, 4, output) for output in outputs)
        assert grey.std(0).max() < 1e-6
        for colour in others:
            assert colour.sum(0).abs().max() < 1e-6
            assert float(colour.norm() / grey.norm()) == pytest.approx(COLOUR)


@pytest.mark.parametrize(("channels", "patch"), SHAPES)
def test_details_are_at_right_angles_to_each_other_and_have_no_mean(channels: int, patch: int) -> None:
    waves = Spectrum(channels, patch).waves[..., 0, 0].double()
    assert waves.shape == (channels * patch**2, channels * (patch**2 - 1))
    angles = waves.T @ waves
    assert (angles - angles.diag().diag()).abs().max() < 1e-5
    assert angles.diag().min() > 0
    assert waves.unflatten(0, (channels, -1)).sum(1).abs().max() < 1e-5


def test_means_and_scales_that_lie_one_behind_the_other_have_their_own_colours() -> None:
    one, both = Spectrum(3, 4), Spectrum(6, 4)
    for name in ("colours", "waves"):
        of_one, of_both = (network.get_buffer(name)[..., 0, 0] for network in (one, both))
        assert torch.equal(of_both, torch.block_diag(of_one, of_one))


@pytest.mark.parametrize(("channels", "patch"), SHAPES)
def test_what_is_the_same_in_every_patch_is_an_even_image(channels: int, patch: int) -> None:
    y = torch.randn(4, channels * patch**2, 1, 1).expand(-1, -1, 6, 5)
    x = Spectrum(channels, patch)(y)
    assert x.shape == (4, channels, 6 * patch, 5 * patch)
    assert x.std((2, 3)).max() < 1e-5
    assert x.std() > 0.1
    assert Pixels(channels, patch)(y).std((2, 3)).min() > 0.1


def drawn(outputs: type[Pixels], wrong_by: float = 0.0) -> Tensor:
    """Images of a new decoder whose last layer is wrong by random numbers of this size."""
    torch.manual_seed(0)
    nothing = Encoded(torch.zeros(64, 0), torch.zeros(64, 0, 0))
    network = ConvDecoder(
        8, (3, 32, 32), mechanism=Unconditioned, condition_width=0, channels=16, depth=1, outputs=outputs
    )
    with torch.no_grad():
        for p in network.out.parameters():
            p.add_(wrong_by * torch.randn_like(p))
        return network(torch.randn(64, 8), nothing)


def test_a_new_network_draws_no_details() -> None:
    middle = drawn(Spectrum)[:, :, 6:-6, 6:-6].unfold(2, 4, 4).unfold(3, 4, 4)
    steps = middle.diff(dim=-1)
    assert middle.std() > 0.01
    assert (steps - steps.mean(-1, keepdim=True)).abs().max() < 1e-5  # between two means, a straight line


def test_an_error_of_the_last_layer_is_a_fainter_checkerboard_and_fainter_still_in_colour() -> None:
    def checkerboard(outputs: type[Pixels]) -> tuple[float, float]:
        """Its power in lightness and in colour."""
        at = torch.fft.fft2(drawn(outputs, wrong_by=0.1), norm="ortho")[..., 16, 16]
        lightness = 3 * at.mean(1).abs().square().mean()
        return float(lightness), float(at.abs().square().sum(1).mean() - lightness)

    plain, scaled = checkerboard(Pixels), checkerboard(Spectrum)
    assert scaled[0] < plain[0] / 10
    assert scaled[1] < plain[1] / 100


def test_the_places_between_are_on_the_way_from_one_to_the_next() -> None:
    y = torch.arange(6.0).expand(1, 2, 4, 6)
    x = Spectrum(3, 4).enlarged(y)
    assert x.shape == (1, 2, 8, 12)
    torch.testing.assert_close(x[0, 0, 0], torch.linspace(-0.25, 5.25, 12).clamp(0, 5))


def test_an_error_of_a_layer_before_leaves_no_checkerboard_of_finer_places() -> None:
    def checkerboard(outputs: type[Pixels]) -> float:
        """Power at every second place of the enlarged maps, from outputs that are wrong by a constant each."""
        wrong = torch.randn(64, 2 * outputs.finer, 1, 1, generator=torch.Generator().manual_seed(0))
        maps = outputs(3, 4).enlarged(wrong.expand(-1, -1, 8, 8))
        return float(torch.fft.fft2(maps, norm="ortho")[..., 8, 8].abs().square().mean())

    assert checkerboard(Pixels) > 1
    assert checkerboard(Spectrum) < 1e-6


def test_the_step_has_nothing_to_learn_and_moves_with_the_network() -> None:
    network = nn.Sequential(Spectrum(3, 4)).to(torch.float64)
    assert not list(network.parameters())
    assert network(torch.randn(1, 48, 4, 4, dtype=torch.float64)).dtype == torch.float64


def photograph(seed: int = 0) -> Tensor:
    """Images whose amplitudes fall with the frequency as in smooth photographs, [8, 3, 64, 64]."""
    noise = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    frequency = torch.fft.fftfreq(64).square()
    falling = (frequency[:, None] + frequency + 1e-3) ** -0.75
    x = torch.fft.ifft2(torch.fft.fft2(noise) * falling).real
    return 0.5 + 0.15 * x / x.std()


def repeated(patch: int, size: float = 0.03) -> Tensor:
    """One pattern in every patch of images of 64 pixels, [3, 64, 64]."""
    pattern = torch.randn(3, patch, patch, generator=torch.Generator().manual_seed(1))
    return size * (pattern - pattern.mean((1, 2), keepdim=True)).repeat(1, 64 // patch, 64 // patch)


@pytest.mark.parametrize("patch", [4, 8])
@pytest.mark.parametrize("strength", [torch.ones(64), torch.linspace(0, 2, 64)])  # the same everywhere, or not
def test_a_pattern_that_patches_repeat_is_taken_out_and_little_else(patch: int, strength: Tensor) -> None:
    clean = photograph()
    made = clean + repeated(patch) * strength
    before, after = (artefacts(x, clean).worst.excess for x in (made, deblocked(made, patch)))
    assert before > 50
    assert after < before / 3
    assert (deblocked(clean, patch) - clean).square().mean() < 0.02 * (clean - 0.5).square().mean()


def test_an_even_image_and_its_slopes_stay_as_they_are() -> None:
    slope = torch.linspace(0, 1, 32).expand(1, 1, 32, 32)
    middle = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(deblocked(slope, 4)[middle], slope[middle], atol=1e-3, rtol=0)
    even = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(deblocked(even, 4), even)


def test_what_is_deblocked_stays_in_its_range() -> None:
    x = torch.rand(2, 1, 32, 32).round()
    assert deblocked(x, 4).min() < 0
    assert torch.equal(Deblocking(4)(x), deblocked(x, 4).clamp(0, 1))


@pytest.mark.parametrize(
    ("height", "width", "patch", "wanted"),
    [(64, 64, 4, 8), (32, 32, 4, 4), (28, 28, 4, 4), (8, 8, 2, 2), (64, 36, 4, 4), (128, 128, 8, 16)],
)
def test_the_period_is_that_of_the_coarsest_step_that_a_decoder_of_this_size_has(
    height: int, width: int, patch: int, wanted: int
) -> None:
    assert pattern_period(height, width, patch) == wanted
    decoder = Backbones((1, height, width), 0, Size(8, patch=patch)).decoder("none", 2)
    assert wanted == (2 * patch if len(decoder.up) else patch)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [4, 8, 16])
def test_a_codec_deblocks_by_the_coarsest_step_that_its_decoder_has(factor: int) -> None:
    codec = SpatialCodec(1, factor=factor, channels=4, latent=2, depth=1, outputs="deblocked")
    assert codec.finish.period == (8 if len(codec.decoder.up) else 4)
