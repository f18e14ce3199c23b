package password_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/internal/password"
)

const (
	salt22 = "c29tZXNhbHRzb21lc2FsdA"
	tag43  = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHApj8ArZWb2GRPPc"
	sound  = "$argon2id$v=19$m=64,t=1,p=1$" + salt22 + "$" + tag43
)

// malformed are variations of sound, each wrong in one way.
var malformed = map[string]string{
	"empty":              "",
	"one sign":           "$",
	"only signs":         "$$$$$",
	"another algorithm":  strings.Replace(sound, "argon2id", "argon2i", 1),
	"capital algorithm":  strings.Replace(sound, "argon2id", "ARGON2ID", 1),
	"bcrypt":             "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
	"version 16":         strings.Replace(sound, "v=19", "v=16", 1),
	"no version":         strings.Replace(sound, "v=19$", "", 1),
	"version with zero":  strings.Replace(sound, "v=19", "v=019", 1),
	"m=0":                strings.Replace(sound, "m=64", "m=0", 1),
	"m below 8p":         strings.Replace(sound, "m=64", "m=7", 1),
	"m above the bound":  strings.Replace(sound, "m=64", "m=262145", 1),
	"m of 32 bits":       strings.Replace(sound, "m=64", "m=4294967295", 1),
	"m of 33 bits":       strings.Replace(sound, "m=64", "m=4294967360", 1),
	"m of 70 bits":       strings.Replace(sound, "m=64", "m=1180591620717411303424", 1),
	"m negative":         strings.Replace(sound, "m=64", "m=-64", 1),
	"m with plus":        strings.Replace(sound, "m=64", "m=+64", 1),
	"m with zero":        strings.Replace(sound, "m=64", "m=064", 1),
	"m with underscore":  strings.Replace(sound, "m=64", "m=6_4", 1),
	"m in hexadecimal":   strings.Replace(sound, "m=64", "m=0x40", 1),
	"m without a number": strings.Replace(sound, "m=64", "m=", 1),
	"m with a space":     strings.Replace(sound, "m=64", "m= 64", 1),
	"m without a name":   strings.Replace(sound, "m=64", "64", 1),
	"m named twice":      strings.Replace(sound, "m=64", "m=m=64", 1),
	"t=0":                strings.Replace(sound, "t=1", "t=0", 1),
	"t=11":               strings.Replace(sound, "t=1", "t=11", 1),
	"t of 33 bits":       strings.Replace(sound, "t=1", "t=4294967297", 1),
	"p=0":                strings.Replace(sound, "p=1", "p=0", 1),
	"p=17":               strings.Replace(sound, "m=64,t=1,p=1", "m=256,t=1,p=17", 1),
	"p of 9 bits":        strings.Replace(sound, "p=1", "p=257", 1),
	"other order":        strings.Replace(sound, "m=64,t=1", "t=1,m=64", 1),
	"a cost too many":    strings.Replace(sound, "p=1", "p=1,keyid=AA", 1),
	"a cost too few":     strings.Replace(sound, ",p=1", "", 1),
	"no salt":            strings.Replace(sound, salt22, "", 1),
	"salt of 7 bytes":    strings.Replace(sound, salt22, "c29tZXNhbA", 1),
	"salt of 65 bytes":   strings.Replace(sound, salt22, strings.Repeat("A", 87), 1),
	"salt with stray":    strings.Replace(sound, salt22, "c29tZXNhbHRzb21lc2FsdB", 1),
	"padded salt":        strings.Replace(sound, salt22, salt22+"==", 1),
	"URL alphabet":       strings.Replace(sound, salt22, "__9tZXNhbHRzb21lc2FsdA", 1),
	"line break in salt": strings.Replace(sound, salt22, salt22[:8]+"\n"+salt22[8:], 1),
	"no tag":             strings.Replace(sound, tag43, "", 1),
	"no tag at all":      strings.Replace(sound, "$"+tag43, "", 1),
	"tag of 15 bytes":    strings.Replace(sound, tag43, tag43[:20], 1),
	"tag of 65 bytes":    strings.Replace(sound, tag43, strings.Repeat("A", 87), 1),
	"padded tag":         sound + "=",
	"tag with stray":     sound[:len(sound)-1] + "d",
	"trailing line":      sound + "\n",
	"trailing return":    sound + "\r",
	"trailing space":     sound + " ",
	"trailing NUL":       sound + "\x00",
	"trailing field":     sound + "$",
	"trailing megabyte":  sound + strings.Repeat("A", 1<<20),
	"leading space":      " " + sound,
	"leading text":       "x" + sound,
	"a million signs":    strings.Repeat("$", 1<<20),
}

// PW-9, F-X2, Advisory 30.
func TestMalformedHashesNeverMatch(t *testing.T) {
	if _, _, _, _, err := password.Decode(sound); err != nil {
		t.Fatalf("the sound string is refused: %v", err)
	}
	for name, encoded := range malformed {
		if encoded == sound {
			t.Errorf("%s: the same as the sound string", name)
		}
		ok, stale, err := password.Verify(cheap, encoded, "password")
		if ok || stale || !errors.Is(err, password.ErrMalformed) {
			t.Errorf("%s: Verify = %v, %v, %v; want false, false, ErrMalformed", name, ok, stale, err)
		}
	}
}

func TestEdgesOfTheBoundsDecode(t *testing.T) {
	fill := func(n int) []byte { return bytes.Repeat([]byte{0xa5}, n) }
	for _, encoded := range []string{
		phc(8, 1, 1, fill(8), fill(16)),
		phc(128, 1, 16, fill(8), fill(16)),
		phc(262144, 10, 16, fill(64), fill(64)),
	} {
		if _, _, _, again, err := password.Decode(encoded); err != nil || again != encoded {
			t.Errorf("%s: decoded to %s, %v", encoded, again, err)
		}
	}
}

// PW-9, F-X2, Advisory 30. The work itself is done for cheap hashes only: the bounds are what keeps
// the rest finite.
func FuzzDecode(f *testing.F) {
	f.Add(sound)
	f.Add(phc(262144, 10, 16, make([]byte, 64), make([]byte, 64)))
	f.Add(phc(8, 1, 1, make([]byte, 8), make([]byte, 16)))
	for _, encoded := range malformed {
		if len(encoded) < 1024 {
			f.Add(encoded)
		}
	}
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, encoded string) {
		p, salt, tag, again, err := password.Decode(encoded)
		if saw(err == nil); err != nil {
			if !errors.Is(err, password.ErrMalformed) {
				t.Fatalf("error is %v", err)
			}
			if ok, _, err := password.Verify(cheap, encoded, "password"); ok || err == nil {
				t.Fatalf("Verify = %v, %v where Decode fails", ok, err)
			}
			return
		}
		if p.Memory < 8*uint32(p.Threads) || p.Memory > 262144 || p.Time < 1 || p.Time > 10 ||
			p.Threads < 1 || p.Threads > 16 || salt < 8 || salt > 64 || tag < 16 || tag > 64 {
			t.Fatalf("out of bounds: %+v, salt %d, tag %d", p, salt, tag)
		}
		if again != encoded {
			t.Fatalf("two strings for one hash: %q, %q", encoded, again)
		}
		if p.Memory*p.Time > 1024 {
			return
		}
		if ok, _, err := password.Verify(cheap, encoded, "password"); ok || err != nil {
			t.Fatalf("Verify = %v, %v", ok, err)
		}
	})
}
