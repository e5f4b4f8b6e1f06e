"""Synthetic scenes in DCASE layout: foa_dev/, metadata_dev/ and how each clip was made.

    python recipes/make_scenes.py --output scenes --clips 240 --workers 2
    python recipes/make_scenes.py --output scenes --clips 40 --split test
    python recipes/make_scenes.py --output mine --events my_recordings

An interrupted run goes on where it stopped when it is started again.
"""

from dataclasses import dataclass

from seld.config import run
from seld.scenes import SceneConfig, make_scenes


@dataclass(kw_only=True)
class Config(SceneConfig):
    output: str
    """folder to fill"""
    workers: int = 1
    """processes; they do not change the result"""


def main(config: Config) -> None:
    make_scenes(config, config.output, config.workers)


if __name__ == "__main__":
    run(main, Config, __doc__)
