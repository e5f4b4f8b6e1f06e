"""Scores of an Hnet, and what it is trained on, as tables for people."""

from collections.abc import Mapping

from torch import Tensor

_COLUMNS = {
    "problems": "problems", "exact": "exact", "clear": "clear", "exact_clear": "exact",
    "precision_weighted": "P", "recall_weighted": "R", "F1_weighted": "F1",
    "precision_macro": "P", "recall_macro": "R", "F1_macro": "F1",
}  # fmt: skip


def score_table(scores: Mapping[str, Mapping]) -> str:
    """What `hnet_scores.score` gives, as text; "clear" is a best pairing that wins by more than 0.05."""
    heads = list(_COLUMNS.values())
    lines = [f"{'':64}{'weighted':^21}{'macro':^21}".rstrip()]
    lines.append(" " * 28 + "".join(f"{head:>9}" for head in heads[:4]) + "".join(f"{head:>7}" for head in heads[4:]))
    groups = {"": {"all": scores["all"]}} | {group: scores[group] for group in scores if group != "all"}
    for group, rows in groups.items():
        lines.append(group.replace("_", " "))
        lines += [f"  {name:26}{_line(row)}" for name, row in rows.items()]
    return "\n".join(lines)


def _line(row: Mapping) -> str:
    if not row["problems"]:
        return f"{0:9}"
    wide, narrow = [row[column] for column in _COLUMNS][:4], [row[column] for column in _COLUMNS][4:]
    text = "".join(f"{value:9.4f}" if isinstance(value, float) else f"{value:9}" for value in wide)
    return text + "".join(f"{value:7.3f}" for value in narrow)


def balance_table(shares: Tensor, matched: float) -> str:
    """Percentages of training problems, references down and estimates across."""
    most = len(shares) - 1
    lines = ["training problems in %, by number of references (down) and estimates (across)"]
    lines.append(f"{'':4}" + "".join(f"{count:6}" for count in range(most + 1)))
    for count, row in enumerate(shares.tolist()):
        lines.append(f"{count:4}" + "".join(f"{100 * value:6.1f}" for value in row))
    return "\n".join([*lines, f"{100 * matched:.1f} % of the possible pairs are matched"])
