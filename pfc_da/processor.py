"""How a process computes: with one torch thread, and with subnormal numbers taken as 0."""

import torch


def prepare_processor() -> None:
    """Set up the process (and thread) that trains or replays an animal.

    Several torch threads on a busy machine cost many times more than they bring; animals run as processes instead. Decaying
    traces end in subnormal numbers (below 1.2e-38), on which a processor is many times slower and which change nothing else.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
