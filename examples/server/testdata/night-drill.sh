#!/bin/sh
# The night drill. A user has typed so many wrong codes that no code is accepted any more, and has
# lost the phone. The service runs, and its bbolt file is in use. Make sure that it is the user who
# asks, then run this:
#
#	AUTH_ADMIN=unix:/run/auth/admin.sock sh night-drill.sh ada@example.com
set -eu
authctl users unlock "$1"
authctl users reset-2fa -yes "$1"
authctl users revoke -yes "$1"
