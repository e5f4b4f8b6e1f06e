"""Scores."""
from seld.metrics.comparison import compare
from seld.metrics.evaluation import evaluate
from seld.metrics.registry import PROTOCOLS, SUMMARIES


def __getattr__(name):
    if name == "Scores":
        from seld.metrics.state import Scores
        return Scores
    raise AttributeError(name)
