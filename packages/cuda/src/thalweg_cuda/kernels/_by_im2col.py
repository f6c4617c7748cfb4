"""Convolutions by im2col: windows are written out as a matrix, which cuBLASLt multiplies; rivals of the tile kernels.

That gives tensor cores to products of 16 bits and of TF32, which the tile kernels do without; in other types the tiles
read the windows where they are, and nothing is gained. The matrix is made and multiplied some places at a time.
"""
from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.work import Fill, Launch, Source, Work, output

from . import _by_cublaslt, _im2col_text
from . import _tile_text as text
from ._epilogue import Epilogue
from ._frame import Frame, add_divisor, defines
from ._geometry import QUOTIENT, grid_stride
from ._rivals import no_plan
from ._tiles import Factor, types
from ._window_text import WINDOWS
from ._workspace import Workspace
from .prelude import PRELUDE

MATRIX_BYTES = 64 << 20          # of windows that are written out at once, and of their results: many waves of tiles
_MOST = 2                        # of cuBLASLt's algorithms
_ROWS = 64                       # places are taken in multiples of it, so that all parts are aligned


def works(request, products, target, zeroed=0):
    """[(name, Work)] for the Products of a convolution, best first; empty without cuBLASLt, or where it gains nothing.

    `zeroed`: bytes of output 0 that are cleared before.
    """
    allow_tf32 = bool(request.attrs.get("allow_tf32", False))
    products = [p for p in products if p.m * p.n * p.k]
    if not products or not all(_gains(p, allow_tf32) for p in products) or target.libraries.get("cublaslt") is None:
        return []
    unfolded = [_Unfolded(p, allow_tf32, target) for p in products]
    try:
        end = [Work(_by_cublaslt.clamp(request, p, target)) for p in products]
        return [(f"cublaslt im2col {i}", _joined([*[u.work(i) for u in unfolded], *end], zeroed))
                for i in range(min(u.choices() for u in unfolded))]
    except LibraryError as error:
        return no_plan(request, "cublaslt", error)


def _gains(product, allow_tf32):
    """Whether tensor cores can multiply what the windows hold."""
    has_cores = product.dtype.nbytes == 2 or product.dtype.storage == "float" and allow_tf32
    return product.window is not None and product.batches == 1 and has_cores


def _joined(works, zeroed):
    clear = (Fill(output(), zeroed),) if zeroed else ()
    return Work(sum((w.commands for w in works), clear), max(w.workspace_bytes for w in works))


