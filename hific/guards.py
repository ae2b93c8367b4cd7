"""What is done about steps that are not finite."""

import tensorflow as tf

_MAX_SKIPPED_IN_A_ROW = 10


class NonFiniteTraining(Exception):
    """Loss or gradients stayed NaN or infinite; the weights are the last good ones."""


class Guard(tf.Module):
    """Counts steps that were not applied because they were not finite."""

    def __init__(self):
        super().__init__()
        self.skipped = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.in_a_row = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.longest = tf.Variable(0, trainable=False, dtype=tf.int64)

    def count(self, applied: tf.Tensor) -> None:
        """Takes note of one step; `applied` is [] bool."""
        skipped = tf.cast(tf.logical_not(applied), tf.int64)
        self.skipped.assign_add(skipped)
        self.in_a_row.assign((self.in_a_row + 1) * skipped)
        self.longest.assign(tf.maximum(self.longest, self.in_a_row))

    def check(self) -> None:
        """Raises NonFiniteTraining after 10 skipped steps in a row."""
        if int(self.longest) >= _MAX_SKIPPED_IN_A_ROW:
            raise NonFiniteTraining(
                f"{int(self.longest)} steps in a row had a NaN or infinite loss or "
                f"gradient ({int(self.skipped)} in all); none of them was applied. "
                "Lower the learning rate, or clip gradients with "
                "--config.optimizer.clip_norm=1."
            )
