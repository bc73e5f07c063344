"""Content encodings of the sync: zstd and gzip, and never more bytes out than were bargained for."""

import zlib

import zstandard

ZSTD, GZIP = "zstd", "gzip"
ENCODINGS = (ZSTD, GZIP)  # in order of preference
ACCEPTED = ", ".join(ENCODINGS)
COMPRESSED_BYTES_MIN = 1_024  # below it nothing is won

_ZSTD_LEVEL, _GZIP_LEVEL = 3, 5
_WINDOW_BYTES_MAX = 8 * 1_024 * 1_024
_GZIP_WBITS = 31


class CompressedTooLargeError(ValueError):
    """Decompressed it would be larger than agreed: a mistake, or a bomb."""


def best(accept_encoding: str | None) -> str | None:
    """Of an Accept-Encoding header (RFC 9110 §12.5.3) the encoding to use; None for none."""
    weights: dict[str, float] = {}
    for offered in (accept_encoding or "").lower().split(","):
        name, *parameters = (part.strip() for part in offered.split(";"))
        weights[name] = _weight(parameters)
    else_weight = weights.get("*", 0.0)
    wanted = {name: weights.get(name, else_weight) for name in ENCODINGS}
    chosen = max(ENCODINGS, key=lambda name: wanted[name])
    return chosen if wanted[chosen] > 0 else None


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.replace(" ", "").startswith("q="):
            try:
                return min(max(float(parameter.replace(" ", "")[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def named(content_encoding: str | None) -> str | None:
    """A Content-Encoding header as one of ENCODINGS; None for a plain body; LookupError else."""
    name = (content_encoding or "").strip().lower().removeprefix("x-")
    if name in {"", "identity"}:
        return None
    if name not in ENCODINGS:
        raise LookupError(name)
    return name


def compress(encoding: str, body: bytes) -> bytes:
    if encoding == ZSTD:
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)
    return packer.compress(body) + packer.flush()


def decompress(encoding: str, body: bytes, bytes_max: int) -> bytes:
    """ValueError for what is not that encoding. A body cut short gives what it holds."""
    plain = _unzstd(body, bytes_max) if encoding == ZSTD else _gunzip(body, bytes_max)
    if len(plain) > bytes_max:
        raise CompressedTooLargeError(f"more than {bytes_max} bytes when decompressed")
    return plain


def _unzstd(body: bytes, bytes_max: int) -> bytes:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX)
    try:
        with unpacker.stream_reader(body, read_across_frames=True) as reader:
            return reader.read(bytes_max + 1)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _gunzip(body: bytes, bytes_max: int) -> bytes:
    plain = b""
    while body:
        unpacker = zlib.decompressobj(wbits=_GZIP_WBITS)
        try:
            plain += unpacker.decompress(body, bytes_max + 1 - len(plain))
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not unpacker.eof or len(plain) > bytes_max:
            break
        body = unpacker.unused_data  # a further member
    return plain
