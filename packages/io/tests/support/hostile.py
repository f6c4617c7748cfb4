"""Makes files that lie: about sizes, types, offsets, names. Every checksum is right unless that is the lie.

`CASES` lists them as ../shared/golden/hostile/hostile.json does, `make(folder)` writes them. They are of the kinds of
that set with other numbers and in other places.
"""
import gzip
import json
import struct
import zipfile
import zlib

import numpy as np

from thalweg_io.checkpoints.bundle.entry import Header
from thalweg_io.checkpoints.table import TableWriter
from thalweg_io.checkpoints.tensor_slice import TensorSlice, slice_key
from thalweg_io.records.crc32c import crc32c, masked, masked_crc32c
from thalweg_io.wire import field_bytes, field_fixed32, field_varint, varint

CASES, _WRITERS = [], {}
MAX = 2**63 - 1


def make(folder):
    for case in CASES:
        _WRITERS[case["name"]](folder, case["path"])


def make_valid(folder):
    """Writes those that are to be read."""
    for case in CASES:
        if case["expect"] == "ok":
            _WRITERS[case["name"]](folder, case["path"])


def case(name, kind, expect, write, **more):
    CASES.append({"name": name, "kind": kind, "path": name, "expect": expect, **more})
    _WRITERS[name] = write


def _file(data):
    return lambda folder, name: (folder / name).write_bytes(data() if callable(data) else data)


# --- V2 checkpoints ---------------------------------------------------------------------------------

ONES = np.ones(6, "<f4").tobytes()


def tag(number, kind):
    return varint(number << 3 | kind)


def shape(*sizes):
    return b"".join(field_bytes(2, field_varint(1, size)) for size in sizes)


def entry(dtype=1, dims=(2, 3), shard=0, offset=0, size=24, crc=None, slices=b"", data=ONES):
    crc = masked_crc32c(data) if crc is None else crc
    return (field_varint(1, dtype) + field_bytes(2, dims if isinstance(dims, bytes) else shape(*dims))
            + field_varint(3, shard) + field_varint(4, offset) + field_varint(5, size) + field_fixed32(6, crc)
            + slices)


def table(entries):
    out = bytearray()
    writer = TableWriter(out.extend)
    for key in sorted(entries):
        writer.add(key, entries[key])
    writer.finish()
    return bytes(out)


def bundle(entries, data=ONES, header=None, index=None):
    """Writes a checkpoint; `index` replaces the table's bytes."""
    def write(folder, name):
        header_ = Header().message() if header is None else header
        made = table({**({b"": header_} if header_ is not False else {}), **entries}) if index is None else index
        (folder / f"{name}.index").write_bytes(made)
        if data is not None:
            (folder / f"{name}.data-00000-of-00001").write_bytes(data)
    return write


def v2(name, expect, entries, **more):
    entries = entries if isinstance(entries, dict) else {b"a": entries}
    case(f"v2_{name}", "v2", expect, bundle(entries, **more), tensors=["a"])


def extents(*pairs):
    """The `slices` field with one slice: pairs of (start, length), length None for a whole dimension."""
    message = b"".join(field_bytes(1, field_varint(1, start) + (b"" if length is None else tag(2, 0) + varint(length)))
                       for start, length in pairs)
    return field_bytes(7, message)


def part(name, *pairs):
    return slice_key(name, TensorSlice([(start, -1 if length is None else length) for start, length in pairs]))


v2("good", "ok", entry())
for _dims in ((2**62,), (2**31, 2**31), (2**32, 2**32), (3, MAX), (MAX, 0), (2**40, 2**40, 2**40)):
    v2("shape_" + "x".join(map(str, _dims)), "error" if 0 not in _dims else "any", entry(dims=_dims))
v2("shape_min_int", "error", entry(dims=(-2**63, 3)))
v2("shape_two_negatives", "error", entry(dims=(-2, -3)))
v2("shape_255_ones", "error", entry(dims=(1,) * 255))
v2("shape_60_dims_of_2", "error", entry(dims=(2,) * 60))
v2("shape_unknown_rank", "error", entry(dims=field_varint(3, 1)))
v2("shape_is_noise", "error", entry(dims=b"\xff" * 20))
v2("shape_too_small", "error", entry(dims=(2, 2)))
v2("empty_with_bytes", "error", entry(dims=(0, 3)))
v2("offset_max", "error", entry(offset=MAX))
v2("offset_and_size_overflow", "error", entry(offset=MAX - 3, size=MAX - 3))
v2("size_2e62", "error", entry(size=2**62))
v2("size_and_shape_2e40", "error", entry(dims=(2**38,), size=2**40))
v2("offset_1", "error", entry(offset=1))
v2("shard_negative", "error", entry(shard=-1))
v2("shard_2e31", "error", entry(shard=2**31 - 1))
v2("no_shards", "error", entry(), header=field_bytes(3, field_varint(1, 1)))
v2("shards_negative", "error", entry(), header=field_varint(1, -1) + field_bytes(3, field_varint(1, 1)))
v2("no_header", "error", entry(), header=False)
v2("bad_consumer", "error", entry(), header=field_varint(1, 1) + field_bytes(3, field_varint(3, 1)))
v2("endianness_7", "any", entry(), header=field_varint(1, 1) + field_varint(2, 7))
for _dtype in (0, 20, 21, 34, 100, 102, 107, 130, 255, 2**31 - 1, -1):
    v2(f"dtype_{_dtype}", "error", entry(dtype=_dtype))
