"""Draw what a deep Hungarian network does: associations, and its accuracy over separation and number of sources.

    python recipes/visualize_hnet.py
    python recipes/visualize_hnet.py --hnet runs/hnet/model.safetensors --output figures
    python recipes/visualize_hnet.py --published hnet_model.pt --sources "[2]"

Writes associations.png (costs, true and estimated association of one problem of every kind) and separations.png
(share of exactly right associations); with --published a second heat map for the weights of the Hnet authors.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from seld import config
from seld.assignment.hnet import Hnet
from seld.assignment.hnet_cases import CASES
from seld.assignment.hnet_data import HnetDataConfig, draw
from seld.assignment.hnet_scores import separation_map
from seld.plots import plot_associations, plot_separations

MEANING = {
    "independent": "anywhere",
    "angles": "anywhere,\nmany near the poles",
    "noisy": "estimates near\ntheir references",
    "close": "close references",
    "coincident": "estimates at one place",
    "doubled": "two estimates\non one reference",
    "all_near": "all at one place",
    "all_far": "estimates opposite",
}


@dataclass
class Config:
    """What is drawn."""

    hnet: str = "hnet"
    """shipped network by name, or a weights file"""
    published: Path | None = None
    """state dict that the Hnet authors published, to compare with"""
    output: Path = Path("figures")
    """folder for the figures"""
    sources: list[int] = field(default_factory=lambda: [2, 3, 4, 5, 6, 8, 10])
    """numbers of sources of the heat map"""
    separations_deg: list[float] = field(default_factory=lambda: [0.5, 1, 2, 5, 10, 20, 40, 90, 180])
    """edges of the separations of the heat map"""
    problems: int = 2000
    """drawn for each field of the heat map"""
    size: int = 4
    """slots for references and for estimates of the associations"""
    case_names: list[str] = field(default_factory=lambda: list(CASES))
    """ways to place references and estimates, of the associations"""
    seed: int = 0
    """of the problems"""

    def __post_init__(self):
        if not self.sources or min(self.sources) < 2:
            raise ValueError(f"sources must be numbers >= 2, got {self.sources}")
        edges = self.separations_deg
        if len(edges) < 2 or sorted(set(edges)) != edges or edges[0] < 0 or edges[-1] > 180:
            raise ValueError(f"separations_deg must rise within [0, 180], got {edges}")
        for name in ("problems", "size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if unknown := sorted(set(self.case_names) - set(CASES)):
            raise ValueError(f"case_names must be among {', '.join(CASES)}, got {', '.join(unknown)}")


def main(options: Config) -> None:
    torch.set_flush_denormal(True)
    nets = {f"Hnet ({options.hnet})": Hnet.from_pretrained(options.hnet)}
    if options.published:
        nets[f"published Hnet ({options.published.name})"] = Hnet.load_published(options.published)
    associations(next(iter(nets.values())), options)
    maps = {}
    for title, net in nets.items():
        counts = [count for count in options.sources if count <= slots(net, count)]
        if not counts:
            raise ValueError(f"sources must be at most {net.config.slots} for {title}, got {options.sources}")
        maps[title] = counts, *separation_map(net, counts, options.separations_deg, options.problems, options.seed)
    plot_separations(maps, options.separations_deg, options.output / "separations.png")
    print(f"associations.png and separations.png are in {options.output}")


def slots(net: Hnet, wanted: int) -> int:
    """As many slots as wanted, or as the network has."""
    return min(wanted, net.config.slots) if net.config.architecture == "gru" else wanted


def associations(net: Hnet, options: Config) -> None:
    """Cost, truth and estimate of one problem of every kind, some slots of which are empty."""
    generator = torch.Generator().manual_seed(options.seed)
    size = slots(net, options.size)
    shown = {}
    for case in options.case_names:
        data = HnetDataConfig(cases={case: 1.0}, full_share=0.7)
        examples = draw(data, 1, size, size, generator)
        estimate = net(examples.cost, examples.active, examples.present)
        cost = examples.cost.masked_fill(~examples.valid, torch.nan)
        shown[MEANING[case]] = cost[0].numpy(), examples.association[0].numpy(), estimate[0].numpy()
    plot_associations(shown, options.output / "associations.png")


if __name__ == "__main__":
    config.run(main, Config, __doc__)
