"""`python -m thalweg.card`: every op has a card, and the card says what matters."""
import subprocess
import sys

import pytest

from thalweg import card
from thalweg.framework.declaration import REGISTRY


@pytest.mark.parametrize("op_type", sorted(REGISTRY))
def test_every_op_has_a_card(op_type):
    text = card.card(op_type)
    assert text.startswith(op_type) and "signature" in text and "kernels" in text


def test_a_card_tells_what_is_declared():
    text = card.card("Mean")
    for part in ("input: T, reduction_indices: Tidx -> output: T", "keep_dims: bool = False", "mean_grad",
                 "thalweg/ops/reduction.py:", "thalweg.cpu.", "tf.reduce_mean"):
        assert part in text


def test_an_op_without_gradient_says_why():
    assert "none: it changes a variable" in card.card("Assign")


def test_devices_that_no_declaration_names_are_asked():
    text = card.card("Unique")
    assert "CPU: none; its reference body runs" in text and "REFERENCE: asked when a plan is made" in text
    assert "REFERENCE: " not in card.card("Mean").replace("REFERENCE: asked when a plan is made", "")


def test_rows_of_the_op_tables():
    text = card.card("Softplus")
    assert "Row(tf.nn.softplus" in text.partition("test rows")[2]
    assert "tables/activation.py:" in text or "tables/special.py:" in text


def test_the_command():
    command = [sys.executable, "-m", "thalweg.card"]
    assert "MatMul" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wrong = subprocess.run([*command, "MatMull"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and "Near: MatMul" in wrong.stderr
