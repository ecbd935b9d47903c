"""What a processor can compute in, by what Linux says of it."""

import pytest
import torch

from carryover.runtime import devices
from carryover.runtime.devices import check_precision, has_bf16
from carryover.runtime.errors import BadInput

AMD = "processor\t: 0\nmodel name\t: AMD EPYC 7B12\nflags\t\t: fpu sse4_2 avx avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu avx2\n"
XEON = "model name\t: Intel(R) Xeon(R) 6980P\nflags\t\t: avx2 avx512f avx512_vnni{}\n"


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (AMD, False),
        (XEON.format(""), False),
        (XEON.format(" avx512_bf16"), True),
        (XEON.format(" amx_bf16 amx_tile amx_int8"), True),
        (XEON.format(" amx_tile amx_int8 avx512_bf160"), False),
        ("processor\t: 0\nFeatures\t: fp asimd i8mm bf16 dgh\n", True),
        ("Hardware : something else, bf16\n", False),
        ("", False),
    ],
)
def test_flags_say_whether_a_processor_has_bf16(described, expected):
    assert has_bf16(described) == expected


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """A factory of the processor that this machine is said to have."""

    def pretend(described: str) -> None:
        (tmp_path / "cpuinfo").write_text(described)
        monkeypatch.setattr(devices, "PROCESSOR", tmp_path / "cpuinfo")

    return pretend


def test_a_processor_that_would_emulate_bf16_refuses_it_in_one_line(processor):
    processor(AMD)
    with pytest.raises(BadInput) as caught:
        check_precision("bf16", torch.device("cpu"))
    said = str(caught.value)
    assert "AMD EPYC 7B12" in said and "neither avx512_bf16 nor amx_bf16" in said and "precision: fp32" in said and "GPU" in said
    assert "\n" not in said
    check_precision("fp32", torch.device("cpu"))
    check_precision("bf16", torch.device("cuda"))


def test_one_that_has_it_does_not(processor):
    processor(XEON.format(" avx512_bf16"))
    check_precision("bf16", torch.device("cpu"))


def test_a_processor_that_says_nothing_of_itself_is_taken_to_have_none(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "PROCESSOR", tmp_path / "none")
    with pytest.raises(BadInput, match=r"this processor \(unknown\)"):
        check_precision("bf16", torch.device("cpu"))
