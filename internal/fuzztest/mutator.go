package fuzztest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
)

// A mutator makes inputs from seeds.
type mutator struct {
	random *rand.Rand
	seeds  [][]reflect.Value
}

// mutated returns an input that has a few changes to one of its arguments or more.
func (m *mutator) mutated(seed []reflect.Value) []reflect.Value {
	input := clone(seed)
	for again := true; again; again = m.random.IntN(3) > 0 {
		i := m.random.IntN(len(input))
		v := reflect.New(input[i].Type()).Elem()
		switch v.Kind() {
		case reflect.String:
			v.SetString(string(m.changed([]byte(input[i].String()), i)))
		case reflect.Slice:
			v.SetBytes(m.changed(input[i].Bytes(), i))
		case reflect.Bool:
			v.SetBool(!input[i].Bool())
		case reflect.Float32, reflect.Float64:
			v.SetFloat(m.float(input[i].Float()))
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			v.SetInt(int64(m.integer(uint64(input[i].Int()))))
		default:
			v.SetUint(m.integer(input[i].Uint()))
		}
		input[i] = v
	}
	return input
}

// maxLen is what a change makes no longer.
const maxLen = 1 << 20

// changed returns text with one change. It may change the bytes of text itself.
func (m *mutator) changed(text []byte, argument int) []byte {
	at := m.random.IntN(len(text) + 1)
	end := min(len(text), at+m.length())
	switch m.random.IntN(8) {
	case 0: // drop, and all that follows at times
		if m.random.IntN(3) == 0 {
			end = len(text)
		}
		return slices.Delete(text, at, end)
	case 1: // repeat, up to many times: what is nested or counted has no bound otherwise
		if n := 1 << m.random.IntN(8); len(text)+n*(end-at) <= maxLen {
			return slices.Insert(text, at, slices.Repeat(text[at:end], n)...)
		}
	case 2: // insert what parsers stumble over
		return slices.Insert(text, at, []byte(awkward[m.random.IntN(len(awkward))])...)
	case 3: // replace by the same
		return slices.Replace(text, at, end, []byte(awkward[m.random.IntN(len(awkward))])...)
	case 4: // insert a part of a seed
		return slices.Insert(text, at, m.part(argument)...)
	case 5: // replace by a part of a seed
		return slices.Replace(text, at, end, m.part(argument)...)
	case 6: // another byte
		if at < len(text) {
			text[at] = byte(m.random.Uint32())
		}
	case 7: // another bit: an upper case letter, the next digit
		if at < len(text) {
			text[at] ^= 1 << m.random.IntN(8)
		}
	}
	return text
}

// part returns some bytes of a text of the seeds, of the same argument in most cases.
func (m *mutator) part(argument int) []byte {
	if len(m.seeds) == 0 {
		return nil
	}
	seed := m.seeds[m.random.IntN(len(m.seeds))]
	if m.random.IntN(4) == 0 {
		argument = m.random.IntN(len(seed))
	}
	var text []byte
	switch v := seed[argument]; v.Kind() {
	case reflect.String:
		text = []byte(v.String())
	case reflect.Slice:
		text = v.Bytes()
	}
	at := m.random.IntN(len(text) + 1)
	return text[at:min(len(text), at+m.length())]
}

// length returns a length that is short as a rule: half of them are 4 or less.
func (m *mutator) length() int { return 1 + m.random.IntN(1<<m.random.IntN(6)) }

func (m *mutator) integer(n uint64) uint64 {
	switch m.random.IntN(4) {
	case 0: // near what it was
		return n + uint64(m.random.IntN(21)) - 10
	case 1: // near a power of two, or its negative
		edge := uint64(1)<<m.random.IntN(64) + uint64(m.random.IntN(3)) - 1
		return edge * (uint64(m.random.IntN(2))*2 - 1)
	case 2: // of another order
		return n >> m.random.IntN(64)
	default:
		return m.random.Uint64() >> m.random.IntN(64)
	}
}

func (m *mutator) float(x float64) float64 {
	return []float64{-x, x * 10, x / 10, 0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, math.SmallestNonzeroFloat64}[m.random.IntN(10)]
}

// clone returns a copy that shares no bytes.
func clone(input []reflect.Value) []reflect.Value {
	copied := slices.Clone(input)
	for i, v := range copied {
		if v.Kind() == reflect.Slice {
			copied[i] = reflect.ValueOf(slices.Clone(v.Bytes()))
		}
	}
	return copied
}

// awkward is what parsers take for something else: ends, signs, spaces, escapes, other digits and
// letters, and bytes that are no UTF-8.
var awkward = []string{
	"\x00", "\n", "\r\n", "\t", " ", "\u00a0", "\u2028", "\ufeff", "\u202e", "\u200d", "\u0301", "\x80", "\xff", "\xc0\x80", "\xed\xa0\x80", "\U0010ffff",
	"-", "+", "_", ".", ",", ":", ";", "=", "/", "\\", "@", "%", "$", "#", "*", "?", "&", "<", ">", "~", "'", `"`, "(", ")", "[", "]", "{", "}", "..", "//", "::", "%00", "%2f", `\u0000`, `\ud800`,
	"0", "1", "9", "00", "-1", "0x1", "1e9", "255", "256", "65536", "2147483648", "4294967296", "9223372036854775808", "18446744073709551616", "٣", "０", "½",
	"a", "A", "é", "ß", "ſ", "K", "İ", "ａ", "null", "true", "xn--",
}
