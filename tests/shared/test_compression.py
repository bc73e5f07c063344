"""Compression is bounded in what comes out (P12)."""

import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shared.compression import CompressedTooLargeError, best, compress, decompress, named


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@given(body=st.binary(max_size=2_000))
def test_what_is_packed_comes_out_as_it_was(encoding, body):
    assert decompress(encoding, compress(encoding, body), 2_000) == body


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_p12_a_bomb_is_refused_and_never_unpacked_whole(encoding):
    bomb = compress(encoding, bytes(50_000_000))
    assert len(bomb) < 60_000
    with pytest.raises(CompressedTooLargeError):
        decompress(encoding, bomb, 1_000)
    assert len(decompress(encoding, bomb, 50_000_000)) == 50_000_000


def test_p12_many_small_members_are_bounded_as_one():
    member = compress("gzip", bytes(600))
    assert decompress("gzip", member * 2, 1_200) == bytes(1_200)
    with pytest.raises(CompressedTooLargeError):
        decompress("gzip", member * 1_000, 1_200)


def test_p12_a_huge_window_is_not_given_memory():
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=0)
    packer = zstandard.ZstdCompressor(compression_params=parameters)
    stream = packer.compressobj()
    with pytest.raises(ValueError, match="memory"):
        decompress("zstd", stream.compress(b"x" * 1_000) + stream.flush(), 2_000)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_is_no_such_encoding_is_named(encoding):
    with pytest.raises(ValueError):
        decompress(encoding, b"plain text", 1_000)
    with pytest.raises(ValueError):
        decompress("gzip", zlib.compress(b"x"), 1_000)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "gzip"),
        ("br, deflate", None),
        ("ZSTD ; q=0.001", "zstd"),
        ("gzip;q=x", None),
        ("identity", None),
    ],
)
def test_the_encoding_is_negotiated(header, chosen):
    assert best(header) == chosen


def test_an_encoding_is_named_or_refused():
    assert named(None) is None
    assert named(" Identity ") is None
    assert named("X-GZIP") == "gzip"
    for refused in ("br", "gzip, zstd", "deflate"):
        with pytest.raises(LookupError):
            named(refused)
