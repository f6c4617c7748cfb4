"""What is measured on a card, against whom, and the figures that are asked (issue 5; ../shared/design/cuda.md, 7)."""
from typing import NamedTuple


class Work(NamedTuple):
    """One measured work.

    Attributes
    ----------
    name : str
    program, arguments : str, dict      function of thalweg_programs and torch_programs, and what it is given
    unit : str                          "images/s", "TFLOP/s", "GB/s" (more is better) or "us" (less is)
    peer, must : str, float             the ratio to this peer's figure must be at least that: "eager", "compile" or
                                        "copy"; above 1 thalweg is better; of a "us" the figure itself, at most
    goal_peer, goal : str, float        likewise, what is aimed at
    """

    name: str
    program: str
    arguments: dict
    unit: str
    peer: str
    must: float
    goal_peer: str
    goal: float


def works(small=False):
    """All works, quick ones first; `small`: as a rehearsal runs them, on a processor that plays the card."""
    batch, side, width = (2, 32, 0.05) if small else (256, 224, 1.0)
    rows, elements = (64, 1 << 12) if small else (8192, 1 << 28)
    resnet = {"batch": batch, "side": side, "width": width}
    return [
        Work("matmul_8192_bfloat16", "matmul", {"rows": rows}, "TFLOP/s", "eager", 0.98, "eager", 1.0),
        Work("elementwise_1gb", "elementwise", {"elements": elements}, "GB/s", "copy", 0.85, "copy", 0.92),
        Work("mlp_step_64", "mlp", {"batch": 8 if small else 64}, "us", "eager", 60.0, "eager", 30.0),
        Work("resnet50_training_bfloat16", "resnet50", {**resnet, "precision": "bfloat16"}, "images/s",
             "eager", 1.0, "compile", 1.0),
        Work("resnet50_training_tf32", "resnet50", {**resnet, "precision": "tf32"}, "images/s",
             "eager", 1.0, "compile", 1.0),
        Work("resnet50_training_float32", "resnet50", {**resnet, "precision": "float32"}, "images/s",
             "eager", 0.95, "compile", 1.0),
    ]
