package printable

import (
	"strconv"
	"strings"
)

// Escape returns s for a terminal. Text that [Line] takes stays as it is. In any other text each
// character that is not printable, and each byte of invalid text, is written as Go writes it in a
// literal, such as \x1b and \u202e. So it moves no cursor, and reverses nothing beside it.
func Escape(s string) string {
	if Line(s, len(s)) {
		return s
	}
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
