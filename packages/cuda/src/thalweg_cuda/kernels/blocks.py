"""Blocks of space: into channels and back, into the batch and back."""
import math
from itertools import product

import numpy as np

from thalweg_cuda.work import Fill, Unsupported, output

from . import kernel
from ._copy import copied
from ._views import constants, item_bytes, whole

_MOST_PLACES = 64                # of a block: each is a launch


@kernel("SpaceToDepth")
def space_to_depth(r, target):
    """Blocks of space into channels."""
    cut, deep = _cut_into_blocks(r, r.in_shapes[0])
    return copied(r, target, [(0, cut, 0, deep)])


@kernel("DepthToSpace")
def depth_to_space(r, target):
    """Channels into blocks of space."""
    cut, deep = _cut_into_blocks(r, r.out_shapes[0])
    return copied(r, target, [(0, deep, 0, cut)])


def _cut_into_blocks(r, space):
    """Views of the tensor of shape `space` in blocks, and of the one with blocks in its channels."""
    block, layout = r.attrs["block_size"], r.attrs.get("data_format", "NHWC")
    if layout == "NHWC":
        n, h, w, c = space
        cut = whole(space).reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
    elif layout == "NCHW":
        n, c, h, w = space
        cut = whole(space).reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    else:
        raise Unsupported(f"{r.op_type} on CUDA in {layout}")
    return cut, whole(cut.shape)


@kernel("SpaceToBatchND")
def space_to_batch_nd(r, target):
    """Per place in a block the elements there; zeros where a place lies in the padding."""
    blocks, paddings = constants(r, 1, 2)
    is_padded = any(p for pair in paddings for p in pair)
    nbytes = math.prod(r.out_shapes[0]) * item_bytes(r, r.out_dtypes[0])
    pairs = _block_places(r, r.in_shapes[0], r.out_shapes[0], blocks, [p[0] for p in paddings])
    return copied(r, target, [(0, in_space, 0, in_batch) for in_space, in_batch in pairs],
                   (Fill(output(), nbytes),) if is_padded and nbytes else ())


@kernel("BatchToSpaceND")
def batch_to_space_nd(r, target):
    """The copies of SpaceToBatchND turned round."""
    blocks, crops = constants(r, 1, 2)
    pairs = _block_places(r, r.out_shapes[0], r.in_shapes[0], blocks, [c[0] for c in crops])
    return copied(r, target, [(0, in_batch, 0, in_space) for in_space, in_batch in pairs])


def _block_places(r, space, batch, blocks, before):
    """Pairs of views, in space and in batch, of what lies at one place of every block.

    Position p of dimension d in space is place (p + before[d]) % blocks[d] of block (p + before[d]) // blocks[d].
    """
    if math.prod(blocks) > _MOST_PLACES:
        raise Unsupported(f"{r.op_type} on CUDA takes blocks of {_MOST_PLACES} places at most, not {blocks}")
    pairs = []
    full = whole(space)
    split_batch = whole((*blocks, *space[:1], *batch[1:]))
    for place in product(*[range(b) for b in blocks]):
        in_space, in_batch = [np.s_[:]], [np.s_[:]]
        for d, (i, block, ahead) in enumerate(zip(place, blocks, before)):
            skipped = max(0, -((i - ahead) // block))                 # blocks whose place lies before the first
            first = skipped * block + i - ahead
            count = max(0, -((first - space[d + 1]) // block))
            count = min(count, batch[d + 1] - skipped)
            in_space.append(np.s_[first:first + count * block:block] if count > 0 else np.s_[:0])
            in_batch.append(np.s_[skipped:skipped + count] if count > 0 else np.s_[:0])
        pairs.append((full[tuple(in_space)], split_batch[place][tuple(in_batch)]))
    return pairs
