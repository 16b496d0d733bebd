"""Thumbnails of all pictures of a folder; a picture that is broken is told and does not stop the others. Needs Pillow.

python examples/thumbnails.py [FOLDER]        without FOLDER it makes itself some pictures, one of them broken
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

import alongside

SIZE = (160, 160)


def thumbnail(path: Path) -> Path:
    target = path.parent / "thumbnails" / f"{path.stem}.jpg"
    with Image.open(path) as picture:
        picture.thumbnail(SIZE)
        picture.convert("RGB").save(target, quality=85)
    return target


def make_pictures(folder: Path, count: int = 12) -> None:
    for number in range(count):
        tint = tuple(number * factor % 256 for factor in (23, 71, 131))
        picture = Image.radial_gradient("L").resize((1600, 1200))
        Image.merge("RGB", [picture.point(lambda grey, add=add: grey + add) for add in tint]).save(
            folder / f"picture-{number:02}.jpg"
        )
    (folder / "picture-99.jpg").write_bytes(b"this was a picture once")


with tempfile.TemporaryDirectory() as made:
    folder = Path(sys.argv[1] if sys.argv[1:] else made)
    if folder == Path(made):
        make_pictures(folder)
    (folder / "thumbnails").mkdir(exist_ok=True)
    run = alongside.run(thumbnail, sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png")))
    for failure in run.failures:
        print(f"not a picture: {failure.item.name} ({type(failure.exception).__name__})")
    written = sum(outcome.value.stat().st_size for outcome in run.outcomes if outcome.ok)
    print(
        f"{run.stats.succeeded} thumbnails, {written / 1000:.0f} kB, in {run.stats.seconds:.2f} s, {run.plan.backend}"
    )
    print("why:", run.plan.reasons[0])
