import torch
from torch.nn.functional import scaled_dot_product_attention

from condgen.networks.transformer import attention


def test_attention_in_bf16_is_that_in_float32_within_rounding() -> None:
    q, k, v = torch.randn(3, 4, 2, 9, 32)
    found = attention(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.float(), scaled_dot_product_attention(q, k, v), atol=0.03, rtol=0.03)
