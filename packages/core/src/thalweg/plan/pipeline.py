"""The passes in order. What does not depend on fed shapes is a Template, made once per fetch set; `specialise` makes
the Plan for one set of shapes from it."""
from thalweg.framework import flags

from . import check
from .bind import bind
from .copies import bytes_of_fallbacks, insert_copies
from .effects import add_fetch_nodes, order_effects, resolve_variables
from .fuse import fuse, is_fused
from .fuse_training import fuse_training
from .inline import fix_values, inline
from .mask_updates import mask_updates
from .mixed_precision import mix_precision
from .order import order
from .place import place, settle
from .prune import prune
from .shapes import decides_shapes, distrust, infer
from .simplify import simplify


class Template:
    """What all plans of one fetch set share: pruned, simplified and placed nodes.

    Attributes
    ----------
    ir : Ir
    placement : Placement       devices by name, and the host (devices/placement.py)
    """

    __slots__ = ("ir", "placement", "optimize")

    def __init__(self, ir, placement, optimize):
        self.ir, self.placement, self.optimize = ir, placement, optimize

    @property
    def leaves_host(self):
        """Whether a node asks for a device whose memory the host does not see."""
        return not all(self.placement.device_of(node).is_host for node in self.ir.nodes)


def make_template(fetches, feeds, placement, optimize=True, values=None, doubts=False):
    """Passes that need no fed shapes. `fetches`: Tensors and Operations; `feeds`: Tensors.

    `values` maps the numbers of feeds to values that the plans may take for granted. With `doubts` the feeds may
    have other shapes than the graph says (captures and loop variables of a function).
    """
    ir = prune(fetches, feeds)
    distrust(ir, [v for v, t in zip(ir.feeds, feeds) if doubts or decides_shapes(t)])
    if doubts:
        for value in ir.feeds:
            value.shape = None
    _checked(ir, "prune")
    resolve_variables(ir)
    if optimize:
        fix_values(ir, values or {})
        simplify(ir)
        while inline(ir):
            resolve_variables(ir)
            simplify(ir)
        _checked(ir, "simplify")
    place(ir, placement)
    _checked(ir, "place")
    return Template(ir, placement, optimize)


def specialise(template, fed_shapes, variable_shapes, with_value=None, precision=None):
    """The Plan for feeds of these shapes (tuples; None where a feed's shape is left as the graph knows it).

    `variable_shapes` gives the present shapes of variables that the graph declares without one, `with_value` the names
    of those that hold a value (None: any may). The first values of others may lie in memory that the variables take:
    such a plan, which has `given`, serves one run. `precision`: arguments of `mix_precision` after the placement.
    """
    refused = set()
    while True:                          # each time something more is refused, until nothing is
        ir, fallbacks = _settled(template, fed_shapes, variable_shapes, refused, precision, with_value)
        found = {(n.op_type, n.name) for n in ir.nodes if is_fused(n) and n.refusal is not None}
        if found <= refused:
            break
        refused |= found
    placement = template.placement
    insert_copies(ir, placement.device_of, placement.host, placement.find_cast if placement.sends_bfloat16 else None)
    _checked(ir, "copies")
    copied = bytes_of_fallbacks(ir)
    order(ir, placement.host.name)
    _checked(ir, "order")
    plan = bind(ir, placement, fallbacks, with_value)
    plan.fallback_bytes = copied
    for key, count in fallbacks.items():
        refusal = next(n.refusal for n in ir.nodes if (n.op_type, n.wanted) == key)
        placement.tell_fallback(*key, count, copied[key], refusal)
    if flags.CHECK:
        ir.check("bind")
        check.check_layout(plan)
        check.check_steps(plan.steps)
    return plan


def _settled(template, fed_shapes, variable_shapes, refused, precision, with_value):
    """`(ir, fallbacks)`: the nodes for these shapes, fused but for the steps in `refused`, with their kernels."""
    ir, placement = template.ir.clone(), template.placement
    if template.optimize and mask_updates(ir, placement, with_value):
        simplify(ir)
        place(ir, placement)
        _checked(ir, "mask updates")
    infer(ir, fed_shapes, variable_shapes)
    _checked(ir, "shapes")
    if template.optimize:
        simplify(ir)
        _checked(ir, "simplify with shapes")
    if precision is not None:
        mix_precision(ir, placement, *precision)
        _checked(ir, "mixed precision")
        if template.optimize:
            simplify(ir)                 # conversions of constants are constants
    ir.link()
    add_fetch_nodes(ir)
    order_effects(ir)
    _checked(ir, "effects")
    if template.optimize:
        fuse_training(ir, placement.fuses, refused)
        fuse(ir, placement.fuses, refused)
        _checked(ir, "fuse")
    fallbacks = settle(ir, placement)
    _checked(ir, "settle")
    return ir, fallbacks


def _checked(ir, stage):
    if flags.CHECK:
        ir.check(stage)
