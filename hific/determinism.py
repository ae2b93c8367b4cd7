"""The same numbers from the same step, whatever else the machine does meanwhile.

With several threads TensorFlow's results may differ in their last bits from one run to
the next, for two reasons:

* Kernels in which threads race. `enable_op_determinism` chooses others.
* `AddN`, which that leaves as it is. It adds into the first of its inputs whose buffer
  nobody else holds *at that moment*, and begins with that one; a sum of three or more
  in another order is another number. Every gradient of what is used three times is
  such a sum, and the graph optimizer makes more of them, out of chains of additions.
"""

import tensorflow as tf

# Output 0 takes over no input's buffer: `OpKernelContext::Params::kNeverForward`.
_NEVER_FORWARD = tf.compat.v1.AttrValue(
    list=tf.compat.v1.AttrValue.ListValue(i=(-2, 0))
)


def enable() -> None:
    """Makes what is traced from now on repeatable on this machine and thread count.

    Call it before anything is computed. On a GPU some operations have no deterministic
    kernel and then say so (`UnimplementedError`).
    """
    tf.config.experimental.enable_op_determinism()
    # Random numbers are refused without a seed; a run sets its own later.
    tf.random.set_seed(0)
    # It would merge additions into sums that `fix_order_of_sums` does not see.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def fix_order_of_sums(graph: tf.Graph) -> None:
    """Lets every `AddN` of a graph that is being traced add from first to last.

    Costs one buffer for each, and no time that could be measured.
    """
    for operation in graph.get_operations():
        if operation.type == "AddN":
            operation._set_attr("_forward_input", _NEVER_FORWARD)
