"""The six architectures that are run through transformers, at random weights: all that is promised of each in one test."""

import numpy as np
import peft
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from carryover.methods import lora
from carryover.models import hugging_face
from carryover.models.hugging_face import HuggingFaceModel
from carryover.models.packing import pack, pack_trees
from tiny_models import build

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
# The projections of attention, which the published settings of LoRA train.
TARGETS = {
    "llama": ATTENTION,
    "qwen2": ATTENTION,
    "gemma": ATTENTION,
    "gpt2": ["c_attn", "attn.c_proj"],
    "gpt_neox": ["query_key_value", "attention.dense"],
    "bloom": ["query_key_value", "self_attention.dense"],
}
GROUPS = [[np.array([row, 3, 5, 7, 9, *range(40, 41 + row + other)]) for other in range(3)] for row in range(5)]
SEQUENCES = [sequence for group in GROUPS for sequence in group]


def alone(model: nn.Module) -> Tensor:
    """The last logits of each sequence by itself, by transformers or peft."""
    with torch.no_grad():
        return torch.stack([model(torch.from_numpy(sequence)[None]).logits[0, -1] for sequence in SEQUENCES])


def packed(model: HuggingFaceModel) -> list[Tensor]:
    """The same behind the seam: as rows, as trees of shared beginnings, and each by itself."""
    with torch.no_grad():
        batches = [pack(SEQUENCES), pack_trees(GROUPS)]
        together = [model.hidden_state_to_token(model.forward_ends(batch)) for batch in batches]
        each = [model.hidden_state_to_token(model.forward_ends(pack([sequence]))) for sequence in SEQUENCES]
    return [*together, torch.cat(each)]


@pytest.mark.parametrize("name", TARGETS)
def test_an_architecture_keeps_every_promise(name, tmp_path):
    model, twin = HuggingFaceModel(build(name, std=0.15)), build(name, std=0.15)

    def agree(expected: Tensor, step: str) -> None:
        for found in packed(model):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, msg=lambda text: f"{step}: {text}")

    before = alone(twin)
    agree(before, "logits, packed and alone, against transformers")

    lora.apply(model.eval(), {"rank": 8, "alpha": 32, "dropout": 0.1, "targets": TARGETS[name]})
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in filter(lambda parameter: parameter.requires_grad, model.parameters()):
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    lora.save(model, tmp_path / "adapter")
    expected = alone(peft.PeftModel.from_pretrained(twin, tmp_path / "adapter").eval())
    assert (expected - before).abs().max() > 0.1
    agree(expected, "low-rank updates, against peft with what was saved")
    lora.merge(model)
    agree(expected, "merged into the weights")

    model.save_pretrained(tmp_path / "merged")
    opened = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", local_files_only=True)
    torch.testing.assert_close(alone(opened.eval()), expected, atol=1e-5, rtol=1e-5)
    model = hugging_face.load(tmp_path / "merged").eval()
    agree(expected, "saved and read again")
