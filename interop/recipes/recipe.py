"""Runs a recipe of docs/clients.md: see main.go."""
import json
import sys

recipe = {}
with open(sys.argv[1]) as file:
    exec(compile(file.read(), sys.argv[1], "exec"), recipe)

accepted = []
for token in json.load(sys.stdin):
    try:
        accepted.append(recipe["verify"](token)["sub"].startswith("user_"))
    except Exception as error:
        print(repr(error), file=sys.stderr)
        accepted.append(False)
print(json.dumps(accepted))
