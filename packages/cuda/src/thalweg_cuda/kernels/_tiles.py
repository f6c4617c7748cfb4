"""Products by tiles: which tile, how k is cut, and the launches. The CUDA C is in _tile_text.py."""
from typing import NamedTuple

from thalweg_cuda.work import Launch, Operand, Source, Unsupported, workspace

from . import _tile_text as text
from ._epilogue import Epilogue
from ._frame import Frame, defines
from ._geometry import QUOTIENT, ceil_div, grid_stride
from ._window_text import WINDOWS
from .prelude import PRELUDE, CType

_SPLIT_BYTES = 64 << 20          # for the sums of the slices of k
_LONGEST_SLICE = 8192            # of float32 numbers added up one after the other
_SHORTEST_SLICE = 256            # so that reading and writing y once more does not matter


class Tile(NamedTuple):
    """BM x BN elements of y, of which a thread has RA x RB; slices of BK."""

    bm: int
    bn: int
    ra: int
    rb: int
    bk: int = 16

    @property
    def threads(self):
        return self.bm // self.ra * (self.bn // self.rb)

    def count(self, m, n):
        return ceil_div(m, self.bm), ceil_div(n, self.bn)


LARGE, MEDIUM, NARROW = Tile(128, 64, 8, 8, bk=8), Tile(64, 64, 4, 4), Tile(128, 32, 4, 4)
FLAT, SMALL = Tile(32, 128, 4, 4), Tile(32, 32, 2, 2)


class Factor(NamedTuple):
    """What a(m, k), or b(k, n), is read from.

    Attributes
    ----------
    operand : Operand
    kind : str                  of the enum in _tile_text.py
    is_along_k : bool           the contiguous axis is k
    row_stride, depth_stride : int     elements between rows m (columns n of b), and between k
    batch_strides : 4 ints
    is_conjugate : bool
    can_be_vector : bool        what the strides do not show: windows lie in groups of four
    """

    operand: Operand
    kind: str = "MATRIX"
    is_along_k: bool = True
    row_stride: int = 0
    depth_stride: int = 0
    batch_strides: tuple = (0, 0, 0, 0)
    is_conjugate: bool = False
    can_be_vector: bool = True

    def vector(self, rows, k):
        """4 where four elements along the contiguous axis are one load, else 1."""
        along = k if self.is_along_k else rows
        strides = (self.depth_stride, self.row_stride)[::1 if self.is_along_k else -1]
        ok = self.can_be_vector and along % 4 == 0 and not any(s % 4 for s in (*self.batch_strides, strides[1]))
        return 4 if ok and (self.kind in ("PLACES_BY_TAPS", "TAPS_BY_PLACES") or strides[0] == 1) else 1


class Result(NamedTuple):
    """Where y[m, n] goes: by m * row_stride, or by the place m of a convolution; plus n * column_stride."""

    operand: Operand
    row_stride: int = 0
    column_stride: int = 1
    batch_stride: int = 0
    by_places: tuple = ()        # the strides of n, z, y, x


class Product(NamedTuple):
    """y = a b for `batches` pairs, batch number ((i0 s1 + i1) s2 + i2) s3 + i3 of sizes s.

    `window`: the fields of convolutions, a function that adds them to the Frame, or None; `rank`: its spatial axes.
    `extent`: elements of the largest operand.
    """

    dtype: CType
    m: int
    n: int
    k: int
    a: Factor
    b: Factor
    y: Result
    extent: int
    batch_sizes: tuple = (1, 1, 1, 1)
    epilogue: Epilogue | None = None
    window: object = None
    rank: int = 2

    @property
    def batches(self):
        s = self.batch_sizes
        return s[0] * s[1] * s[2] * s[3]


def tile_for(product, target):
    """The tile of a product: as large as keeps all multiprocessors busy.

    What a thread fetches ahead lies in registers: of slices of 16, numbers of 8 bytes spill.
    """
    compute = product.dtype.compute
    if compute == "complex128":
        return SMALL
    if compute != "float":
        return MEDIUM._replace(bk=8) if product.dtype.nbytes == 8 else MEDIUM
    if product.n <= 32:
        return NARROW
    if product.m <= 32:
        return FLAT
    rows, columns = LARGE.count(product.m, product.n)
    return LARGE if rows * columns * product.batches >= target.multiprocessors else MEDIUM


