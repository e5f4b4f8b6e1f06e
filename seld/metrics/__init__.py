"""Scores of estimated rows against reference rows. Metrics see labels only, never a model.

Three ways in::

    from seld.metrics import Scores, compare, evaluate

    scores = evaluate("metadata_dev", "estimates", "doa+mot")     # folders, files, mappings or tables
    scores["LE"], scores["jackknife"]["LE"]                       # a figure and its 95 % interval over clips
    evaluate("metadata_dev", "outputs", "dcase2022", average="micro", on_repeat="keep")["classwise"][3]["F"]

    both = compare("metadata_dev", {"ours": "a", "theirs": "b"}, "dcase2023")  # which is better, and how sure
    print(comparison_text(both))                                  # `seld.metrics.report`

    state = Scores("doa")                                         # in training: `seld.metrics.state`
    state.update(reference, prediction)
    state.compute()["LE"]

On the command line: `recipes/evaluate.py`. The protocols and what they give: SUMMARIES; their definitions, quirks and
sources stand in their modules (`doa`, `mot`, `locata`, `doanet`, `dcase`). What a protocol has to be, for one of your
own: `seld.metrics.protocol`; put it into PROTOCOLS under its name.

A protocol counts sums for each clip and makes figures of sums. Everything else follows from the sums: figures of each
file, jackknife intervals (`seld.metrics.confidence`), comparisons (`seld.metrics.comparison`), merged states.
"""

from typing import Any

from seld.metrics.comparison import compare
from seld.metrics.evaluation import evaluate
from seld.metrics.registry import PROTOCOLS, SUMMARIES
from seld.metrics.report import comparison_text, scores_text

__all__ = ["PROTOCOLS", "SUMMARIES", "Scores", "compare", "comparison_text", "evaluate", "scores_text"]


def __getattr__(name: str) -> Any:
    # torch and torchmetrics take seconds to load, and scores of files need neither.
    if name == "Scores":
        from seld.metrics.state import Scores

        return Scores
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
