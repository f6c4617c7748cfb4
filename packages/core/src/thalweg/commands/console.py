"""What commands share: exit statuses, text that is safe to print, tables.

For the commands of other packages, too: `from thalweg.commands import console`.
"""
import unicodedata

OK, FOUND, FAILED = 0, 1, 2              # done; done, and a difference or damage found; not done


def printable(text):
    """A text out of a file without control characters, which a terminal could take for commands: as \\x1b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def width(text):
    """The columns of a terminal that a text takes: two for the wide letters of East Asia, none for accents."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(rows, align, head=None):
    """Yields the lines of a table.

    Parameters
    ----------
    rows : list of tuples of str
    align : str                      "<" or ">" per column
    head : tuple of str, optional    the titles
    """
    rows = [head, *rows] if head else rows
    widths = [max(map(width, column)) for column in zip(*rows)]
    for row in rows:
        cells = (_padded(cell, size, side) for cell, size, side in zip(row, widths, align))
        yield "  ".join(cells).rstrip()


def _padded(cell, size, side):
    blanks = " " * (size - width(cell))
    return cell + blanks if side == "<" else blanks + cell
