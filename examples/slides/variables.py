"""Variables: names, initial values, updates, sharing by scopes.

    python examples/slides/variables.py
"""
import numpy as np

import thalweg as tf

# --- ways to create variables ---------------------------------------------------------------------------
x = tf.Variable(tf.zeros([200]), name="x")
y = tf.Variable([[1, 0], [0, 1]])                        # an identity matrix
z = tf.constant(6.0)                                     # "a variable that does not change"
learning_rate = tf.Variable(0.01, trainable=False)
print(x.name, y.name, z.name, learning_rate.name)
print("trained:", [v.name for v in tf.trainable_variables()])

# --- they must be initialized ---------------------------------------------------------------------------
with tf.Session() as sess:
    try:
        sess.run(y)
    except tf.errors.FailedPreconditionError:
        print("not initialized:", [name.decode() for name in sess.run(tf.report_uninitialized_variables())])
    sess.run(tf.global_variables_initializer())
    print("initialized:", sess.run(y).tolist())

# --- update ---------------------------------------------------------------------------------------------
counter = tf.Variable(100)
assign_op = counter.assign(counter - 1)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("counts down:", *[sess.run(assign_op) for _ in range(3)])


# --- tf.Variable makes a new one each time, tf.get_variable shares --------------------------------------
def biased(x):
    b = tf.get_variable("b", [10], initializer=tf.random_normal_initializer())
    return x + b


with tf.variable_scope("bias") as scope:
    y1 = biased(tf.zeros([10]))
    scope.reuse_variables()
    y2 = biased(tf.zeros([10]))                          # the same b
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("shared:", np.array_equal(*sess.run([y1, y2])))

# --- scopes ---------------------------------------------------------------------------------------------
with tf.variable_scope("foo"):
    v = tf.get_variable("v", [1])
with tf.variable_scope("foo", reuse=True):
    v1 = tf.get_variable("v", [1])
print(v.name, v1 is v)


def tell(place):
    print(f"  {place}: reuse is {bool(tf.get_variable_scope().reuse)}")


print("reuse is inherited:")
with tf.variable_scope("root"):
    tell("root")
    with tf.variable_scope("foo"):
        tell("root/foo")
    with tf.variable_scope("foo", reuse=True):
        tell("root/foo, reused")
        with tf.variable_scope("bar"):
            tell("root/foo/bar")
    tell("root again")

# --- a name twice is an error ---------------------------------------------------------------------------
b1 = tf.get_variable("b", [10])
try:
    b2 = tf.get_variable("b", [10])
except ValueError as error:
    print(str(error).partition(" in VarScope")[0])
