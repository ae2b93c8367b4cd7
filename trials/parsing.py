"""Fuzz targets of the container: bytes that a parser refuses, or reads to the letter.

What is accepted must be what an encoder writes: the original's bytes where checksums
were left as they were, else bytes that packing gives again. No TensorFlow here.
"""

import functools

from hific import bitstream, tile_table
from hific.errors import CodecError
from hific.magic import MAGIC
from trials import damage, material
from trials.cases import Target, check, generator


def mutated(seed: int, case: int) -> str:
    """A file with damage of any kind; checksums are not made again."""
    rng = generator("parser", seed, case)
    files = material.containers()
    data = damage.mutate(rng.choice(files), rng.choice(files), rng)
    return _as_an_original(data)


def flipped(seed: int, case: int) -> str:
    """Every bit of every file, one after the other."""
    data, bit = _place(case, 8)
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return _as_an_original(bytes(damaged))


def cut(seed: int, case: int) -> str:
    """Every file, cut after every byte."""
    data, length = _place(case, 1)
    return _as_an_original(data[:length])


def lying(seed: int, case: int) -> str:
    """Any header, of damaged payload or none, with right checksums."""
    rng = generator("headers", seed, case)
    length = rng.randrange(300)
    payload = rng.randbytes(length)
    numbers: list[int | bytes] = [damage.side(rng), damage.side(rng), length]
    flags, version, quality = 0, 1, 0
    match rng.randrange(8):
        case 0:
            flags = rng.randrange(256)
        case 1:
            quality = rng.randrange(256)
        case 2:
            version = rng.randrange(256)
        case 3:
            numbers[rng.randrange(3)] = rng.randbytes(rng.randrange(1, 7))
        case 4:
            numbers[2] = int(2 ** rng.uniform(0, 40))
        case _:
            flags = rng.randrange(2)
    width, height, length_field = numbers
    model_id = rng.randbytes(4)
    head = damage.head(width, height, length_field, version, flags, model_id, quality)
    return canonical(damage.sealed(head, payload, rng.randrange(2**32)))


def lying_tables(seed: int, case: int) -> str:
    """A tiled file whose table or tiles were damaged, with right checksums."""
    rng = generator("tile_tables", seed, case)
    tiled = [d for d in material.containers() if d[5] == bitstream.TILED]
    packet = bitstream.unpack(rng.choice(tiled))
    other = bitstream.unpack(rng.choice(tiled))
    payload, crc = packet.payload, packet.latents_crc
    if rng.random() < 0.5:
        payload = damage.mutate(payload, other.payload, rng)
    else:
        streams = bitstream.streams_of(packet)
        i, j = rng.randrange(len(streams)), rng.randrange(len(streams))
        match rng.randrange(4):
            case 0:
                streams[i], streams[j] = streams[j], streams[i]
            case 1:
                del streams[i]
            case 2:
                streams.insert(i, streams[j])
            case 3:
                data = rng.randbytes(rng.randrange(5000))
                streams[i] = tile_table.Stream(data, streams[j].latents_crc)
        payload = tile_table.join(streams)
        if rng.random() < 0.5:
            crc = tile_table.latents_crc(streams)
    head = damage.head(packet.width, packet.height, len(payload), flags=bitstream.TILED)
    return canonical(damage.sealed(head, payload, crc))


def canonical(data: bytes) -> str:
    """Refuses bytes, or reads them to what packs to the same bytes."""
    try:
        packet = bitstream.unpack(data)
        bitstream.inspect(data)
        streams = bitstream.streams_of(packet)
    except CodecError as error:
        return type(error).__name__
    check(bitstream.pack(packet) == data, f"not canonical: {data[:99].hex()}")
    if packet.flags == bitstream.TILED:
        again = tile_table.join(streams)
        check(again == packet.payload, f"table not canonical: {data[:99].hex()}")
    return "accepted"


def canonical_once_sealed(data: bytes) -> str:
    """`canonical`, of a file that is made of any bytes.

    The first says how many of the next follow the magic number in the header, the last
    four are the fingerprint of the latents. The checksums of bytes are made right, so
    that chance need not find them; `unsealed` is the way back.
    """
    size = 1 + data[0] % 24 if data else 0
    crc = int.from_bytes(data[max(size, len(data) - 4) :], "little")
    return canonical(damage.sealed(MAGIC + data[1:size], data[size:-4], crc))


def unsealed(file: bytes) -> bytes:
    """What `canonical_once_sealed` makes a file from."""
    end = int(bitstream.inspect(file)["bytes_header"]) - 2
    header = file[len(MAGIC) : end]
    return bytes([len(header)]) + header + file[end + 2 : -4]


def _as_an_original(data: bytes) -> str:
    try:
        bitstream.unpack(data)
    except CodecError as error:
        return type(error).__name__
    check(data in material.containers(), f"damaged and accepted: {data[:99].hex()}")
    return "undamaged"


@functools.cache
def _places(per_byte: int) -> tuple[int, ...]:
    return tuple(per_byte * len(data) for data in material.containers())


def _place(case: int, per_byte: int) -> tuple[bytes, int]:
    """The file of a case that counts through all of them, and how far into it."""
    for data, size in zip(material.containers(), _places(per_byte), strict=True):
        if case < size:
            return data, case
        case -= size
    raise IndexError(f"There are {sum(_places(per_byte))} cases.")


TARGETS = {
    "parser": Target(mutated, material.containers, block=256),
    "parser_flips": Target(
        flipped, material.containers, cases=lambda: sum(_places(8)), block=256
    ),
    "parser_cuts": Target(
        cut, material.containers, cases=lambda: sum(_places(1)), block=256
    ),
    "headers": Target(lying, block=256),
    "tile_tables": Target(lying_tables, material.containers, block=64),
}
