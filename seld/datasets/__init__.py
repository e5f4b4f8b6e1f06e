"""The public datasets in DCASE layout: what they are, under which licence, and where they lie.

Folds and everything else that training needs are in configs/NAME.yaml; the mixtures of 2024 share that of 2022.

Sources: the pages and README files of the datasets; MD5 sums of files as soundata 1.0.1 and the records list them.
"""

from seld.datasets.downloading import File, Record, fetch, read_record
from seld.datasets.table import DATASETS, Dataset, find_dataset
from seld.datasets.unpacking import archives, unpack

__all__ = [
    "DATASETS",
    "Dataset",
    "File",
    "Record",
    "archives",
    "fetch",
    "find_dataset",
    "read_record",
    "unpack",
]