v2("crc_zero", "error", entry(crc=0))
v2("group", "error", entry() + tag(9, 3) + tag(9, 4))
v2("endless_varint", "error", tag(1, 0) + b"\x80" * 40)
v2("field_number_0", "error", b"\x00\x01" + entry())
v2("length_past_end", "error", entry() + tag(2, 2) + varint(2**40))
v2("shape_twice", "any", entry() + field_bytes(2, shape(2**50)))
v2("name_not_utf8", "any", {b"a": entry(), b"\xff\xfe": entry()})
v2("name_long", "any", {b"a": entry(), b"n" * 100_000: entry()})
v2("name_absolute", "ok", {b"a": entry(), b"/etc/passwd": entry()})


def text_data(lengths, text, crc=None):
    lengths_crc = masked(crc32c(b"".join(n.to_bytes(4 if n < 2**32 else 8, "little") for n in lengths)))
    return b"".join(map(varint, lengths)) + (lengths_crc if crc is None else crc).to_bytes(4, "little") + text


def strings(name, expect, data, dims=(2,), **more):
    v2(f"string_{name}", expect, entry(dtype=7, dims=dims, size=len(data), crc=0, data=data, **more), data=data)


strings("lengths_2e62", "error", text_data([2**62, 2**62], b"ab"))
strings("lengths_wrap", "error", text_data([2**64 - 1, 3], b"ab"))
strings("many_in_few_bytes", "error", text_data([1, 1], b"ab"), dims=(2**50,))
strings("text_missing", "error", text_data([5, 5], b"abc"))
strings("endless_length", "error", b"\xff" * 30)
strings("one_short", "error", text_data([1], b"a"))


def sliced(name, expect, slices, parts, dims=(4, 3), **more):
    v2(f"slices_{name}", expect, {b"a": entry(dims=dims, size=0, crc=0, slices=b"".join(slices)), **parts}, **more)


_HALVES = {part(b"a", (0, 2), (0, 3)): entry(), part(b"a", (2, 2), (0, 3)): entry()}
sliced("good", "ok", [extents((0, 2), (0, 3)), extents((2, 2), (0, 3))], _HALVES)
sliced("shape_lies", "error", [extents((0, 2), (0, 3)), extents((2, 2), (0, 3))],
       {**_HALVES, part(b"a", (2, 2), (0, 3)): entry(dims=(1, 3), size=12)})
sliced("other_dtype", "error", [extents((0, 2), (0, 3)), extents((2, 2), (0, 3))],
       {**_HALVES, part(b"a", (2, 2), (0, 3)): entry(dtype=3)})
sliced("gap", "error", [extents((0, 2), (0, 3))], _HALVES)
sliced("twice_the_same", "error", [extents((0, 2), (0, 3))] * 2, _HALVES)
sliced("rank", "error", [extents((0, 2))], {part(b"a", (0, 2)): entry(dims=(2,), size=8)})
sliced("outside", "error", [extents((3, 2), (0, 3))], {part(b"a", (3, 2), (0, 3)): entry()})
sliced("start_max", "error", [extents((MAX, 2), (0, 3))], {part(b"a", (MAX, 2), (0, 3)): entry()})
sliced("length_max", "error", [extents((0, MAX), (0, 3))], {part(b"a", (0, MAX), (0, 3)): entry()})
sliced("length_negative", "error", [extents((0, -2), (0, 3))], {})
sliced("huge_whole", "error", [extents((0, 2), (0, 3))], _HALVES, dims=(2**50, 3))
sliced("huge_whole_of_full_slices", "error", [extents((0, None), (0, None))],
       {part(b"a", (0, None), (0, None)): entry(dims=(2**45, 3), size=12 * 2**45)}, dims=(2**45, 3))
sliced("20000", "error", [extents((0, 2), (0, 3))] * 20_000, _HALVES)


# --- tables -----------------------------------------------------------------------------------------

def raw_entry(key, value, shared=0):
    return varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value


