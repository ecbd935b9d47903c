"""A job's subject, as a model that is ready to be looked into."""

from __future__ import annotations

from carryover.inspection.interventions import randomise
from carryover.models.interface import LanguageModel
from carryover.models.opening import open_model
from carryover.runtime import parts
from carryover.runtime.devices import choose_device
from carryover.runtime.job import Job


def open_subject(job: Job) -> LanguageModel:
    """The model of the job's inputs `model`, with what training added (`added`), or at random weights, on the job's device."""
    part = parts.load(job.config["parts"])
    device = choose_device(job.gpu, job.config["threads"])
    model = open_model(part, job.inputs["model"], job.inputs.get("added", []))
    if job.config["random"]:
        randomise(model, seed=0)
    return model.to(device)
