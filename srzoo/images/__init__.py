"""Reads and writes picture files as arrays, keeping what the format can represent.

Reading applies the EXIF orientation and keeps the ICC profile, EXIF, XMP, IPTC, texts and DPI, and
16 bits per channel if the file has them. Everything that cannot be kept is listed in
``Picture.lost``.

A format is one class in ``formats/``. Pillow reads most of them. If pyvips is installed (the extra
``photo``), it reads 16 bits in colour, and large pictures in little memory.
"""

from .format import MAX_PIXELS as MAX_PIXELS
from .format import Format as Format
from .format import Header as Header
from .format import ReadRequest as ReadRequest
from .formats import FORMATS as FORMATS
from .formats import KNOWN_FORMATS as KNOWN_FORMATS
from .formats import READABLE as READABLE
from .formats import format_of as format_of
from .formats import key_of as key_of
from .formats import result_of as result_of
from .formats import unit_of as unit_of
from .metadata import with_provenance as with_provenance
from .picture import Picture as Picture
from .picture import reduce_to_8_bits as reduce_to_8_bits
from .picture import rgb as rgb
from .picture import strip_metadata as strip_metadata
from .pillow import from_pil as from_pil
from .pillow import to_pil as to_pil
from .reading import read as read
from .reading import read_format as read_format
from .reading import read_header as read_header
from .reading import read_size as read_size
from .tiff.tiffwriter import PutRows as PutRows
from .tiff.tiffwriter import streaming as streaming
from .writing import check_writable as check_writable
from .writing import write as write