def block(entries, restarts=(0,), count=None, kind=0, crc=None):
    contents = entries + b"".join(struct.pack("<I", r) for r in restarts)
    contents += struct.pack("<I", len(restarts) if count is None else count)
    return sealed(contents, kind, crc)


def sealed(contents, kind=0, crc=None):
    stored = contents + bytes([kind])
    return stored + struct.pack("<I", masked_crc32c(stored) if crc is None else crc)


def whole_table(data_block, index=None, footer=None):
    """A table of one data block; `index` gets the block's handle, `footer` (metaindex handle, index handle)."""
    meta = block(b"")
    handle = varint(0) + varint(len(data_block) - 5)
    index_block = block(raw_entry(b"b", handle)) if index is None else index(handle)
    at = len(data_block) + len(meta)
    handles = (varint(len(data_block)) + varint(len(meta) - 5) + varint(at) + varint(len(index_block) - 5)
               if footer is None else footer)
    return data_block + meta + index_block + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


_ENTRIES = raw_entry(b"", Header().message()) + raw_entry(b"a", entry())


def tbl(name, expect, *args, **more):
    case(f"tbl_{name}", "v2", expect, bundle({}, index=whole_table(*args, **more)), tensors=["a"])


tbl("good", "ok", block(_ENTRIES))
tbl("key_twice", "error", block(_ENTRIES + raw_entry(b"a", entry())))
tbl("key_falls", "error", block(raw_entry(b"a", entry()) + raw_entry(b"", Header().message())))
tbl("shared_without_key", "error", block(varint(5) + varint(0) + varint(0)))
tbl("unshared_2e60", "error", block(varint(0) + varint(2**60) + varint(0)))
tbl("value_2e63", "error", block(varint(0) + varint(1) + varint(2**63) + b"a"))
tbl("restarts_2e30", "error", block(_ENTRIES, count=2**30))
tbl("restarts_none", "error", block(_ENTRIES, restarts=(), count=0))
tbl("block_type_2", "error", block(_ENTRIES, kind=2))
tbl("block_type_255", "error", block(_ENTRIES, kind=255))
tbl("block_crc_0", "error", block(_ENTRIES, crc=0))
tbl("snappy_4gb", "error", sealed(varint(2**32 - 1) + b"\0a", 1))
tbl("snappy_2e62", "error", sealed(varint(2**62) + b"\0a", 1))
tbl("snappy_copy_before_start", "error", sealed(varint(64) + b"\x00a" + b"\xfe\xff\xff", 1))
tbl("snappy_copy_offset_0", "error", sealed(varint(64) + b"\x00a" + b"\xfe\x00\x00", 1))
tbl("snappy_literal_cut", "error", sealed(varint(100) + b"\xfc\xff\xff\xff\x7fabc", 1))
tbl("snappy_bomb", "error", sealed(varint(2**29) + b"\x00a" + b"\xfe\x01\x00" * 60_000, 1))
tbl("snappy_endless", "error", sealed(b"\xff" * 30, 1))
tbl("handle_cut", "error", block(_ENTRIES), index=lambda handle: block(raw_entry(b"b", b"\x80")))
tbl("handle_size_2e63", "error", block(_ENTRIES), index=lambda handle: block(raw_entry(b"b", b"\0" + varint(2**63))))
tbl("handle_offset_2e64", "error", block(_ENTRIES),
    index=lambda handle: block(raw_entry(b"b", varint(2**64 - 6) + b"\1")))
tbl("block_20000_times", "error", block(_ENTRIES),
    index=lambda handle: block(b"".join(raw_entry(b"%06d" % i, handle) for i in range(20_000))))
tbl("index_is_itself", "error", block(_ENTRIES), footer=varint(0) + varint(8) + varint(0) + varint(0))
tbl("footer_endless", "error", block(_ENTRIES), footer=b"\xff" * 40)
tbl("empty_index", "error", block(_ENTRIES), index=lambda handle: block(b""))


# --- V1 checkpoints ---------------------------------------------------------------------------------

_FULL = field_bytes(1, b"") * 2


def v1_meta(dims=(2, 3), dtype=1, slices=(_FULL,), name=b"a"):
    return (field_bytes(1, name) + field_bytes(2, dims if isinstance(dims, bytes) else shape(*dims))
            + field_varint(3, dtype) + b"".join(field_bytes(4, s) for s in slices))


def v1_data(values, slice_=_FULL, name=b"a"):
    return field_bytes(2, field_bytes(1, name) + field_bytes(2, slice_) + field_bytes(3, values))


def v1(name, expect, tensors, data, versions=None):
    versions = field_varint(1, 1) if versions is None else versions
    meta = field_bytes(1, b"".join(field_bytes(1, t) for t in tensors) + field_bytes(2, versions))
    case(f"v1_{name}", "v1", expect, _file(lambda: table({b"": meta, **data})), tensors=["a"])