class _Unfolded:
    """A Product of windows in parts, each a matrix written out and a Product of matrices.

    Parts are of rows, or of depths: of what counts the places of windows. Sums over parts are formed in float32.
    """

    def __init__(self, product, allow_tf32, target):
        self.product, self.allow_tf32, self.target = product, allow_tf32, target
        self.library, self.memory = target.libraries.get("cublaslt"), Workspace()
        self.by_depth = product.a.kind == "TAPS_BY_PLACES"
        places, width = (product.k, product.m) if self.by_depth else (product.m, product.k)
        self.is_spread, item = bool(product.y.by_places), product.dtype.nbytes
        size = max(MATRIX_BYTES // ((width + product.n * self.is_spread) * item) // _ROWS, 1) * _ROWS
        self.parts = [(first, min(size, places - first)) for first in range(0, places, size)]
        self.matrix = self.memory.take(self.parts[0][1] * width * item)
        self.is_wide = self.by_depth and len(self.parts) > 1 and item == 2
        self.sums = self.memory.take(product.m * product.n * 4) if self.is_wide else product.y.operand
        self.dense = self.memory.take(self.parts[0][1] * product.n * item) if self.is_spread else None
        is_plain = product.b.kind == "MATRIX"
        self.filters = product.b.operand if is_plain else self.memory.take(product.n * product.k * item)
        self.first = [] if is_plain else [self._unfold("b", product.b, self.filters, 0, 0, product.n, product.k)]

    def choices(self):
        """How many works there are; 0 for what is no product of plain matrices even then."""
        asked = [self._asked(self._part(*part)) for part in self.parts]
        return 0 if None in asked else min(_MOST, *[len(self.library.plans(a)) for a in asked])

    def work(self, choice):
        """The Work by the algorithms of this number."""
        commands, nbytes = list(self.first), 0
        for first, count in self.parts:
            part = self._part(first, count)
            plan = self.library.plans(self._asked(part))[choice]
            at = (0, first) if self.by_depth else (first, 0)
            commands += [self._unfold("a", self.product.a, self.matrix, *at, part.m, part.k),
                         _by_cublaslt.call_of(part, plan, self.memory.end)]
            nbytes = max(nbytes, plan.workspace_bytes)
            if self.is_spread:
                commands.append(self._spread(first, count))
        if self.is_wide:
            commands.append(self._narrowed())
        return Work(tuple(commands), self.memory.nbytes + nbytes)

    def _asked(self, part):
        asked = _by_cublaslt.asked_for(part, self.allow_tf32)
        return asked and asked._replace(is_wide=self.is_wide)

    def _part(self, first, count):
        """The Product of matrices for the places from `first` on."""
        p, item = self.product, self.product.dtype.nbytes
        m, k = (p.m, count) if self.by_depth else (count, p.k)
        a = Factor(self.matrix, is_along_k=p.a.is_along_k, row_stride=k if p.a.is_along_k else 1,
                   depth_stride=1 if p.a.is_along_k else m)
        b, y, epilogue = p.b._replace(operand=self.filters), p.y._replace(operand=self.sums), p.epilogue
        if p.b.kind != "MATRIX":
            b = Factor(self.filters, row_stride=p.k, depth_stride=1)
        if self.by_depth:
            b = b._replace(operand=b.operand + first * b.depth_stride * item)
            epilogue = Epilogue(residual=self.sums) if first else None
        elif self.is_spread:
            y = y._replace(operand=self.dense, row_stride=p.n, by_places=())
        else:
            y = y._replace(operand=y.operand + first * y.row_stride * item)
            if epilogue is not None and epilogue.residual is not None:
                epilogue = epilogue._replace(residual=epilogue.residual + first * y.row_stride * item)
        return p._replace(m=m, k=k, a=a, b=b, y=y, epilogue=epilogue, window=None)

    def _unfold(self, letter, factor, to, first_row, first_k, rows, depths):
        """The launch that writes rows x depths elements of a factor as a dense matrix."""
        p, vector = self.product, factor.vector(rows, depths)
        frame = Frame("int32" if p.extent < 1 << 30 else "int64")
        frame.add(f"const {p.dtype.storage}*", **{letter: factor.operand})
        frame.add(f"{p.dtype.storage}*", to=to)
        frame.add("uint32", count=rows * depths // vector)
        add_divisor(frame, "line", (depths if factor.is_along_k else rows) // vector)
        frame.add("int", first_row=first_row, first_k=first_k, M=p.m, N=p.n, K=p.k)
        frame.add("INDEX", **{f"{letter}_row_stride": factor.row_stride,
                              f"{letter}_depth_stride": factor.depth_stride})
        p.window(frame)
        upper = letter.upper()
        macros = {"KIND": factor.kind, "ALONG_K": factor.is_along_k, "VECTOR": vector, "ROWS": "MN"[letter == "b"],
                  "TYPE": p.dtype.storage, "TURN(x)": "(x)"}
        macros = defines(RANK=p.rank, **{f"{upper}_{name}": value for name, value in macros.items()})
        parts = [PRELUDE, types(p.dtype), QUOTIENT, frame.declaration(), text.HEAD, macros, WINDOWS,
                 (text.FACTOR + _im2col_text.UNFOLD).replace("@", letter).replace("$", upper)]
        return Launch(Source("".join(parts)), "unfold", *grid_stride(rows * depths, self.target, vector), frame.args())

    def _spread(self, first, count):
        """The launch that takes the results of the places from `first` on to where they belong."""
        p, storage = self.product, self.product.dtype.storage
        vector = 4 if not any(s % 4 for s in (p.n, *p.y.by_places)) and not p.y.operand.offset % 16 else 1
        frame = Frame("int32" if p.extent < 1 << 30 else "int64")
        frame.add(f"const {storage}*", dense=self.dense)
        frame.add(f"{storage}*", y=p.y.operand)
        frame.add("uint32", count=count * p.n // vector)
        add_divisor(frame, "line", p.n // vector)
        frame.add("int", first_row=first)
        p.window(frame)
        frame.add("INDEX", **dict(zip(("y_n", "y_z", "y_y", "y_x"), p.y.by_places)))
        parts = [PRELUDE, types(p.dtype), QUOTIENT, frame.declaration(), text.HEAD, defines(RANK=p.rank, V=vector),
                 WINDOWS, _im2col_text.SPREAD.replace("STORAGE", storage)]
        return Launch(Source("".join(parts)), "spread", *grid_stride(count * p.n, self.target, vector), frame.args())

    def _narrowed(self):
        """The launch that rounds the sums over all parts."""
        p, frame = self.product, Frame()
        frame.add("const float*", sums=self.sums)
        frame.add(f"{p.dtype.storage}*", y=p.y.operand)
        frame.add("uint32", count=p.m * p.n)
        source = "".join([PRELUDE, frame.declaration(), _im2col_text.NARROW])
        return Launch(Source(source), "narrow", *grid_stride(p.m * p.n, self.target), frame.args())
