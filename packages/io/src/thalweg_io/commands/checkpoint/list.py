"""Lists the tensors of a checkpoint: name, dtype, shape and bytes. Strings have no bytes: their sizes vary."""
import json

from thalweg.commands import console
from thalweg.framework.shapes import size_of

from .source import Source, add_filter
from .text import bytes_text, count_text, shape_text

HELP = "names, dtypes, shapes and bytes"


def add_arguments(parser):
    parser.add_argument("checkpoint", metavar="CHECKPOINT")
    add_filter(parser)
    parser.add_argument("--sort", choices=["name", "bytes", "dtype"], default="name",
                        help="by name (the default), the largest first, or by dtype")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--long", action="store_true", help="also the share of all bytes and the stored slices")
    form.add_argument("--names", action="store_true", help="names only, one a line")
    form.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(func=run)


def run(options):
    with Source(options.checkpoint) as source:
        tensors = [_Tensor(source, name) for name in source.matching(options.only)]
    tensors.sort(key=_KEYS[options.sort])
    if options.json:
        print(json.dumps({"path": source.path, "format": source.format, "tensors": [t.as_dict() for t in tensors]},
                         indent=1))
    elif options.names:
        print("".join(f"{console.printable(t.name)}\n" for t in tensors), end="")
    else:
        _print_table(source, tensors, options.long)


_KEYS = {"name": lambda t: t.name, "bytes": lambda t: (-(t.nbytes or 0), t.name), "dtype": lambda t: (t.dtype, t.name)}


class _Tensor:
    """What is listed of one tensor."""

    def __init__(self, source, name):
        self.name, self.dtype, self.shape = name, source.dtype(name).name, source.shape(name)
        self.nbytes, self.slices = source.nbytes(name), [str(s) for s in source.slices(name)]

    def as_dict(self):
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), "bytes": self.nbytes,
                "slices": self.slices}

    def row(self):
        return (console.printable(self.name), self.dtype, shape_text(self.shape),
                "-" if self.nbytes is None else f"{self.nbytes:,}")

    def more(self, total):
        share = f"{100 * (self.nbytes or 0) / total:.1f} %" if total else "-"
        few = self.slices if len(self.slices) < 4 else [self.slices[0], "...", self.slices[-1]]
        return share, f"{len(self.slices)}: {' '.join(few)}" if few else "-"


def _print_table(source, tensors, is_long):
    total = sum(t.nbytes or 0 for t in tensors)
    head, align = ("name", "dtype", "shape", "bytes"), "<<<>"
    rows = [t.row() for t in tensors]
    if is_long:
        head, align = (*head, "share", "slices"), align + "><"
        rows = [row + t.more(total) for row, t in zip(rows, tensors)]
    for line in console.table(rows, align, head):
        print(line)
    count = sum(size_of(t.shape) for t in tensors)
    print(f"{count_text(len(tensors), 'tensor')}, {count_text(count, 'element')}, {bytes_text(total)}; "
          f"{source.format.upper() if source.format[0] == 'v' else source.format}, {console.printable(source.path)}")
