"""What many tests start: a Redis, a folder of small datasets, a tokenizer for it."""

import tempfile
from pathlib import Path

import folders
import pytest
import redis
from servers import RedisServer

from flan_datagen.catalog import load_catalog
from flan_datagen.pool import Pools
from flan_datagen.sources import open_source
from flan_shared.tokenizer import Tokenizer, train


@pytest.fixture
def redis_server():
    """An empty server of the test's own."""
    # Not under tmp_path: a unix socket's path may have about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="flan-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def client(redis_server):
    """A client of `redis_server`."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    """Small sound datasets for `specs.SMALL`, in the datasets' own columns."""
    return folders.write_all(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def tokenizer(data_folder) -> Tokenizer:
    """Trained on `data_folder` and its templates."""
    catalog, pools = load_catalog(), Pools(open_source(str(data_folder)))
    texts = []
    for name in folders.DATASETS:
        for row in pools.train(catalog[name], seed=0, cap=10**6).frame.to_dicts():
            texts += [row[field] or "" for field in catalog[name].fields]
        texts += [template.inputs for template in catalog[name].templates]
    return train(texts, 600)
