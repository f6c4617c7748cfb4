"""`tf.train.checkpoints_iterator`: checkpoints as they appear in a folder that another program saves into."""
import logging
import time

from .state import latest_checkpoint

logger = logging.getLogger("thalweg.io")

_PAUSE_S = 1.0                                # between two looks into the folder


def wait_for_new_checkpoint(checkpoint_dir, last_checkpoint=None, seconds_to_sleep=_PAUSE_S, timeout=None):
    """Waits until the newest checkpoint of a folder is another one than `last_checkpoint`.

    Parameters
    ----------
    checkpoint_dir : str
    last_checkpoint : str           path of the one that is known; None: the first one counts
    seconds_to_sleep : float        between two looks
    timeout : float                 seconds after which it gives up; None: never

    Returns
    -------
    str                             the path, None when it gave up
    """
    logger.info("Waiting for new checkpoint at %s", checkpoint_dir)
    stop_at = None if timeout is None else time.monotonic() + timeout
    while True:
        path = latest_checkpoint(checkpoint_dir)
        if path is not None and path != last_checkpoint:
            logger.info("Found new checkpoint at %s", path)
            return path
        if stop_at is not None and time.monotonic() + seconds_to_sleep > stop_at:
            return None
        time.sleep(seconds_to_sleep)


def checkpoints_iterator(checkpoint_dir, min_interval_secs=0, timeout=None, timeout_fn=None):
    """Yields the newest checkpoint of a folder, then each newer one; those between two looks are passed over.

    Parameters
    ----------
    checkpoint_dir : str
    min_interval_secs : float       least time between two checkpoints that are given
    timeout : float                 seconds to wait for a new one; None: for ever
    timeout_fn : callable           asked after a timeout: True ends the iteration, False waits once more; without it a
                                    timeout ends it
    """
    path = None
    while True:
        new_path = wait_for_new_checkpoint(checkpoint_dir, path, timeout=timeout)
        if new_path is None:
            if timeout_fn is None or timeout_fn():
                logger.info("Timed-out waiting for a checkpoint.")
                return
            continue
        start, path = time.monotonic(), new_path
        yield path
        time.sleep(max(0.0, start + min_interval_secs - time.monotonic()))
