#!/bin/bash
# What every job of this folder does: runs a program on each of its nodes, hands on the
# wish to stop, and queues the job again where the program asks for it.
#
#     run.sh train_stage1.py FLAGS...      run.sh -m egic.cli compress DIR FLAGS...
#
# EGIC_PYTHON    the python to use (default: the first on PATH)
# EGIC_REQUEUES  how often a job may be queued again (default: 1000)
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Slurm no longer hands this from a job to its steps.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
step='' asked=''
trap 'asked=1; [ -z "$step" ] || kill -USR1 "$step"' USR1 TERM  # srun hands it on.
# A task that ends early leaves the others time to save.
srun --kill-on-bad-exit=0 --wait=100 "${EGIC_PYTHON:-python}" "$@" &
step=$!
[ -z "$asked" ] || kill -USR1 "$step"  # It came before there was anybody to tell.
while kill -0 "$step" 2>/dev/null; do
    wait "$step"  # Returns early when a signal comes.
done
wait "$step"
code=$?
case $code in
    75 | 138 | 143)  # Interrupted; the last two while Python still loaded.
        if [ "${SLURM_RESTART_COUNT:-0}" -lt "${EGIC_REQUEUES:-1000}" ]; then
            scontrol requeue "$SLURM_JOB_ID"
        fi
        ;;
esac
exit "$code"
