"""What a job does not wait for between its start and its first batch."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """if True:
    import sys
    import numpy as np
    from carryover.training.checkpoints import Checkpoints
    from carryover.runtime.devices import choose_device
    from carryover.models.gpt2 import GPT2Config, GPT2Model
    from carryover.training.pretraining import next_token_loss
    from carryover.training.loop import Recipe, train
    choose_device(0, 1)
    GPT2Model(GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=2, n_head=2, n_inner=16)).save_pretrained(sys.argv[1])
    model = GPT2Model.from_pretrained(sys.argv[1], dropout=0.1)
    lines = [np.arange(6), np.arange(3)]
    recipe = Recipe(1e-3, 1, 1, 0.01, (0.9, 0.999), 1e-6, 1.0, "linear", 0.1, "fp32")
    train(model, 2, lambda rows: next_token_loss(model, [lines[row] for row in rows]), dict, recipe, 0, Checkpoints(None))
    import torch
    assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    print(*sorted({"torch._dynamo", "torch._inductor", "transformers", "sympy", "scipy", "matplotlib"} & set(sys.modules)))
"""


def test_training_starts_without_what_it_does_not_use(tmp_path):
    """PyTorch's compiler takes as long to import as PyTorch, and its optimisers, its switch for exact repetition and weights
    without values all import it."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], check=True, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""