def slices_for(product, tile, target):
    """Into how many slices k is cut: so that there are blocks enough, and sums short enough."""
    rows, columns = tile.count(product.m, product.n)
    blocks = rows * columns * product.batches
    wanted = max(ceil_div(2 * target.multiprocessors, blocks) if blocks < target.multiprocessors else 1,
                 ceil_div(product.k, _LONGEST_SLICE))
    room = _SPLIT_BYTES // (product.batches * product.m * product.n * _compute_bytes(product.dtype))
    return max(1, min(wanted, product.k // _SHORTEST_SLICE, room, 65535))


def launches(product, target, offset=0):
    """The commands of a product and the bytes of workspace that they use, from `offset` on."""
    if not product.m * product.n * product.batches:
        return [], 0
    if max(product.m, product.n, product.k) >= 1 << 31:
        raise Unsupported(f"a product of {product.m} x {product.k} by {product.k} x {product.n} on CUDA: sizes must "
                          "be smaller than 2**31")
    tile = tile_for(product, target)
    slices = slices_for(product, tile, target)
    length = max(ceil_div(ceil_div(product.k, slices), tile.bk), 1) * tile.bk
    slices = max(ceil_div(product.k, length), 1)
    source, args = _source(product, tile, slices, length, workspace(offset))
    rows, columns = tile.count(product.m, product.n)
    grid = rows * columns, slices, min(product.batches, 65535)
    commands = [Launch(source, "product", grid, (tile.threads,), args)]
    if slices == 1:
        return commands, 0
    count = product.batches * product.m * product.n
    commands.append(Launch(source, "finish", *grid_stride(count, target), args))
    return commands, slices * count * _compute_bytes(product.dtype)


def _compute_bytes(dtype):
    return max(dtype.nbytes, 4)


# --- the source --------------------------------------------------------------------------------------

def _source(product, tile, slices, length, partial):
    frame = _frame(product, tile, slices, length, partial)
    is_complex = product.dtype.compute.startswith("complex")
    parts = [PRELUDE, types(product.dtype), QUOTIENT, frame.declaration(), text.HEAD, _tile_defines(product, tile),
             text.ARITHMETIC["complex" if is_complex else "real"]]
    if product.window is not None:
        parts.append(WINDOWS)
    for small, large in ("a", "A"), ("b", "B"):
        parts.append((text.FACTOR + text.SLICES).replace("@", small).replace("$", large))
    return Source("".join([*parts, text.EPILOGUE, text.RESULT, text.KERNELS])), frame.args()


def types(dtype):
    """The types that _tile_text.ARITHMETIC is written in."""
    compute = {"int32": "uint32", "int64": "uint64"}.get(dtype.compute, dtype.compute)     # they wrap
    wide = {"float": "double", "complex64": "complex128"}.get(compute, compute)
    real = {"complex64": "float", "complex128": "double"}.get(compute, compute)
    return f"typedef {compute} T; typedef {wide} W; typedef {real} R;\n" + defines(
        Y_TYPE=dtype.storage, Y_COMPUTE=dtype.compute)


def _tile_defines(product, tile):
    found = {"BM": tile.bm, "BN": tile.bn, "BK": tile.bk, "RA": tile.ra, "RB": tile.rb, "THREADS": tile.threads,
             "PAD": 4, "Q": min(4, tile.ra, tile.rb), "RANK": product.rank, "IS_FUSED": product.epilogue is not None,
             "Y_BY_PLACES": bool(product.y.by_places), "Y_ALONG_M": product.y.column_stride != 1,
             "Y_VECTOR": _y_vector(product)}
    for name, factor, rows, size in ("A", product.a, product.m, tile.bm), ("B", product.b, product.n, tile.bn):
        found |= {f"{name}_KIND": factor.kind, f"{name}_ALONG_K": factor.is_along_k,
                  f"{name}_VECTOR": factor.vector(rows, product.k), f"{name}_TILE": size,
                  f"{name}_ROWS": "M" if name == "A" else "N", f"{name}_TYPE": product.dtype.storage}
    conjugates = "".join(f"#define {name}_TURN(x) {'conjugate(x)' if factor.is_conjugate else '(x)'}\n"
                         for name, factor in (("A", product.a), ("B", product.b)))
    return defines(**found) + conjugates


def _y_vector(product):
    y = product.y
    strides = (product.n, y.batch_stride, *(y.by_places or (y.row_stride,)))
    return 4 if y.column_stride == 1 and not any(s % 4 for s in strides) and not y.operand.offset % 16 else 1


def _frame(product, tile, slices, length, partial):
    storage = product.dtype.storage
    rows, columns = tile.count(product.m, product.n)
    frame = Frame("int32" if product.extent < 1 << 30 else "int64")
    frame.add(f"const {storage}*", a=product.a.operand, b=product.b.operand)
    frame.add(f"{storage}*", y=product.y.operand)
    frame.add("T*", partial=partial if slices > 1 else None)
    frame.add("int", M=product.m, N=product.n, K=product.k, slice=length, slices=slices, tiles_m=rows,
              tiles_n=columns, batches=product.batches, batch_size=product.batch_sizes)
    frame.add("INDEX", a_batch=product.a.batch_strides, b_batch=product.b.batch_strides,
              a_row_stride=product.a.row_stride, a_depth_stride=product.a.depth_stride,
              b_row_stride=product.b.row_stride, b_depth_stride=product.b.depth_stride,
              y_batch=product.y.batch_stride, y_row=product.y.row_stride, y_column=product.y.column_stride)
    if product.window is not None:
        product.window(frame)
    if product.y.by_places:
        frame.add("INDEX", **dict(zip(("y_n", "y_z", "y_y", "y_x"), product.y.by_places)))
    if product.epilogue is not None:
        product.epilogue.add_fields(frame, storage)
    return frame
