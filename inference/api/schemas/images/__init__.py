"""The bodies of `POST /v1/images/generations` and `POST /v1/images/edits`, the latter as JSON or as a form.

Every field of OpenAI's requests works, is accepted because it changes nothing in the answer, or is refused by name;
fields that nobody knows are accepted. null means absent. `seed`, `steps`, `guidance_scale` and `negative_prompt` are
those of other servers of image models.
"""

from inference.api.schemas.images.edits import decode_edit, decode_edit_form
from inference.api.schemas.images.fields import ImageRequest
from inference.api.schemas.images.generations import decode_generation
from inference.api.schemas.images.meaning import drawing_of

__all__ = ["ImageRequest", "decode_edit", "decode_edit_form", "decode_generation", "drawing_of"]
