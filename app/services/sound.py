"""Sounds without what their makers wrote into them: WAV, MP3, Ogg and FLAC are all written anew as FLAC.

Every side of a battle so has the same format, whatever its model gave, and nothing but the samples is in the file. The
decoder (libsndfile, by way of soundfile) runs in a process of its own, and a file that breaks it breaks nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from app.errors import InvalidInputError

LONGEST_S = 30 * 60
_PATIENCE_S = 120
_BLOCK = 65_536  # samples that are in memory at a time
_WORDS = {
    3: "is no sound that can be read (WAV, MP3, Ogg or FLAC)",
    4: f"is longer than {LONGEST_S // 60} minutes",
    5: "has more than two channels, or none",
}


def clean_sound(data: bytes) -> tuple[bytes, str, str, int]:
    """The same sound without its metadata, its type, the ending of its name and how many milliseconds it plays.

    Raises InvalidInputError if it is broken.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "given"), Path(folder, "written")
        given.write_bytes(data)
        command = [sys.executable, "-m", "app.services.sound", str(given), str(written)]
        # The checkout or the installed copy that runs here is also the one that runs there.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        try:
            done = subprocess.run(  # noqa: S603 - our own program with our own file names
                command, capture_output=True, timeout=_PATIENCE_S, check=False, env=environment
            )
        except subprocess.TimeoutExpired:
            raise InvalidInputError("takes too long to read") from None
        if done.returncode:
            raise InvalidInputError(_WORDS.get(done.returncode, "is a damaged sound"))
        return written.read_bytes(), "audio/flac", ".flac", int(done.stdout)


def main(given: str, written: str) -> int:
    """Write a sound anew and print how many milliseconds it plays; the number says what is wrong with it."""
    import numpy as np  # noqa: PLC0415 - only the process that decodes needs them
    import soundfile  # noqa: PLC0415

    try:
        with soundfile.SoundFile(given) as source:
            if source.format not in {"WAV", "WAVEX", "MP3", "OGG", "FLAC"}:
                return 3
            if not 1 <= source.channels <= 2:
                return 5
            most = LONGEST_S * source.samplerate
            n = 0
            with soundfile.SoundFile(
                written, "w", samplerate=source.samplerate, channels=source.channels, format="FLAC", subtype="PCM_16"
            ) as target:
                for block in source.blocks(_BLOCK, dtype="float32"):
                    n += len(block)
                    if n > most:
                        return 4
                    target.write(np.round(np.clip(block, -1.0, 32767 / 32768) * 32768).astype("int16"))
            sys.stdout.write(str(round(1000 * n / source.samplerate)))
    except (soundfile.LibsndfileError, ValueError, RuntimeError):
        return 3
    return 0 if n else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
