package ident

import (
	"bytes"
	"math/big"
	"strings"
	"testing"
	"time"
)

// AK-1. Chance exceeds the bound once in 10^9 runs; c % 62 of a random byte exceeds
// it by thousands.
func TestRandomBase62FavoursNoDigit(t *testing.T) {
	counts := make([]int, 62)
	for range 10_000 {
		for _, c := range Digits(30) {
			counts[strings.IndexRune(Alphabet, c)]++
		}
	}
	want, x := 30*10_000/62.0, 0.0
	for _, n := range counts {
		x += (float64(n) - want) * (float64(n) - want) / want
	}
	if x > 153 {
		t.Errorf("chi-square of 62 digits is %.0f: %v", x, counts)
	}
}

// JW-10.
func TestIdentifiersDoNotRepeat(t *testing.T) {
	now := time.Now()
	for name, make := range map[string]func() string{
		"timed":  func() string { return Timed(now) },
		"random": Random,
		"key":    func() string { return Digits(30) },
	} {
		seen := map[string]bool{}
		for range 20_000 {
			id := make()
			if seen[id] {
				t.Fatalf("%s: %s twice", name, id)
			}
			seen[id] = true
		}
	}
}

func TestTimedIdentifiersSortByTheSecondTheyWereMadeIn(t *testing.T) {
	last := ""
	for _, at := range []int64{0, 1, 61, 62, 1_900_000_000, 1_900_000_001, 1_900_000_002, 4_294_967_295, 4_294_967_296, 1 << 39} {
		id := Timed(time.Unix(at, 999_999_999))
		if !IsBase62(id, TimedLen) || id <= last {
			t.Errorf("at %d: %q after %q", at, id, last)
		}
		last = id
	}
}

func TestEncodeBase62LosesNothing(t *testing.T) {
	for _, b := range [][]byte{make([]byte, 21), bytes.Repeat([]byte{0xff}, 21), []byte("twenty-one bytes here")} {
		text := encode(b, TimedLen)
		v := new(big.Int)
		for _, c := range text {
			v.Add(v.Mul(v, big.NewInt(62)), big.NewInt(int64(strings.IndexRune(Alphabet, c))))
		}
		if got := v.FillBytes(make([]byte, 21)); len(text) != TimedLen || !bytes.Equal(got, b) {
			t.Errorf("%x became %s, which is %x", b, text, got)
		}
	}
	if text := encode(bytes.Repeat([]byte{0xff}, 16), RandomLen); len(text) != RandomLen || text[0] == '0' {
		t.Errorf("the largest random identifier is %s", text)
	}
}

func TestAnIdentifierIsItsPrefixAndItsDigitsAndNothingElse(t *testing.T) {
	digits := strings.Repeat("9", RandomLen-2) + "aZ"
	if got, ok := Bare("ses_"+digits, "ses_", RandomLen); !ok || got != digits || !Is([]byte("ses_"+digits), "ses_", RandomLen) {
		t.Errorf("%q, %v", got, ok)
	}
	for _, id := range []string{
		"", "ses_", digits, "ses_" + digits[1:], "ses_" + digits + "0", "SES_" + digits, "org_" + digits, " ses_" + digits,
		"ses_" + digits[1:] + "/", "ses_" + digits[1:] + "-", "ses_" + digits[1:] + "\x00", "ses_" + digits[1:] + "\xe9", "ses_" + digits[2:] + "é",
	} {
		if got, ok := Bare(id, "ses_", RandomLen); ok || got != "" || Is([]byte(id), "ses_", RandomLen) {
			t.Errorf("%q is accepted as %q", id, got)
		}
	}
}
