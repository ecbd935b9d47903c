"""Perplexity and bits per byte against PyTorch's loss and a code whose length is known."""

import numpy as np
import pandas as pd
import pytest
import torch

from carryover.metrics import bits_per_byte, perplexity


def test_perplexity_is_the_exponential_of_pytorchs_mean_loss():
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(60, 11, generator=generator), torch.randint(0, 11, (60,), generator=generator)
    nats = torch.nn.functional.cross_entropy(logits, targets, reduction="none").numpy()
    lengths = [10, 1, 20, 29]
    rows = pd.DataFrame({"nats": [part.sum() for part in np.split(nats, np.cumsum(lengths)[:-1])], "tokens": lengths})
    expected = float(torch.nn.functional.cross_entropy(logits, targets).exp())
    assert perplexity.value(perplexity.sums(rows).sum(axis=0)) == pytest.approx(expected, rel=1e-6)


def test_bits_per_byte_of_a_uniform_code_is_its_length():
    """A model that finds all 256 bytes as likely spends eight bits on each, whatever its tokens."""
    text = ["eight bits", "это", "天"]
    sizes = [len(line.encode()) for line in text]
    rows = pd.DataFrame({"nats": np.log(256) * np.array(sizes), "bytes": sizes, "tokens": 1})
    assert bits_per_byte.value(bits_per_byte.sums(rows).sum(axis=0)) == pytest.approx(8)
