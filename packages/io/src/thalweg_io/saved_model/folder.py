"""The files of a SavedModel's folder, and which of them an asset's name may mean."""
import os

from thalweg.framework import errors

from .constants import (
    ASSETS_DIRECTORY,
    SAVED_MODEL_FILENAME_PB,
    SAVED_MODEL_FILENAME_PBTXT,
    VARIABLES_DIRECTORY,
    VARIABLES_FILENAME,
)


def variables_path(export_dir):
    """The checkpoint's path in the SavedModel `export_dir`."""
    return os.path.join(os.fspath(export_dir), VARIABLES_DIRECTORY, VARIABLES_FILENAME)


def model_file(export_dir):
    """The path of the file with the graphs, or None."""
    for name in (SAVED_MODEL_FILENAME_PB, SAVED_MODEL_FILENAME_PBTXT):
        path = os.path.join(os.fspath(export_dir), name)
        if os.path.isfile(path):
            return path
    return None


def maybe_saved_model_directory(export_dir):
    """Whether a folder has the file that a SavedModel has; it may still be damaged."""
    return model_file(export_dir) is not None


contains_saved_model = maybe_saved_model_directory       # the newer name


def asset_path(export_dir, name):
    """The path of an asset, by its name in the SavedModel's file.

    Raises
    ------
    InvalidArgumentError        if the name leads out of the folder of assets, by its parts or by a symbolic link
    NotFoundError               if there is no such file
    """
    folder = os.path.join(os.fspath(export_dir), ASSETS_DIRECTORY)
    parts = name.replace("\\", "/").split("/")
    is_plain = name and "\0" not in name and not os.path.isabs(name) and not os.path.splitdrive(name)[0] \
        and all(part not in ("", ".", "..") for part in parts)
    path = os.path.join(folder, *parts) if is_plain else ""
    root = os.path.join(os.path.realpath(export_dir), ASSETS_DIRECTORY)          # nor may the folder be a link
    if not is_plain or os.path.commonpath([root, os.path.realpath(path)]) != root:
        raise errors.InvalidArgumentError(None, None, f"SavedModel {export_dir}: the asset {name!r} lies outside of "
                                                      f"{folder}; a model may use its own assets only")
    if not os.path.isfile(path):
        raise errors.NotFoundError(None, None, f"SavedModel {export_dir}: the asset {name!r} is missing from {folder}")
    return path
