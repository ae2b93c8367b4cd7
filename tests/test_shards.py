import hashlib
import pathlib

import pytest
import tensorflow as tf

from deeplab2_tf import shards


@pytest.mark.parametrize(
    "count, number, sizes",
    [
        (3, 2, [2, 1]),
        (1, 2, [1, 0]),
        (0, 2, [0, 0]),
        (5, 4, [2, 2, 1, 0]),
        (2975, 10, [298] * 9 + [293]),
        (1525, 10, [153] * 9 + [148]),
        (118287, 1000, [119] * 994 + [1] + [0] * 5),
        (5000, 1000, [5] * 1000),
    ],
)
def test_every_shard_takes_its_share_while_there_are_any(count, number, sizes):
    ranges = shards.shard_ranges(count, number)
    assert [len(one) for one in ranges] == sizes
    assert [one for part in ranges for one in part] == list(range(count))


def test_shards_are_named_as_deeplab2_names_them():
    assert shards.shard_name("val", 42, 1000) == "val-00042-of-01000.tfrecord"
    with pytest.raises(ValueError, match="at least 1 shard, got 0"):
        shards.shard_ranges(3, 0)


@pytest.mark.parametrize("records", [[], [b""], [b"abc", b"", b"d" * 5000]])
def test_tensorflow_writes_the_same_bytes_and_reads_them(tmp_path, records):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    written = shards.write_shard(ours, records)
    with tf.io.TFRecordWriter(str(theirs)) as writer:
        for record in records:
            writer.write(record)
    assert ours.read_bytes() == theirs.read_bytes()
    dataset = tf.data.TFRecordDataset(str(ours))
    assert [one.numpy() for one in dataset] == records
    digest = hashlib.sha256(theirs.read_bytes()).hexdigest()
    assert written == (len(records), theirs.stat().st_size, digest)


def test_a_shard_that_is_not_finished_does_not_exist(tmp_path):
    def records():
        yield b"first"
        raise KeyboardInterrupt

    path = tmp_path / "train-00000-of-00001.tfrecord"
    with pytest.raises(KeyboardInterrupt):
        shards.write_shard(path, records())
    assert list(tmp_path.iterdir()) == []


def test_an_old_shard_stays_until_the_new_one_is_whole(tmp_path: pathlib.Path):
    path = tmp_path / "a"
    old = shards.write_shard(path, [b"old"])
    with pytest.raises(RuntimeError), shards.replacing(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert shards.is_intact(path, old)


def test_one_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "a"
    shard = shards.write_shard(path, [b"abc", b"def"])
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    assert not shards.is_intact(path, shard)
    path.unlink()
    assert not shards.is_intact(path, shard)