_WHOLE = part(b"a", (0, None), (0, None))
_SIX = field_bytes(5, ONES)
v1("good", "ok", [v1_meta()], {_WHOLE: v1_data(_SIX)})
v1("shape_2e60", "error", [v1_meta((2**60,), slices=(field_bytes(1, b""),))],
   {part(b"a", (0, None)): v1_data(_SIX, field_bytes(1, b""))})
v1("shape_wraps", "error", [v1_meta((2**32, 2**32))], {_WHOLE: v1_data(_SIX)})
v1("shape_negative", "error", [v1_meta((-2, -3))], {_WHOLE: v1_data(_SIX)})
v1("shape_300_dims", "error", [v1_meta((1,) * 300)], {_WHOLE: v1_data(_SIX)})
v1("shape_unknown", "error", [v1_meta(field_varint(3, 1))], {_WHOLE: v1_data(_SIX)})
for _dtype in (0, 20, 101, 99, 2**31 - 1):
    v1(f"dtype_{_dtype}", "error", [v1_meta(dtype=_dtype)], {_WHOLE: v1_data(_SIX)})
v1("no_values", "error", [v1_meta()], {_WHOLE: v1_data(b"")})
v1("one_value", "error", [v1_meta()], {_WHOLE: v1_data(field_bytes(5, ONES[:4]))})
v1("values_of_another_type", "error", [v1_meta()], {_WHOLE: v1_data(field_bytes(7, bytes(6)))})
v1("values_past_end", "error", [v1_meta()], {_WHOLE: v1_data(tag(5, 2) + varint(2**50) + ONES)})
v1("data_missing", "error", [v1_meta()], {})
v1("data_is_noise", "error", [v1_meta()], {_WHOLE: b"\xff" * 50})
v1("gap", "error", [v1_meta((4, 3), slices=(field_bytes(1, tag(2, 0) + varint(2)) + field_bytes(1, b""),))],
   {part(b"a", (0, 2), (0, None)): v1_data(_SIX, field_bytes(1, tag(2, 0) + varint(2)) + field_bytes(1, b""))})
v1("no_slices", "error", [v1_meta(slices=())], {_WHOLE: v1_data(_SIX)})
v1("slice_of_rank_1", "error", [v1_meta(slices=(field_bytes(1, b""),))], {_WHOLE: v1_data(_SIX)})
v1("slice_start_2e62", "error", [v1_meta(slices=(field_bytes(1, field_varint(1, 2**62) + tag(2, 0) + varint(2))
                                                 + field_bytes(1, b""),))], {_WHOLE: v1_data(_SIX)})
v1("min_consumer", "error", [v1_meta()], {_WHOLE: v1_data(_SIX)}, field_varint(1, 1) + field_varint(2, 50))
v1("strings_lie", "error", [v1_meta(dtype=7)], {_WHOLE: v1_data(field_bytes(8, b"one"))})
v1("bool_is_9", "any", [v1_meta(dtype=10)], {_WHOLE: v1_data(field_bytes(10, b"\x09" * 6))})
v1("int8_out_of_range", "any", [v1_meta(dtype=6)], {_WHOLE: v1_data(field_bytes(7, varint(1000) * 6))})


# --- graphs -----------------------------------------------------------------------------------------

def attr(key, value):
    return field_bytes(5, field_bytes(1, key) + field_bytes(2, value))


def node(name, op, inputs=(), **attrs):
    return field_bytes(1, field_bytes(1, name) + field_bytes(2, op) + b"".join(field_bytes(3, i) for i in inputs)
                       + b"".join(attr(key.encode(), value) for key, value in attrs.items()))


_FLOAT, _INT = field_varint(6, 1), field_varint(6, 3)


def const(name, dtype=1, dims=(), values=b"", **more):
    tensor = field_varint(1, dtype) + field_bytes(2, shape(*dims)) + values
    return node(name, b"Const", dtype=field_varint(6, dtype), value=field_bytes(8, tensor), **more)


def pb(name, expect, *nodes, fetch="y:0", more=b""):
    case(f"g_{name}", "graph", expect, _file(b"".join(nodes) + more), fetch=fetch)


def floats(*values):
    return field_bytes(5, struct.pack(f"<{len(values)}f", *values))


def ints(*values):
    return field_bytes(7, b"".join(map(varint, values)))


