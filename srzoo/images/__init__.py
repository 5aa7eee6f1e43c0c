"""A picture file to arrays and back, keeping what the format can hold.

Reading applies the EXIF orientation and keeps the ICC profile, EXIF, XMP, IPTC, texts and
DPI, and 16 bits a channel where the file has them. What cannot be kept is said in
``Picture.lost``, never dropped in silence.

Pillow does it for 8 bits and for 16 in gray. For 16 bits in colour, and for large pictures
in little memory, pyvips does it, where it is installed (the extra ``photo``).
"""

from .metadata import stamped as stamped
from .picture import FORMATS as FORMATS
from .picture import MAX_PIXELS as MAX_PIXELS
from .picture import READABLE as READABLE
from .picture import Format as Format
from .picture import Picture as Picture
from .picture import check_writable as check_writable
from .picture import format_of as format_of
from .picture import rgb as rgb
from .picture import shallow as shallow
from .picture import stripped as stripped
from .reading import from_pil as from_pil
from .reading import read as read
from .reading import read_size as read_size
from .tiff import Put as Put
from .tiff import streaming as streaming
from .writing import to_pil as to_pil
from .writing import write as write
