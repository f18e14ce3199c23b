# Reads go test -v and prints what go test prints without -v, and whatever skipped:
# if anything did, it fails.
/^=== / || /^ *--- PASS/ || /^PASS$/ { next }
/^ *--- SKIP/ { skipped = skipped "\n" $0 }
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
