"""Float images in summaries: scaled to bytes and cut off, in each dtype; what is not finite is red."""
import numpy as np
import pytest

from thalweg_io.summaries.image import to_bytes

RED = np.array([255, 0, 0, 255], np.uint8)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_floats_as_bytes(dtype, channels):
    """formats.md, section 8: v * 255/max where all are >= 0, else v * 127/max|v| + 128; both cut off."""
    def shown(*values):
        image = np.repeat(np.array(values, dtype)[None, :, None], channels, -1)
        return to_bytes(image, RED)[0, :, 0].tolist()

    assert shown(0, 1, 2, 4) == [0, 63, 127, 255]
    assert shown(-2, 0, 1) == [1, 128, 191]
    assert shown(-1, 4) == [96, 255]
    assert shown(0, 0) == [0, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite(bad):
    image = np.ones((2, 2, 3), np.float32)
    image[0, 1, 2] = bad
    found = to_bytes(image, RED)
    assert found[0, 1].tolist() == [255, 0, 0] and (np.delete(found.reshape(4, 3), 1, 0) == 255).all()
    assert (to_bytes(np.full((2, 2, 1), bad, np.float16), RED) == 255).all()
