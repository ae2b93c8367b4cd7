import gc
import subprocess
import sys

import pytest

from hific import garbage


def test_no_garbage_is_searched_for_while_it_is_put_off():
    with pytest.raises(ValueError), garbage.put_off():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()


def test_what_was_made_meanwhile_counts_as_old_and_is_still_collected():
    class Node:
        pass

    with garbage.put_off():
        node = Node()
        node.self = node
    old = {id(each) for each in gc.get_objects(generation=2)}
    assert id(node) in old and gc.get_freeze_count() == 0
    found = []
    Node.__del__ = lambda self: found.append("collected")
    del node
    gc.collect()
    assert found == ["collected"]


def test_where_it_is_switched_off_it_stays_so():
    gc.disable()
    try:
        with garbage.put_off():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_somebody_froze_stays_so():
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with garbage.put_off():
            pass
        assert gc.get_freeze_count() >= before > 0
    finally:
        gc.unfreeze()


def test_a_process_that_leaves_its_memory_still_says_goodbye():
    code = (
        "import atexit, gc; from hific import garbage\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "garbage.leave_to_the_system(); garbage.leave_to_the_system()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
