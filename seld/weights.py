"""The weights of a network and its configuration in one safetensors file: no pickle, nothing that runs on reading."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor, nn

from seld.files import atomic_path

PRETRAINED = Path(__file__).resolve().parent / "pretrained"
"""weights that ship with the package"""


class Weights(NamedTuple):
    """What a file of weights holds."""

    tensors: dict[str, Tensor]
    """by their names in the state dict, on the CPU"""
    config: dict[str, Any]
    """what the network was built with"""


def save_weights(path: str | Path, network: nn.Module, kind: str, config: dict[str, Any], **notes: str) -> None:
    """Write the state dict of a network; `kind` says what it is, notes go into the header too."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, {kind: json.dumps(config), **notes})


def read_weights(path: str | Path, kind: str) -> Weights:
    """The weights and the configuration that `save_weights` wrote.

    Raises:
        ValueError: names the file when it cannot be read or holds another kind.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: not a readable safetensors file ({error})") from None
    if kind not in header:
        raise ValueError(f"{path}: holds weights of something else than {kind}")
    try:
        config = json.loads(header[kind])
    except ValueError:
        raise ValueError(f"{path}: the configuration beside the weights is damaged") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path}: the configuration beside the weights is damaged")
    return Weights(tensors, config)
