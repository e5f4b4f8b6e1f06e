#!/usr/bin/env bash
# Makes the localizers that ship as `foa` and `mic`: sounds, scenes, training, scores. Started again, it goes on where
# it stopped. Needs espeak-ng, fluidsynth and sound fonts (recipes/render_sounds.py --help), 25 GB of disk, 10 GB of
# memory and three to six hours on two cores. Scores on recordings need Debian 12 (tools/gather_recordings.py --help) and
# pip install -e ".[test]".
#
#     tools/make_localizers.sh [foa|mic ...]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=data/localizers
rooms=(--rt60_s "[0.15,1.0]" --snr_db "[5,30]" --distance_m "[0.5,5.0]" --room_max_m "[14,12,5.5]" --formats foa mic)
training=(--variation 0.5)
rendered=("${rooms[@]}" --events $folder/sounds --synthetic 0.25)

make_scenes() { python recipes/make_scenes.py --output "$folder/$1" --seed "$2" --clips "$3" --max_overlap "$4" --workers "$(nproc)" "${@:5}"; }

python recipes/render_sounds.py --output $folder/sounds --hours 10.5 --workers "$(nproc)"
make_scenes synthetic_3 101 240 3 "${rooms[@]}" "${training[@]}"
make_scenes synthetic_2 102 160 2 "${rooms[@]}" "${training[@]}"
make_scenes rendered_3 201 480 3 "${rendered[@]}" "${training[@]}"
make_scenes rendered_2 202 320 2 "${rendered[@]}" "${training[@]}"
make_scenes synthetic_validation 103 24 3 "${rooms[@]}" --split validation
make_scenes rendered_validation 203 24 3 "${rendered[@]}" --split validation
make_scenes test_2 301 40 2 "${rendered[@]}" --split test
make_scenes test_3 302 40 3 "${rendered[@]}" --split test
[ $# -gt 0 ] || set -- foa mic
for name in "$@"; do
  python recipes/train_doa.py --config "$name.yaml"
  cp "runs/$name/best.safetensors" "seld/pretrained/$name.safetensors"
  python tools/score_localizer.py --model "$name" --data $folder/test_{2,3}
done

if [ ! -d $folder/rooms ]; then
  python tools/make_foreign_rooms.py --output $folder/.rooms --rooms 20 --seed 12
  mv $folder/.rooms $folder/rooms
fi
if [ ! -d $folder/recordings ]; then
  python tools/gather_recordings.py --output $folder/.recordings
  mv $folder/.recordings $folder/recordings
fi
for name in "$@"; do
  for sources in 2 3; do
    make_scenes "foreign_${sources}_$name" 60$((sources - 1)) 40 $sources --snr_db "[5,30]" --formats "$name" \
      --responses "$folder/rooms/$name" --events $folder/recordings
  done
  python tools/score_localizer.py --model "$name" --data $folder/foreign_{2,3}_"$name"
done
