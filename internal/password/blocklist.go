package password

import (
	_ "embed"
	"strings"
)

// blocklist holds common passwords of MinFloor code points or more: printable
// ASCII without capitals, in byte order, each ended by a line feed.
//
//go:embed blocklist.txt
var blocklist string

// maxCommon is the length of the longest line of blocklist.
const maxCommon = 20

// common reports whether password is in blocklist, whatever its case. It searches the
// text itself: a map would cost memory and start-up time in every program that links
// this package.
func common(password string) bool {
	if len(password) > maxCommon {
		return false
	}
	var buf [maxCommon]byte
	for i := range len(password) {
		c := password[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	want := string(buf[:len(password)])

	lo, hi := 0, len(blocklist) // each at the start of a line, or the end
	for lo < hi {
		start := lo + strings.LastIndexByte(blocklist[lo:(lo+hi)/2], '\n') + 1
		end := start + strings.IndexByte(blocklist[start:], '\n')
		switch line := blocklist[start:end]; {
		case line == want:
			return true
		case line < want:
			lo = end + 1
		default:
			hi = start
		}
	}
	return false
}
