"""Redis killed, emptied, set back, paused or cut off: the run ends with the undisturbed run's parameters."""

import time

import pytest
from proxy import Proxy

from flan_shared.line import Attempt

pytest_plugins = ["recovery"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

AOF = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def proxy(redis_server):
    # A lost answer is given up soon.
    proxy = Proxy(f"{redis_server.folder}/redis.sock", parameters="?socket_timeout=2")
    yield proxy
    proxy.refuse()


@pytest.fixture
def far_run(start_run, proxy):
    """A run whose services reach Redis through `proxy`."""
    run = start_run(proxy.url)
    yield run
    run.stop()


def attempt(client, spec) -> Attempt:
    return Attempt.parse(client.get(f"flan:{spec.run_id}:attempt").decode())


def waiting_for_window(run, number):
    """A replica that stops before it makes window `number`, and a trainer that comes to wait for it."""
    replica = run.replica(fault=("stop", "make", number))
    trainer = run.trainer()
    run.wait_until_stopped(replica)
    return replica, trainer


def test_redis_killed_twice_and_back_empty_costs_nothing(run, undisturbed, redis_server):
    run.replica()
    trainer = run.trainer()
    for step in (12, 36):
        run.wait_for_checkpoint(step)
        redis_server.kill()
        redis_server.start()
    run.ends_like(undisturbed, trainer)


def test_redis_killed_while_everyone_waits_costs_nothing(run, undisturbed, redis_server):
    replica, trainer = waiting_for_window(run, 2)
    run.wait_for_checkpoint(12)
    redis_server.kill()
    redis_server.start()
    run.wait_for_words(trainer, "windows ordered again")
    replica.resume()
    run.ends_like(undisturbed, trainer)


def test_redis_back_with_all_it_held_costs_nothing(run, undisturbed, redis_server, client, spec):
    redis_server.kill()
    redis_server.start(*AOF)
    replica, trainer = waiting_for_window(run, 2)
    run.wait_for_checkpoint(12)
    before = attempt(client, spec)
    redis_server.kill()
    redis_server.start(*AOF)
    # The tickets are there again, and yet they are not trusted.
    run.wait_for(lambda: attempt(client, spec) > before)
    replica.resume()
    run.ends_like(undisturbed, trainer)


def test_redis_back_with_the_state_of_an_older_trainer_costs_nothing(
    run, undisturbed, redis_server, client, spec
):
    run.replica()
    first = run.trainer(fault=("stop", "save", 12))
    run.wait_until_stopped(first)
    client.save()
    older = attempt(client, spec)
    first.kill()
    second = run.trainer(fault=("stop", "save", 36))
    run.wait_until_stopped(second)
    redis_server.kill()
    redis_server.start("--dbfilename", "dump.rdb")
    assert attempt(client, spec) == older
    second.resume()
    run.ends_like(undisturbed, second)


def test_redis_paused_for_30_s_costs_only_time(run, undisturbed, redis_server):
    replica, trainer = waiting_for_window(run, 2)
    run.wait_for_checkpoint(12)
    redis_server.pause()
    replica.resume()
    time.sleep(30)
    assert trainer.running
    assert replica.running
    redis_server.resume()
    run.ends_like(undisturbed, trainer)


def test_a_partition_costs_only_time(far_run, proxy, undisturbed):
    replica, trainer = waiting_for_window(far_run, 2)
    far_run.wait_for_checkpoint(12)
    proxy.refuse()
    replica.resume()
    for process in (replica, trainer):
        far_run.wait_for_words(process, "redis is away or full")
    proxy.restore()
    far_run.ends_like(undisturbed, trainer)


def test_a_ticket_whose_delivery_was_lost_is_taken_again(far_run, proxy, undisturbed):
    proxy.swallow(rb"XREADGROUP")
    far_run.replica()
    trainer = far_run.trainer()
    far_run.wait_for(proxy.swallowed.is_set)
    far_run.ends_like(undisturbed, trainer)


def test_a_window_whose_receipt_was_lost_is_there_once(far_run, proxy, undisturbed):
    replica = far_run.replica(fault=("stop", "write", 2))
    trainer = far_run.trainer()
    far_run.wait_until_stopped(replica)
    proxy.swallow(rb"XADD\r\n\$\d+\r\nflan:[^\r]+:window:2:")
    replica.resume()
    far_run.wait_for(proxy.swallowed.is_set)
    far_run.ends_like(undisturbed, trainer)


CLAIM = rb"SET\r\n\$\d+\r\nflan:[^\r]+:attempt\r\n"


def test_a_first_claim_whose_receipt_was_lost_is_made_again(far_run, proxy, undisturbed):
    far_run.replica()
    proxy.swallow(CLAIM)
    trainer = far_run.trainer()
    far_run.wait_for(proxy.swallowed.is_set)
    far_run.ends_like(undisturbed, trainer)


def test_a_new_claim_whose_receipt_was_lost_is_made_again(far_run, proxy, redis_server, undisturbed):
    replica, trainer = waiting_for_window(far_run, 2)
    far_run.wait_for_checkpoint(12)
    proxy.swallow(CLAIM)
    redis_server.kill()
    redis_server.start()
    far_run.wait_for(proxy.swallowed.is_set)
    replica.resume()
    far_run.ends_like(undisturbed, trainer)
