"""recipes/download.py against a local server that speaks as Zenodo does, with small archives."""

import hashlib
import http.server
import importlib.util
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from seld.datasets import archives, unpack

pytest.importorskip("pooch")

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("download", ROOT / "recipes/download.py")
download = importlib.util.module_from_spec(spec)
spec.loader.exec_module(download)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        zenodo = self.server.zenodo
        zenodo.asked.append((self.path, self.headers.get("Range")))
        if self.path == "/api/records/15559774":
            return self.answer(json.dumps(zenodo.record()).encode())
        name = self.path.rsplit("/", 1)[-1]
        if name not in zenodo.files:
            return self.send_error(404)
        data, begin = zenodo.files[name], 0
        if zenodo.ranges and self.headers.get("Range"):
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        breaks = zenodo.breaks.pop(0) if zenodo.breaks and name.endswith(".zip") else len(data)
        self.answer(data[begin:], 206 if begin else 200, breaks)

    def answer(self, data, status=200, breaks=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:breaks])
        self.close_connection = True

    def log_message(self, *_):
        pass


class Zenodo:
    """A host with one record; `breaks` are the bytes after which connections for archives end."""

    def __init__(self, address):
        self.address, self.files, self.wrong = address, {}, {}
        self.asked, self.breaks, self.ranges = [], [], True

    def record(self):
        files = [
            {
                "key": name,
                "size": len(data),
                "checksum": "md5:" + self.wrong.get(name, hashlib.md5(data).hexdigest()),
                "links": {"self": f"{self.address}/files/{name}"},
            }
            for name, data in self.files.items()
        ]
        return {"files": files, "metadata": {"title": "a test", "license": {"id": "mit-license"}}}

    def fetched(self):
        return [path.rsplit("/", 1)[-1] for path, _ in self.asked if path.startswith("/files/")]


@pytest.fixture
def zenodo():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.zenodo = Zenodo(f"http://127.0.0.1:{server.server_port}")
        server.zenodo.files = {
            "README.md": b"read me",
            "stereo_dev.zip": packed({"stereo_dev/dev-train-tau/a.wav": noise(300_000), "stereo_dev/b.wav": b"b"}),
            "metadata_dev.zip": packed({"metadata_dev/dev-train-tau/a.csv": b"0,1,2,3,4\n" * 1000}),
            "video_dev.zip": packed({"video_dev/a.mp4": b"film"}),
            "stereo_eval.zip": packed({"stereo_eval/c.wav": b"c"}),
        }
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.zenodo
        server.shutdown()


def noise(count, seed=0):
    return np.random.default_rng(seed).bytes(count)