_Y = node(b"y", b"Identity", [b"c"], T=_FLOAT)
pb("good", "ok", const(b"c", dims=(2,), values=floats(1, 2)), _Y)
pb("const_2e60", "error", const(b"c", dims=(2**60,)), _Y)
pb("const_wraps", "error", const(b"c", dims=(2**33, 2**33)), _Y)
pb("const_padded_2e28", "error", const(b"c", dims=(2**28,), values=floats(1, 2)), _Y)
pb("const_negative", "error", const(b"c", dims=(-5,)), _Y)
pb("const_too_many_values", "error", const(b"c", dims=(1,), values=floats(1, 2, 3)), _Y)
pb("const_content_long", "error", const(b"c", dims=(1,), values=field_bytes(4, ONES)), _Y)
pb("const_ref", "error", const(b"c", dtype=101), _Y)
pb("const_type_0", "error", const(b"c", dtype=0), _Y)
pb("const_16gb_policy", "policy", const(b"c", dims=(2**32,), values=floats(1)), _Y)
pb("cycle", "error", node(b"y", b"Identity", [b"z"], T=_FLOAT), node(b"z", b"Identity", [b"y"], T=_FLOAT))
pb("self_control", "error", const(b"c"), node(b"y", b"Identity", [b"c", b"^y"], T=_FLOAT))
pb("control_before_data", "error", const(b"c"), node(b"y", b"Identity", [b"^c", b"c"], T=_FLOAT))
pb("port_negative", "error", const(b"c"), node(b"y", b"Identity", [b"c:-1"], T=_FLOAT))
pb("port_text", "error", const(b"c"), node(b"y", b"Identity", [b"c:x"], T=_FLOAT))
pb("input_missing", "error", node(b"y", b"Identity", [b"nobody"], T=_FLOAT))
pb("too_many_inputs", "error", const(b"c"), node(b"y", b"Identity", [b"c"] * 5000, T=_FLOAT))
pb("no_inputs", "error", node(b"y", b"Identity", T=_FLOAT))
pb("wrong_type", "error", const(b"c", dtype=3), _Y)
pb("attr_missing", "any", const(b"c"), node(b"y", b"Identity", [b"c"]))
pb("attr_type_99", "error", const(b"c"), node(b"y", b"Identity", [b"c"], T=field_varint(6, 99)))
pb("name_empty", "error", const(b""), node(b"y", b"Identity", [b""], T=_FLOAT))
pb("name_control", "error", const(b"a\nb"), node(b"y", b"Identity", [b"a\nb"], T=_FLOAT))
pb("op_empty", "error", node(b"y", b""))
pb("read_file", "policy", const(b"c", 7, values=field_bytes(8, b"/etc/passwd")), node(b"y", b"ReadFile", [b"c"]))
pb("py_func", "policy", node(b"y", b"PyFunc", token=field_bytes(2, b"pyfunc_0"), Tin=field_bytes(1, b""),
                             Tout=field_bytes(1, field_bytes(6, b"\1"))))
pb("reshape_2e62", "error", const(b"c", dims=(2,), values=floats(1, 2)),
   const(b"s", 9, dims=(2,), values=field_bytes(10, varint(2**31) * 2)),
   node(b"y", b"Reshape", [b"c", b"s"], T=_FLOAT, Tshape=field_varint(6, 9)))
pb("fill_2e60", "error", const(b"c"), const(b"s", 9, dims=(1,), values=field_bytes(10, varint(2**60))),
   node(b"y", b"Fill", [b"s", b"c"], T=_FLOAT, index_type=field_varint(6, 9)))
pb("fill_negative", "error", const(b"c"), const(b"s", 3, dims=(1,), values=ints(-7)),
   node(b"y", b"Fill", [b"s", b"c"], T=_FLOAT, index_type=_INT))
pb("tile_2e62", "error", const(b"c", dims=(2,), values=floats(1, 2)),
   const(b"s", 9, dims=(1,), values=field_bytes(10, varint(2**61))),
   node(b"y", b"Tile", [b"c", b"s"], T=_FLOAT, Tmultiples=field_varint(6, 9)))
pb("range_2e40", "error", const(b"a", 9, values=field_bytes(10, varint(0))),
   const(b"b", 9, values=field_bytes(10, varint(2**50))), const(b"d", 9, values=field_bytes(10, varint(1))),
   node(b"y", b"Range", [b"a", b"b", b"d"], Tidx=field_varint(6, 9)))
pb("split_0", "error", const(b"a", 3, values=ints(0)), const(b"c", dims=(2,), values=floats(1, 2)),
   node(b"y", b"Split", [b"a", b"c"], T=_FLOAT, num_split=field_varint(3, 0)))
pb("concat_2e31_inputs", "error", const(b"a", 3, values=ints(0)), const(b"c", dims=(2,), values=floats(1, 2)),
   node(b"y", b"ConcatV2", [b"c", b"c", b"a"], T=_FLOAT, Tidx=_INT, N=field_varint(3, 2**31 - 1)))
