"""Permutation invariant training: over which frames one pairing is decided."""

from torch import Tensor

from seld.assignment.hungarian import hungarian


class Hungarian:
    """Exact matching as an assignment layer.

    Scope "frame" matches every frame by itself. Scope "clip" finds one matching for all frames of a clip:
    with cost (..., frames, M, N) that is utterance-level permutation invariant training (Kolbæk 2017).
    """

    def __init__(self, scope: str = "frame"):
        if scope not in ("frame", "clip"):
            raise ValueError(f"scope must be frame or clip, got {scope!r}")
        self.scope = scope

    def __call__(self, cost: Tensor, active: Tensor) -> Tensor:
        """(..., M, N) cost and (..., N) activity -> (..., M, N) association; frames third from last for "clip"."""
        if self.scope == "frame":
            return hungarian(cost, active)
        sounding = active.unsqueeze(-2)
        total = (cost * sounding).sum(-3)
        return hungarian(total, active.any(-2)).unsqueeze(-3) * sounding
