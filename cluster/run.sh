#!/bin/bash
# What every job of this folder does: runs a program on each of its nodes, hands on the
# wish to stop, and queues the job again where the program asks for it.
#
#     run.sh train_stage1.py FLAGS...      run.sh -m egic.cli compress DIR FLAGS...
#
# EGIC_PYTHON    the python to use (default: the first on PATH)
# EGIC_REQUEUES  how often a job may be queued again (default: 1000)
# EGIC_STEADY    seconds after which a job that is killed may be so as well: one that is
#                killed sooner would be so again (default: 1800)
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Slurm no longer hands this from a job to its steps.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
step='' asked='' again=''
tell() {  # srun hands it on.
    kill -USR1 "$step"
    if [ "$SECONDS" -lt 5 ]; then  # Until it is srun, it may lose a signal.
        sleep 0.3  # Twice within a second is one wish.
        kill -USR1 "$step" 2>/dev/null
    fi
}
trap 'asked=1; [ -z "$step" ] || tell' USR1 TERM
# A task that ends early leaves the others time to save.
srun --kill-on-bad-exit=0 --wait=100 "${EGIC_PYTHON:-python}" "$@" &
step=$!
[ -z "$asked" ] || tell  # It came before there was anybody to tell.
while kill -0 "$step" 2>/dev/null; do
    wait "$step"  # Returns early when a signal comes.
done
wait "$step"
code=$?
case $code in
    75 | 138 | 143) again=1 ;;  # Interrupted; the last two while Python still loaded.
    137 | 253)  # Some task was killed, by the second for want of memory.
        if [ "$SECONDS" -ge "${EGIC_STEADY:-1800}" ]; then
            again=1
        else
            echo "run.sh: killed after $SECONDS s, and not queued again. Was memory" \
                "short? docs/clusters.md" >&2
        fi
        ;;
esac
if [ -n "$again" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "${EGIC_REQUEUES:-1000}" ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
