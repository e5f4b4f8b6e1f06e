"""Synthetic scenes in DCASE layout: a folder of sounds for each format, metadata_dev/ and scene_dev/.

    python recipes/make_scenes.py --output scenes --clips 240 --workers 2
    python recipes/make_scenes.py --output scenes --clips 40 --split test
    python recipes/make_scenes.py --output both --formats foa mic my_array.yaml
    python recipes/make_scenes.py --output mine --events my_recordings --ambience my_noises
    python recipes/make_scenes.py --output measured --formats mic --responses room.sofa
    python recipes/make_scenes.py --output scenes --clips 20000 --shards 3/8
    python recipes/make_scenes.py --render scenes/scene_dev/fold3_room0001_mix001.json --output again

Every clip's scene_dev/NAME.json says what it was made from: the room, where the array stands, each event's sound,
onset, path and level, noise and formats. --render makes clips from such descriptions, edited or not: an unedited one
gives the same bytes. classes.json names the classes of the metadata by number: the synthesiser's families, or the
subfolders of --events in alphabetical order, with --synthetic followed by the families of other names.

An interrupted run goes on where it stopped when it is started again.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from seld.config import run
from seld.scenes import SceneConfig, make_scenes, render_scenes


@dataclass(kw_only=True)
class Config(SceneConfig):
    """What the scenes are made of, and where they go."""

    output: str
    """folder to fill"""
    formats: list[str] | None = None
    """arrays that hear every scene: foa, mic, stereo, names in configs/arrays or YAML files; by default foa and mic,
    but foa alone with responses or ambience, and those of the descriptions with render"""
    workers: int = 1
    """processes; they do not change the result"""
    shards: str = "1/1"
    """i/n makes the clips i, i + n, ... alone, to spread them over n machines"""
    ray: bool = False
    """spread over a Ray cluster (RAY_ADDRESS, or this machine) in place of processes"""
    render: Path | None = None
    """description of a scene, or folder of them, to render in place of drawing new scenes; of the other options,
    formats and events then replace what the descriptions say"""

    def __post_init__(self) -> None:
        # None tells formats that were not given from the default ones, but is none that scenes can have.
        given, self.formats = self.formats, self.formats or self.default_formats()
        super().__post_init__()
        self.formats = given

    def default_formats(self) -> list[str]:
        """What a user who names none gets; measured rooms and recorded noise are of one array, mostly."""
        return ["foa"] if self.responses or self.ambience else ["foa", "mic"]


def main(config: Config) -> None:
    if config.render is None:
        options = {field.name: getattr(config, field.name) for field in dataclasses.fields(SceneConfig)}
        options["formats"] = config.formats or config.default_formats()
        make_scenes(SceneConfig(**options), config.output, config.workers, shards=config.shards, ray=config.ray)
        return
    default = SceneConfig()
    for field in dataclasses.fields(SceneConfig):
        given = getattr(config, field.name)
        if field.name not in ("formats", "events") and given != getattr(default, field.name):
            raise ValueError(f"{field.name} must not be given with --render, whose descriptions say it, got {given}")
    if config.shards != "1/1":
        raise ValueError(f"shards must not be given with --render, got {config.shards}")
    render_scenes(config.render, config.output, config.formats, config.events, config.workers, ray=config.ray)


if __name__ == "__main__":
    run(main, Config, __doc__)
