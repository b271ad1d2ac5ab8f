"""What a file is by its first bytes; which containers are opened as videos, by those or by FFmpeg's own look.

FFmpeg knows some four hundred formats. Those that are not listed here are never tried: playlists, which would have it
open other files and addresses on behalf of a file that nobody vouches for; pictures, texts and fonts, which are no
videos; and devices.
"""

from __future__ import annotations

from typing import Any, Final

from folioscope.pipeline.kinds import Kind

HEAD_BYTES: Final = 1024
STILL_BRANDS: Final = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"hevc", b"jxl ", b"crx ")
READ_BRANDS: Final = STILL_BRANDS[:6]  # HEIF and AVIF; JPEG XL and raw camera files are not read
OPENED: Final = (
    # what cameras, phones, broadcasters and the web write
    "3gp,asf,asf_o,avi,dv,f4v,flv,gif,gxf,ipod,ismv,ivf,kux,live_flv,lxf,matroska,mov,mp4,mpeg,mpegts,mxf,mxg,nsv,nut,"
    "nuv,obu,ogg,pva,rm,swf,ty,webm,wtv,yuv4mpegpipe,"
    # streams without a container
    "av1,avs2,avs3,cavsvideo,dirac,dnxhd,evc,h261,h263,h264,hevc,m4v,mjpeg,mjpeg_2000,mpegvideo,mpjpeg,smjpeg,vc1,"
    "vc1test,vvc,"
    # players and games of the past
    "4xm,amv,anm,bethsoftvid,bfi,bink,cdxl,dhav,dxa,ea,video_cpk,flic,idcin,jv,mlv,mm,mtv,mv,psxstr,r3d,roq,rpl,siff,"
    "smk,smush,thp,tmv,vividas,vivo,vmd,wc3movie,xmv,yop"
)
SOUNDS: Final = "aac,ac3,aiff,amr,ape,au,caf,dts,eac3,flac,mp3,tta,voc,w64,wav,wv"  # of sound alone
FREE_CLOCKS: Final = frozenset({"mpegts", "mpeg", "wtv", "pva", "ty", "nsv"})  # their clock may start anywhere
LATE_S: Final = 60

_MAGIC: Final = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"GIF87a",
    b"GIF89a",
    b"\x00\x00\x01\xba",  # MPEG program stream, VOB
    b"\x00\x00\x01\xb3",  # MPEG-1 and MPEG-2 video alone
    b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel",  # ASF, WMV
    b"\xb7\xd8\x00 7I\xdaA\xa6N\x07\xe9^\xad\x8d",  # WTV
    b"\x06\x0e+4\x02\x05\x01\x01\x0d\x01\x02\x01\x01",  # MXF
    b".RMF",
    b"DKIF",
    b"YUV4MPEG2",
    b"nut/multimedia container\x00",
)


def options(*, sound: bool = False) -> dict[str, str]:
    """Options for opening an untrusted file: the listed containers alone, and no protocol but the file itself."""
    return {"format_whitelist": f"{OPENED},{SOUNDS}" if sound else OPENED, "protocol_whitelist": "file"}


def is_video(head: bytes) -> bool:
    """True for containers that are known by their first bytes; moving or not, with pictures or with sound alone."""
    if head[4:8] == b"ftyp":
        return head[8:12] not in STILL_BRANDS
    if head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX", b"AMV ")):
        return True
    if head.startswith(b"OggS"):
        return any(mark in head for mark in (b"\x80theora", b"BBCD\x00", b"\x01video", b"OVP80"))
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return True
    return any(_is_transport_stream(head, size) for size in (188, 192, 204))


def _is_transport_stream(head: bytes, size: int) -> bool:
    """Packets of one size, each of which starts with the same byte; in some, a time stamp stands before it."""
    start = size - 188 if size == 192 else 0
    return len(head) > start and all(byte == 0x47 for byte in head[start::size]) and len(head) >= 2 * size


def counts_from_first(container: Any) -> bool:
    """True where the first frame is the start of time, though FFmpeg counts the frames that the codec holds back."""
    return container.format.name in ("avi", "mpegvideo", "m4v", "h261", "h263", "vc1", "cavsvideo", "dirac")


def has_late_clock(container: Any) -> bool:
    """True where a container's clock does not start with the video: those that count a broadcaster's or a camera's.

    A clock that starts a minute or more in is one in any container, such as a piece of a live recording.
    """
    start = container.start_time or 0
    return container.format.name in FREE_CLOCKS or abs(start) >= LATE_S * 1_000_000


def kind_of_content(head: bytes) -> Kind | None:
    """pdf, image or video by the file's first bytes; a PDF's header may stand anywhere in the first KiB."""
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "image"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[14:15] in b"\x0c\x28\x34\x38\x40\x6c\x7c":
        return "image"
    if head[4:8] == b"ftyp" and head[8:12] in READ_BRANDS:
        return "image"
    if is_video(head):
        return "video"
    return "pdf" if b"%PDF-" in head[:HEAD_BYTES] else None