pb("bad_consumer", "error", const(b"c"), _Y, more=field_bytes(4, field_varint(2, 10**6)))
_DEEP = field_varint(6, 1)
for _ in range(5000):
    _DEEP = field_bytes(10, field_bytes(1, b"f") + field_bytes(2, field_bytes(1, b"a") + field_bytes(2, _DEEP)))
pb("func_nested_5000", "any", const(b"c"), node(b"y", b"Identity", [b"c"], T=_FLOAT, _f=_DEEP))
_FUNCTION = field_bytes(1, field_bytes(1, field_bytes(1, b"f")) + field_bytes(3, field_bytes(1, b"n")
                                                                              + field_bytes(2, b"f")))
pb("class_of_numbers", "error", const(b"c"),
   node(b"y", b"Identity", [b"c"], T=_FLOAT, _class=field_bytes(1, field_varint(3, 5))))
pb("class_no_list", "error", const(b"c"), node(b"y", b"Identity", [b"c"], T=_FLOAT, _class=field_varint(3, 5)))
pb("switch_of_one", "error", const(b"c"), node(b"y", b"Switch", [b"c"], T=_FLOAT))
pb("merge_of_none", "error", const(b"c"), node(b"y", b"Merge", T=_FLOAT, N=field_varint(3, 0)))
pb("function_calls_itself", "any", const(b"c"), _Y, more=field_bytes(2, _FUNCTION))


# --- records, examples, events ------------------------------------------------------------------------

def record(data, length=None, length_crc=None, crc=None):
    head = struct.pack("<Q", len(data) if length is None else length)
    return (head + struct.pack("<I", masked_crc32c(head) if length_crc is None else length_crc) + data
            + struct.pack("<I", masked_crc32c(data) if crc is None else crc))


def tfr(name, expect, data, kind="tfrecord", **more):
    case(f"{'tr' if kind == 'tfrecord' else 'ev'}_{name}", kind, expect, _file(data), **more)


for _kind in ("tfrecord", "events"):
    tfr("len_2e60", "error", record(b"x", length=2**60), _kind)
    tfr("len_2e40_after_good", "error", record(b"") + record(b"x", length=2**40), _kind)
    tfr("len_one_more", "error", record(b"abc", length=4), _kind)
    tfr("data_crc", "error", record(b"abc", crc=1), _kind)
    tfr("noise", "error", bytes(range(256)), _kind)
tfr("good", "ok", record(b"abc") + record(b""))
tfr("cut_footer", "error", record(b"abc")[:-2])
tfr("cut_header", "any", record(b"abc") + record(b"abc")[:7])
tfr("good", "ok", record(field_bytes(3, b"brain.Event:2")) + record(field_varint(2, 1) + field_bytes(5, field_bytes(
    1, field_bytes(1, b"tag") + tag(2, 5) + bytes(4)))), "events")
tfr("event_is_noise", "error", record(b"\xff" * 9), "events")
tfr("event_cut_message", "error", record(field_varint(2, 1) + tag(5, 2) + varint(10**9)), "events")
for _name, _pack in (("GZIP", gzip.compress), ("ZLIB", zlib.compress)):
    _packed = _pack(record(b"abc" * 100))
    tfr(f"{_name}_good", "ok", _packed, compression=_name)
    tfr(f"{_name}_cut", "error", _packed[:-9], compression=_name)
    tfr(f"{_name}_flip", "error", _packed[:-4] + bytes([_packed[-4] ^ 1]) + _packed[-3:], compression=_name)
    tfr(f"{_name}_of_plain", "error", record(b"abc"), compression=_name)
    tfr(f"{_name}_empty", "any", b"", compression=_name)
    tfr(f"{_name}_trailing", "any", _packed + b"trailing", compression=_name)
    tfr(f"{_name}_bomb", "error", lambda pack=_pack: pack(record(b"", length=2**30)[:12] + bytes(2**27), 1),
        compression=_name)


def feature(message, key=b"a"):
    return field_bytes(1, field_bytes(1, field_bytes(1, key) + field_bytes(2, message)))


def ex(name, expect, message):
    case(f"ex_{name}", "example", expect, _file(record(message)))


ex("good", "ok", feature(field_bytes(3, field_bytes(1, b"\5"))))
ex("none", "error", b"")
ex("two_values", "error", feature(field_bytes(3, field_bytes(1, b"\5\6"))))
ex("float", "error", feature(field_bytes(2, field_bytes(1, bytes(4)))))
ex("endless_varint", "error", feature(field_bytes(3, field_bytes(1, b"\xff" * 30))))
ex("cut_varint", "error", feature(field_bytes(3, field_bytes(1, b"\xff"))))
ex("noise", "error", b"\xfe" * 40)
ex("length_2e63", "error", tag(1, 2) + varint(2**63))
ex("group", "error", tag(1, 3) + feature(field_bytes(3, field_bytes(1, b"\5"))))
ex("floats_5_bytes", "error", feature(field_bytes(2, field_bytes(1, bytes(5)))))
ex("key_not_utf8", "any", feature(field_bytes(3, field_bytes(1, b"\5")), b"\xff\xfe")
   + feature(field_bytes(3, field_bytes(1, b"\5"))))
