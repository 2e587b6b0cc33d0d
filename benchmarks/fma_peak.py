"""The peak of float32 multiply-adds of a GPU, from a kernel that does nothing else."""

import torch
import triton
import triton.language as tl


@triton.jit
def _chains(out, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = place.to(tl.float32)
    for _ in range(4096):
        for _ in tl.static_range(16):
            x = tl.fma(x, 0.5, 1.0)
    tl.store(out + place, x)


def peak_flops():
    """Measure it, in operations a second."""
    blocks, block = 132 * 16, 2048
    out = torch.zeros(blocks * block, device="cuda")
    milliseconds = triton.testing.do_bench(lambda: _chains[(blocks,)](out, block, num_warps=8))
    return 2 * 16 * 4096 * blocks * block / (milliseconds / 1e3)
