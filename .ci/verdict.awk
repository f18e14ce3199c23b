# Reads go test -v and prints what go test prints without -v, and whatever skipped:
# if anything did, it fails. The variable short of the environment may have the argument that full.go
# prints: then a test that runs in full later may skip.
BEGIN { later = substr(ENVIRON["short"], 6) }
/^=== / || /^ *--- PASS/ || /^PASS$/ { next }
/^ *--- SKIP/ {
	name = $3
	sub(/\/.*/, "", name)
	if (later && name ~ later) next
	skipped = skipped "\n" $0
}
/^ok  / || /^\?   / { print; fflush(); held = ""; next }
/^FAIL/ { printf "%s", held; print; fflush(); held = ""; next }
{ held = held $0 "\n" }
END {
	printf "%s", held
	if (skipped) {
		print "FAIL: nothing may be skipped here:" skipped
		exit 1
	}
}
