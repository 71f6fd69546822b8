#!/bin/bash
# Train on several machines under SLURM:  sbatch --nodes 16 slurm.sh RECIPE DIR [options of janiform train]
#SBATCH --job-name janiform
#SBATCH --ntasks-per-node 1
#SBATCH --gpus-per-node 8
#SBATCH --cpus-per-task 64
#SBATCH --time 24:00:00
#SBATCH --requeue
# Ten minutes before the time limit, and at preemption, every process is signalled to save and exit.
#SBATCH --signal TERM@600
set -u
recipe=$1 out=$2
shift 2
resume=
[ -e "$out/run.json" ] && resume=--resume
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

srun --kill-on-bad-exit=1 torchrun \
    --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node "${SLURM_GPUS_ON_NODE:-8}" \
    --rdzv-backend c10d --rdzv-endpoint "$head:29500" --rdzv-id "$SLURM_JOB_ID" \
    -m janiform train "$recipe" --out "$out" $resume "$@"
code=$?

# An unfinished run has no model yet: requeue the job, to continue when machines are free.
if [ $code -ne 0 ] && [ -e "$out/run.json" ] && [ ! -e "$out/model.json" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 100 ]; then
    ls "$out"/checkpoints/step-* > /dev/null 2>&1 && scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
