import pytest
import torch


@pytest.fixture(autouse=True)
def denormals():
    """Recipes that run inside a test flush denormals to zero, which hypothesis refuses to work with."""
    yield
    torch.set_flush_denormal(False)
