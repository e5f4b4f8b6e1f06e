import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one process per core is at work already; read when torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch


@pytest.fixture(autouse=True)
def denormals():
    """Recipes that run inside a test flush denormals to zero, which hypothesis refuses to work with."""
    yield
    torch.set_flush_denormal(False)
