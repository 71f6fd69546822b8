#!/bin/sh
# Train on all GPUs of this machine:  one-machine.sh RECIPE DIR [options of janiform train]
# PROCESSES=2 uses two of them, or two processes where there is no GPU.
set -eu
recipe=$1 out=$2
shift 2
processes=${PROCESSES:-$(python -c 'import torch; print(max(1, torch.cuda.device_count()))')}
resume=
[ -e "$out/run.json" ] && resume=--resume
exec torchrun --standalone --nproc-per-node "$processes" -m janiform train "$recipe" --out "$out" $resume "$@"
