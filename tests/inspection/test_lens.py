"""The lens: the last state gives the model's own answer, the others what the projection makes of them."""

import numpy as np
import pytest
import torch

from carryover.answers.choice import score
from carryover.inspection.lens import read_answers
from carryover.models.gpt2 import GPT2Model
from carryover.models.hugging_face import HuggingFaceModel
from tiny_models import build


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "bloom"])
def test_each_state_goes_through_norm_and_projection(name, make_prompts, tmp_path):
    data, twin = make_prompts(12), build(name)
    models = [HuggingFaceModel(build(name))]
    if name == "gpt2":
        twin.save_pretrained(tmp_path)
        models.append(GPT2Model.from_pretrained(tmp_path, 0.0))
    rows = np.array([0, 3, 4, 9, 11])
    for model in models:
        answers = read_answers(model, data, rows, [0, 1, 3])
        np.testing.assert_allclose(answers.logp[:, 2], score(model, data, "fp32").logp[rows], atol=1e-4)
        norm = next(
            module for label, module in twin.named_modules() if label.endswith(("model.norm", "ln_f", "final_layer_norm"))
        )
        for row, kept in zip(rows, answers.logp, strict=True):
            with torch.no_grad():
                ids = torch.from_numpy(data.sequence(row).astype(np.int64))[None]
                hidden = twin.base_model(ids, output_hidden_states=True).hidden_states
                for place, state in ((0, 0), (1, 1)):
                    expected = twin.get_output_embeddings()(norm(hidden[state][0, -1])).log_softmax(dim=-1)[data.candidates]
                    np.testing.assert_allclose(kept[place], expected.numpy(), atol=1e-4)
