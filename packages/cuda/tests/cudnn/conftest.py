"""cuDNN without a card: the library opened over a stub of the driver, and an H200 described to it."""
import glob
import os

import pytest
from cudnn import stub
from cudnn.places import H200

from thalweg_cuda.libraries.cudnn import INSTALL, VERSIONS, Cudnn
from thalweg_cuda.shared_library import candidates, open_first


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    found = candidates("cudnn", VERSIONS)
    if not found:
        pytest.skip("cuDNN is not installed; tox -e cudnn installs and tests it")
    stub.load(glob.glob(os.path.join(os.path.dirname(found[0]), "libcudnn*.so.9")), tmp_path_factory.mktemp("stub"))
    return open_first("cudnn", VERSIONS, INSTALL)


@pytest.fixture(scope="session")
def cudnn(library):
    return Cudnn(library, H200.read_bytes())