def packed(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def run(zenodo, folder, *arguments):
    download.main(
        download.arguments(["dcase2025_stereo", "--output", str(folder), "--host", zenodo.address, *arguments])
    )


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


WANTED = ["README.md", "downloaded.json", "metadata_dev/dev-train-tau/a.csv", "stereo_dev/b.wav"]
WANTED.append("stereo_dev/dev-train-tau/a.wav")


def test_a_dataset_is_downloaded_checked_and_unpacked(zenodo, tmp_path, capsys):
    run(zenodo, tmp_path)
    assert names(tmp_path) == sorted(WANTED)
    assert (tmp_path / "stereo_dev/dev-train-tau/a.wav").read_bytes() == noise(300_000)
    out = capsys.readouterr().out
    assert out.index("licence: MIT (mit-license)") < out.index("stereo_dev: 0.00 GB, checked")


def test_what_is_there_is_not_fetched_again(zenodo, tmp_path):
    run(zenodo, tmp_path)
    zenodo.asked.clear()
    run(zenodo, tmp_path)
    assert zenodo.fetched() == []
    shutil.rmtree(tmp_path / "metadata_dev")
    run(zenodo, tmp_path)
    assert zenodo.fetched() == ["metadata_dev.zip"] and names(tmp_path) == sorted(WANTED)


def test_parts_are_chosen(zenodo, tmp_path):
    run(zenodo, tmp_path, "--parts", "metadata", "stereo_eval", "--keep")
    kept = ["README.md", "downloaded.json", "metadata_dev.zip", "metadata_dev/dev-train-tau/a.csv"]
    assert names(tmp_path) == [*kept, "stereo_eval.zip", "stereo_eval/c.wav"]
    with pytest.raises(ValueError, match="--parts must be of metadata, stereo, stereo_eval, video or all .* got foa"):
        run(zenodo, tmp_path, "--parts", "foa")
    run(zenodo, tmp_path, "--parts", "all")
    assert (tmp_path / "video_dev/a.mp4").exists()


def test_an_interrupted_download_goes_on(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    zenodo.breaks = [100_000, 0, 70_000]
    run(zenodo, tmp_path, "--parts", "stereo")
    ranges = [asked for path, asked in zenodo.asked if path.endswith("stereo_dev.zip")]
    assert ranges == [None, "bytes=65536-", "bytes=65536-", "bytes=131072-"]  # in whole blocks
    assert (tmp_path / "stereo_dev/dev-train-tau/a.wav").read_bytes() == noise(300_000)


def test_a_host_without_ranges_sends_all_again(zenodo, tmp_path):
    zenodo.breaks, zenodo.ranges = [100_000], False
    run(zenodo, tmp_path, "--parts", "stereo")
    assert (tmp_path / "stereo_dev/dev-train-tau/a.wav").read_bytes() == noise(300_000)


def test_what_arrived_before_a_broken_host_is_kept(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    zenodo.breaks = [100_000] + [0] * 5
    with pytest.raises(OSError, match="stereo_dev.zip: .*what has arrived is kept"):
        run(zenodo, tmp_path, "--parts", "stereo")
    assert names(tmp_path) == ["README.md", "stereo_dev.zip.part"]
    zenodo.asked.clear()
    run(zenodo, tmp_path, "--parts", "stereo")
    assert ("/files/stereo_dev.zip", "bytes=65536-") in zenodo.asked
    assert names(tmp_path) == ["README.md", "downloaded.json", "stereo_dev/b.wav", "stereo_dev/dev-train-tau/a.wav"]


def test_a_wrong_checksum_leaves_nothing(zenodo, tmp_path):
    zenodo.wrong["metadata_dev.zip"] = "0" * 32
    with pytest.raises(ValueError, match=r"metadata_dev.zip: what was downloaded has not the MD5 sum 0{32}"):
        run(zenodo, tmp_path, "--parts", "metadata")
    assert names(tmp_path) == ["README.md"]


def test_a_record_that_disagrees_with_known_checksums_is_refused(zenodo, tmp_path, monkeypatch):
    monkeypatch.setitem(download.DATASETS["dcase2025_stereo"].md5, "stereo_dev.zip", "1" * 32)
    with pytest.raises(ValueError, match=r"stereo_dev.zip is not the file of dcase2025_stereo; .* must be 1{32}"):
        run(zenodo, tmp_path)
    assert not names(tmp_path)


def test_a_damaged_archive_is_named_and_leaves_no_folder(zenodo, tmp_path):
    whole = zenodo.files["stereo_dev.zip"]
    zenodo.files["stereo_dev.zip"] = whole[:1000] + b"X" + whole[1001:]
    with pytest.raises(ValueError, match=r"stereo_dev.zip: the archive is damaged \(Bad CRC"):
        run(zenodo, tmp_path, "--parts", "stereo")
    assert names(tmp_path) == ["README.md", "stereo_dev.zip"]
    zenodo.files["stereo_dev.zip"] = whole[: len(whole) // 2]
    with pytest.raises(ValueError, match=r"stereo_dev.zip: the archive is damaged"):
        run(zenodo, tmp_path, "--parts", "stereo")
    assert not (tmp_path / "stereo_dev").exists()


def test_a_member_cannot_lead_out_of_the_folder(zenodo, tmp_path):
    zenodo.files["stereo_dev.zip"] = packed({"stereo_dev/a.wav": b"a", "../../evil.txt": b"evil"})
    run(zenodo, tmp_path / "in", "--parts", "stereo")
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path.parent / "evil.txt").exists()
    zenodo.files = {"../evil.zip": b""}
    with pytest.raises(ValueError, match="not a record"):
        run(zenodo, tmp_path / "in")


def command(zenodo, folder, *arguments, limit=None):
    """The recipe in a process, which cannot write files of more bytes than `limit`."""

    def limited():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    call = [sys.executable, str(ROOT / "recipes/download.py"), "dcase2025_stereo", "--output", str(folder)]
    call += ["--host", zenodo.address if zenodo else "http://127.0.0.1:9", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=100, preexec_fn=limited)
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_full_disk_leaves_nothing_half_made(zenodo, tmp_path):
    status, error = command(zenodo, tmp_path, "--parts", "stereo", limit=100_000)
    assert status == 2 and error.startswith("error: ") and "File too large" in error
    assert names(tmp_path) == ["README.md", "stereo_dev.zip.part"]
    # The archive is small, what it holds is not.
    zenodo.files["metadata_dev.zip"] = deflated({"metadata_dev/a.csv": b"0" * 200_000, "metadata_dev/b.csv": b"1"})
    status, error = command(zenodo, tmp_path, "--parts", "metadata", limit=100_000)
    assert status == 2 and "File too large" in error
    assert names(tmp_path) == ["README.md", "metadata_dev.zip", "stereo_dev.zip.part"]


def deflated(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_too_little_room_is_said_before(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(OSError, match="0.0 GB are needed for the downloads"):
        run(zenodo, tmp_path)
    assert zenodo.fetched() == []


def test_bad_requests_end_with_one_line(tmp_path):
    status, error = command(None, tmp_path)
    assert status == 2 and "http://127.0.0.1:9/api/records/15559774: cannot be reached" in error
    with pytest.raises(ValueError, match="the dataset must be one of tau_2019, .* got nothing"):
        download.main(download.arguments(["nothing"]))


@pytest.mark.parametrize("wide", [[], ["-fz"]], ids=["32 bit", "64 bit"])
@pytest.mark.skipif(shutil.which("zip") is None, reason="needs Info-ZIP to make a split archive")
def test_split_archives_are_joined(tmp_path, wide):
    for index in range(8):
        path = tmp_path / f"Dataset/foa_dev/{index}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(30_000 + 1000 * index, index))
    subprocess.run(["zip", "-q", "-r", *wide, "-s", "64k", "foa_dev.zip", "Dataset"], cwd=tmp_path, check=True)
    parts = [tmp_path / name for name in archives(os.listdir(tmp_path))["foa_dev"]]
    assert [part.name for part in parts] == ["foa_dev.z01", "foa_dev.z02", "foa_dev.z03", "foa_dev.z04", "foa_dev.zip"]
    assert unpack(parts, tmp_path / "out", progress=False) == ["foa_dev"]  # without the folder around it
    for index in range(8):
        assert (tmp_path / f"out/foa_dev/{index}.wav").read_bytes() == noise(30_000 + 1000 * index, index)
    with pytest.raises(ValueError, match=r"foa_dev.zip: the archive is damaged \(.*part"):
        unpack(parts[1:], tmp_path / "less", progress=False)
    assert not names(tmp_path / "less")


def test_cut_archives_are_joined(tmp_path):
    data = packed({"a b/foa/a.wav": noise(50_000), "a b/metadata/a.csv": b"0,0,0,0,0\n"})
    for number in range(6):
        (tmp_path / f"a b.zip.{number + 1:03}").write_bytes(data[10_000 * number : 10_000 * (number + 1)])
    parts = [tmp_path / name for name in archives(os.listdir(tmp_path))["a b"]]
    assert unpack(parts, tmp_path / "out", progress=False) == ["foa", "metadata"]
    assert (tmp_path / "out/foa/a.wav").read_bytes() == noise(50_000)
