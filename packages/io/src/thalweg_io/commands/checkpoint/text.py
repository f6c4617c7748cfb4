"""How shapes, counts and sizes are written on the command line."""


def shape_text(shape):
    """(3, 4) -> "[3,4]"."""
    return f"[{','.join(map(str, shape))}]"


def count_text(count, noun):
    """1, "tensor" -> "1 tensor"; 1200 -> "1,200 tensors"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def bytes_text(nbytes):
    """A size with its unit, three digits: "12.3 MiB"."""
    size, unit = float(nbytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{nbytes:,} bytes" if unit == "bytes" else f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"
