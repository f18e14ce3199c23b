"""Gives tokens to a recipe."""
import sys

from recipe import verify

for token in sys.stdin:
    try:
        print("ok", verify(token.strip())["sub"], flush=True)
    except Exception as e:
        print("no", " ".join(f"{type(e).__name__}: {e}".split()), flush=True)
