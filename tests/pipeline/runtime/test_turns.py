"""Large rows take turns, and small ones never wait."""

import threading
import time

from maskbeam.pipeline.runtime.turns import Turns


def test_together_they_stay_below_the_budget():
    turns = Turns(budget=100, small=10)
    lock, taken, highest = threading.Lock(), 0, 0

    def work(size):
        nonlocal taken, highest
        for _ in range(20):
            with turns.take(size):
                with lock:
                    taken += size
                    highest = max(highest, taken)
                time.sleep(0.0005)
                with lock:
                    taken -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in (30, 40, 60, 90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 60 <= highest <= 100


def test_one_that_is_larger_than_all_goes_by_itself():
    turns = Turns(budget=100, small=10)
    with turns.take(1000):
        waiting = threading.Thread(target=lambda: turns.take(10).__enter__())
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        with turns.take(9):  # small
            pass
    waiting.join(30)
    assert not waiting.is_alive()


def test_a_turn_ends_with_an_error():
    turns = Turns(budget=100, small=10)
    for _ in range(3):
        try:
            with turns.take(90):
                raise KeyError
        except KeyError:
            continue
    with turns.take(100):
        pass
