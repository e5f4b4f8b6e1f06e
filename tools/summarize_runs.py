"""One line per experiment from run folders NAME-SEED: mean over the seeds, and the lowest and the highest.

python tools/summarize_runs.py runs/compare
"""

import argparse
import json
from pathlib import Path

import pandas as pd

COLUMNS = ("LE", "F20", "LR", "LP", "LF", "MOTA", "switches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of run folders")
    rows = []
    for path in sorted(parser.parse_args().folder.glob("*-*/scores.json")):
        scores = json.loads(path.read_text())
        rows.append({"experiment": path.parent.name.rpartition("-")[0]} | {name: scores[name] for name in COLUMNS})
    if not rows:
        parser.error("no finished runs (NAME-SEED/scores.json) in the folder")
    groups = pd.DataFrame(rows).groupby("experiment")
    table = pd.DataFrame(
        {
            name: [f"{values.mean():.3g} ({values.min():.3g}-{values.max():.3g})" for _, values in groups[name]]
            for name in COLUMNS
        },
        index=list(groups.groups),
    )
    table.insert(0, "seeds", groups.size())
    print(table.to_string())


if __name__ == "__main__":
    main()