_DEEP = b""
for _ in range(2000):
    _DEEP = field_bytes(1, _DEEP)
ex("nested_2000", "any", _DEEP)


# --- arrays -----------------------------------------------------------------------------------------

def st(name, expect, header, data=bytes(8), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    case(f"st_{name}.safetensors", "safetensors", expect,
         _file(struct.pack("<Q", len(text) if length is None else length) + text + data))


def st_entry(dtype="F32", dims=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": dims, "data_offsets": offsets}


st("good", "ok", {"a": st_entry()})
st("length_2e63", "error", {"a": st_entry()}, length=2**63)
st("length_past_end", "error", {"a": st_entry()}, length=10**6)
st("empty_file_of_8", "error", b"", b"")
st("shape_negative", "error", {"a": st_entry(dims=[-2])})
st("shape_2e62", "error", {"a": st_entry(dims=[2**62, 4])})
st("shape_of_bool", "error", {"a": st_entry(dims=[True, 2])})
st("shape_text", "error", {"a": st_entry(dims="2")})
st("offsets_outside", "error", {"a": st_entry(dims=[2**40], offsets=[0, 2**42])})
st("offsets_negative", "error", {"a": st_entry(offsets=[-8, 0])})
st("offsets_three", "error", {"a": st_entry(offsets=[0, 4, 8])})
st("hole", "error", {"a": st_entry(dims=[1], offsets=[4, 8])})
st("dtype_list", "error", {"a": st_entry(dtype=["F32"])})
st("entry_null", "error", {"a": None})
st("metadata_number", "error", {"__metadata__": {"a": 1}, "b": st_entry()})
st("nested_100000", "error", b"[" * 100_000 + b"]" * 100_000)
st("nested_entry", "error", b'{"a":' * 50_000 + b"1" + b"}" * 50_000)
st("number_of_10000_digits", "error", b'{"a":{"dtype":"F32","shape":[' + b"9" * 10_000 + b'],"data_offsets":[0,8]}}')
st("nan_in_shape", "error", b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}')
st("duplicate_field", "error", b'{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}')
st("not_utf8", "error", b'{"\xff":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}')
st("rank_10000", "error", {"a": st_entry(dims=[1] * 9999 + [2])})


def npy(header, data=bytes(24), version=b"\1\0", length=None):
    text = header.encode().ljust(118 - 10, b" ") + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I",
                                                len(text) if length is None else length) + text + data


def npz(name, expect, member, member_name="a.npy", **more):
    def write(folder, path):
        with zipfile.ZipFile(folder / path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            file.writestr(member_name, member() if callable(member) else member)
        if "patch" in more:
            data = (folder / path).read_bytes()
            (folder / path).write_bytes(more["patch"](data))
    case(f"npz_{name}.npz", "npz", expect, write)


_NPY = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
npz("good", "ok", npy(_NPY))
npz("shape_2e61", "error", npy(_NPY.replace("(2, 3)", "(2305843009213693952,)")))
npz("shape_negative", "error", npy(_NPY.replace("(2, 3)", "(-2, -3)")))
npz("shape_wraps", "error", npy(_NPY.replace("(2, 3)", "(4294967296, 4294967296)")))
npz("shape_float", "error", npy(_NPY.replace("(2, 3)", "(2.0, 3)")))
npz("shape_text", "error", npy(_NPY.replace("(2, 3)", "'ab'")))
npz("descr_object", "error", npy(_NPY.replace("<f4", "|O")))
npz("descr_object_in_record", "error", npy(_NPY.replace("'<f4'", "[('x', '|O')]")))
npz("descr_noise", "error", npy(_NPY.replace("<f4", "zzz")))
npz("descr_huge", "error", npy(_NPY.replace("<f4", "|V2147483647")))
npz("header_call", "error", npy("__import__('os').getpid()"))
npz("header_nested", "error", npy("(" * 100 + ")" * 100))
npz("header_64k_nested", "error", b"\x93NUMPY\1\0" + struct.pack("<H", 65000) + b"[" * 65000)
npz("header_2gb", "error", npy(_NPY, version=b"\2\0", length=2**31))
npz("version_9", "error", npy(_NPY, version=b"\x09\0"))
npz("no_magic", "error", b"hello")
npz("empty_member", "error", b"")
npz("data_short", "error", npy(_NPY, bytes(20)))
npz("data_long", "any", npy(_NPY, bytes(28)))
npz("pickle", "error", b"\x80\x04\x95\x1b\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93.")
npz("member_traversal", "any", npy(_NPY), "../../outside.npy")
npz("member_absolute", "any", npy(_NPY), "/tmp/thalweg-outside.npy")
npz("bomb", "error", lambda: npy(_NPY.replace("(2, 3)", "(6,)"), bytes(2**27)))
npz("directory_lies", "error", npy(_NPY),
    patch=lambda d: d.replace(struct.pack("<I", len(npy(_NPY))), struct.pack("<I", 2**31)))
npz("cut", "error", npy(_NPY), patch=lambda d: d[:-30])
npz("no_zip", "error", npy(_NPY), patch=lambda d: b"PK" + bytes(100))


# --- state files and SavedModels ------------------------------------------------------------------------

def state(name, expect, text, with_checkpoint=True):
    def write(folder, path):
        (folder / path).mkdir()
        (folder / path / "checkpoint").write_bytes(text)
        if with_checkpoint:
            bundle({b"a": entry()})(folder / path, "m")
    case(f"state_{name}", "state", expect, write)


state("good", "ok", b'model_checkpoint_path: "m"\n')
state("empty", "none", b"")
state("gone", "none", b'model_checkpoint_path: "gone"\n')
state("absolute", "none", b'model_checkpoint_path: "/etc/passwd.ckpt"\n')
state("device", "none", b'model_checkpoint_path: "/dev/zero"\n')
state("traversal_folder", "none", b'model_checkpoint_path: "../../../../../../tmp"\n')
state("nul", "none", b'model_checkpoint_path: "m\\000x"\n')
state("star", "any", b'model_checkpoint_path: "*"\n')
state("many_stars", "none", b'model_checkpoint_path: "' + b"*?[a-z]" * 40 + b'.x"\n')
state("long_name", "none", b'model_checkpoint_path: "' + b"m" * 100_000 + b'"\n')
state("nested", "none", b"a{" * 20_000)
state("unclosed", "none", b'model_checkpoint_path: "m')
state("binary", "none", bytes(range(256)) * 10)
state("1mb", "any", b'model_checkpoint_path: "m"\n' + b'all_model_checkpoint_paths: "m"\n' * 30_000)


def saved_model_of(graph=b"", collections=b"", tags=(b"serve",), schema=1, info=b""):
    meta = field_bytes(1, b"".join(field_bytes(4, t) for t in tags) + info) + field_bytes(2, graph) + collections
    return field_varint(1, schema) + field_bytes(2, meta)


def asset(filename):
    any_ = (field_bytes(1, b"type.googleapis.com/tensorflow.AssetFileDef")
            + field_bytes(2, field_bytes(1, field_bytes(1, b"c:0")) + field_bytes(2, filename)))
    return field_bytes(4, field_bytes(1, b"saved_model_assets") + field_bytes(2, field_bytes(5, field_bytes(1, any_))))


def sm(name, expect, data, more=None):
    def write(folder, path):
        (folder / path).mkdir()
        (folder / path / "saved_model.pb").write_bytes(data)
        if more:
            more(folder / path)
    case(f"sm_{name}", "saved_model", expect, write)


_C = const(b"c", 7, values=field_bytes(8, b"x"))
sm("good", "ok", saved_model_of(_C))
sm("empty", "error", b"")
sm("noise", "error", bytes(range(255, 0, -1)))
sm("other_tags", "error", saved_model_of(_C, tags=(b"train",)))
sm("graph_is_noise", "error", saved_model_of(b"\xff" * 30))
sm("unknown_op", "error", saved_model_of(node(b"y", b"NoSuchOp")))
for _number, _name in enumerate((b"/etc/passwd", b"..", b"a/../../outside.txt", b"a\0b", b"", b"./../x", b"..\\x")):
    sm(f"asset_{_number}", "error" if _number not in (3, 4, 6) else "any", saved_model_of(_C, asset(_name)),
       lambda place: (place / "assets").mkdir())
sm("asset_link_out", "error", saved_model_of(_C, asset(b"link")),
   lambda place: ((place / "assets").mkdir(), (place / "assets" / "link").symlink_to("/etc/hostname")))
sm("assets_folder_is_link", "error", saved_model_of(_C, asset(b"hostname")),
   lambda place: (place / "assets").symlink_to("/etc"))
sm("main_op_missing", "any", saved_model_of(_C, field_bytes(4, field_bytes(1, b"saved_model_main_op") + field_bytes(
    2, field_bytes(1, field_bytes(1, b"nobody"))))))
