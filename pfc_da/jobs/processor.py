"""Set-up of the processor: one torch thread; subnormal numbers are treated as 0."""

import torch


def prepare_processor() -> None:
    """Set up the process (and thread) that trains or replays an animal.

    On a busy machine several torch threads are slower than one; animals run in parallel processes instead. Decaying traces
    become subnormal numbers (below 1.2e-38), which are slow to compute with and do not affect any result.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
