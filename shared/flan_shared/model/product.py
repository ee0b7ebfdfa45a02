"""Products with a transposed factor, as gradients need them, and the product of a dense layer with its gradient.

XLA's CPU backend has no fast kernel for products that contract the first axis of both factors: with one of them
transposed beforehand they take 0.7 to 0.95 of the time (2048 rows, kernels of 256 x 1024 to 1024 x 256, two cores),
and the more the larger the result. Elsewhere nothing is transposed.
"""

import jax
import jax.numpy as jnp
from jax import lax


@jax.custom_vjp
def product(rows: jax.Array, kernel: jax.Array) -> jax.Array:
    """dtype[num_rows, in] and dtype[in, out] -> dtype[num_rows, out]."""
    return jnp.dot(rows, kernel)


def contract_first(left: jax.Array, right: jax.Array) -> jax.Array:
    """The sum over the last axis but one of both: dtype[..., n, a] and dtype[..., n, b] -> dtype[..., a, b]."""

    def transposed(left: jax.Array, right: jax.Array) -> jax.Array:
        # Behind a barrier, or XLA makes one product of both again.
        return jnp.matmul(lax.optimization_barrier(left.mT), right)

    def plain(left: jax.Array, right: jax.Array) -> jax.Array:
        return jnp.matmul(left.mT, right)

    return lax.platform_dependent(left, right, cpu=transposed, default=plain)


def _forward(rows: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return jnp.dot(rows, kernel), (rows, kernel)


def _backward(saved: tuple[jax.Array, jax.Array], d_out: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows, kernel = saved
    return jnp.dot(d_out, kernel.T), contract_first(rows, d_out)


product.defvjp(_forward, _backward)
