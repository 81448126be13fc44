"""Pictures that clients send: where they come from, and that they are what they should be before anything uses them."""

from inference.images.checking import FORMATS, ImageInfo, check_image
from inference.images.loading import load_pictures

__all__ = ["FORMATS", "ImageInfo", "check_image", "load_pictures"]
