"""The nodes that a Saver adds to the graph, as TensorFlow 1.15 makes and names them: `save/Const`, `save/SaveV2`, ...

SaverDef, their summary, names the tensor to feed with a path, the tensor to run for a save, the op for a restore.
"""
import uuid

from thalweg.framework.device_spec import DeviceSpec
from thalweg.framework.graph import control_dependencies, device, name_scope
from thalweg.ops import array, flow, placeholder
from thalweg.ops.array import shape as shape_of
from thalweg.ops.constant import constant
from thalweg.ops.strings import string_join_op

from . import save_ops
from .saveables import SaveableObject, SaveSpec, VariableSaveable, saveables_from

V1, V2 = 1, 2                             # SaverDef.version


def _on_cpu(place):
    """The host's first device of wherever `place` is."""
    spec = DeviceSpec.from_string(place)
    spec.device_type, spec.device_index = "CPU", 0
    return spec.to_string()


class BaseSaverBuilder:
    """Builds the nodes of savers; a subclass may save and restore in its own way.

    Parameters
    ----------
    write_version : int         SaverDef.V2, or V1 for the format of TensorFlow before 0.12
    """

    SaveSpec, SaveableObject, VariableSaveable = SaveSpec, SaveableObject, VariableSaveable

    def __init__(self, write_version=V2):
        self._write_version = write_version

    def build(self, names_to_saveables, reshape=False, sharded=False, max_to_keep=5,
              keep_checkpoint_every_n_hours=10000.0, name=None, restore_sequentially=False, filename="model"):
        """Adds the nodes to the default graph and gives the SaverDef.

        Parameters
        ----------
        names_to_saveables : list or dict of variables and saveable objects
        reshape : bool          restored values take the variables' shapes, where these differ in size 1 and order
        sharded : bool          each device writes a file of its own
        restore_sequentially : bool         reads a value only when the one before is in its variable, on each device,
                                            by more nodes; after damage those before have their new values already.
                                            Less memory for values that are reshaped or less than a megabyte
        filename : str          what is saved to when nobody feeds a path
        """
        from ..protos import SaverDef
        saveables = saveables_from(names_to_saveables)
        with name_scope(name, "save", [saveable.op for saveable in saveables]):
            filename_tensor = placeholder.placeholder_with_default(filename or "model", shape=(), name="filename")
            filename_tensor = placeholder.placeholder_with_default(filename_tensor, shape=(), name="Const")
            if sharded:
                groups = _by_device(saveables)
                save = self._add_sharded_save(filename_tensor, groups)
                restore = self._add_sharded_restore(filename_tensor, groups, reshape, restore_sequentially)
            else:
                save = self._add_save(filename_tensor, saveables)
                restore = self._add_restore(filename_tensor, saveables, reshape, restore_sequentially)
        return SaverDef(filename_tensor_name=filename_tensor.name, save_tensor_name=save.name,
                        restore_op_name=restore.name, max_to_keep=max_to_keep or 0, sharded=sharded,
                        keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours, version=self._write_version)

    # --- what a subclass may change ------------------------------------------------------------------

    def save_op(self, filename_tensor, saveables):
        """The operation that writes all tensors of `saveables`."""
        specs = [spec for saveable in saveables for spec in saveable.specs]
        op, name = (save_ops.save_slices, "save") if self._write_version == V1 else (save_ops.save_v2, None)
        return op(filename_tensor, [spec.name for spec in specs], [spec.slice_spec for spec in specs],
                  [spec.tensor for spec in specs], name=name)

    def bulk_restore(self, filename_tensor, saveables):
        """The tensors of all specs of `saveables`, read from the checkpoint."""
        specs = [spec for saveable in saveables for spec in saveable.specs]
        with device("CPU:0"):
            return save_ops.restore_v2(filename_tensor, [spec.name for spec in specs],
                                       [spec.slice_spec for spec in specs],
                                       dtypes=[spec.dtype.base_dtype for spec in specs])

    # --- one file -----------------------------------------------------------------------------------

    def _add_save(self, filename_tensor, saveables):
        return flow.with_dependencies([self.save_op(filename_tensor, saveables)], filename_tensor)

    def _add_restore(self, filename_tensor, saveables, reshape, is_sequential, name="restore_all"):
        assigned = []
        for group in [[saveable] for saveable in saveables] if is_sequential else [saveables]:
            tensors = self.bulk_restore(filename_tensor, group)
            for op in {tensor.op: None for tensor in tensors} if assigned else ():
                op._add_control_input(assigned[-1])
            restored = iter(tensors)
            for saveable in group:
                shapes = [_wanted_shape(spec.tensor) for spec in saveable.specs] if reshape else None
                result = saveable.restore([next(restored) for _ in saveable.specs], shapes)
                assigned.append(getattr(result, "op", result))
        return flow.group(*assigned, name=name)

    # --- a file per device --------------------------------------------------------------------------

    def _add_sharded_save(self, filename_tensor, groups):
        if self._write_version == V1:
            count = constant(len(groups), name="num_shards")
            _, saved = self._add_shards(filename_tensor, groups, count, lambda place: place)
            with control_dependencies([tensor.op for tensor in saved]):
                return save_ops.sharded_filespec(filename_tensor, count)
        suffix = f"_temp_{uuid.uuid4().hex}/part"
        prefix = string_join_op([filename_tensor, suffix])
        names, saved = self._add_shards(prefix, groups, constant(len(groups), name="num_shards"), _on_cpu)
        with control_dependencies([tensor.op for tensor in saved]), device(_on_cpu(groups[-1][0])):
            merged = save_ops.merge_v2_checkpoints(names, filename_tensor)
            with control_dependencies([merged]):
                return array.identity(filename_tensor)

    def _add_shards(self, prefix, groups, count, host_of):
        """(names of the shards, the same after each is written)"""
        names, saved = [], []
        for shard, (place, saveables) in enumerate(groups):
            with device(host_of(place)):
                names.append(save_ops.sharded_filename(prefix, shard, count))
                saved.append(self._add_save(names[-1], saveables))
        return names, saved

    def _add_sharded_restore(self, filename_tensor, groups, reshape, is_sequential):
        restored = []
        for place, saveables in groups:
            with device(place):
                restored.append(self._add_restore(filename_tensor, saveables, reshape, is_sequential, "restore_shard"))
        return flow.group(*restored, name="restore_all")


BulkSaverBuilder = BaseSaverBuilder       # TensorFlow's name for the form that reads all values by one op


def _wanted_shape(tensor):
    shape = tensor.get_shape()
    return shape if shape.is_fully_defined() else shape_of(tensor)


def _by_device(saveables):
    """[(device, saveables on it)], sorted by device."""
    groups: dict = {}
    for saveable in saveables:
        places = {DeviceSpec.from_string(spec.device).to_string() for spec in saveable.specs}
        if len(places) != 1:
            raise ValueError(f"All tensors of a saveable object must be on the same device: {saveable.name}")
        groups.setdefault(places.pop(), []).append(saveable)
    return sorted(groups.items())
