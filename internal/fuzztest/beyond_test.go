package fuzztest

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A failing is a testing.T that may fail.
type failing struct {
	testing.TB
	failed bool
	told   string
}

func (f *failing) Name() string                 { return "FuzzPlanted/seed#0" }
func (f *failing) Failed() bool                 { return f.failed }
func (f *failing) Skipped() bool                { return false }
func (f *failing) Errorf(text string, _ ...any) { f.failed, f.told = true, text }

// tried returns how many inputs a target had after its seeds, and the files that were kept.
func tried(t *testing.T, target func(t *failing, text string, n int64), seeds ...string) (inputs int, kept []string) {
	t.Helper()
	t.Chdir(t.TempDir())
	m := &mutator{random: rand.New(rand.NewPCG(1, 0))}
	f := &failing{TB: t}
	counted := reflect.ValueOf(func(f *failing, text string, n int64) {
		inputs++
		target(f, text, n)
	})
	for _, s := range seeds {
		func() {
			defer func() { _ = recover() }()
			m.follow(f, counted, []reflect.Value{reflect.ValueOf(s), reflect.ValueOf(int64(0))})
		}()
	}
	paths, err := filepath.Glob("testdata/fuzz/FuzzPlanted/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, string(b))
	}
	return inputs, kept
}

// The seeds have what the bugs need, in parts: a member twice, a number out of range, a sign.
func TestAnInputThatFailsIsFoundOnceAndKept(t *testing.T) {
	for name, bug := range map[string]func(text string, n int64) bool{
		"twice":     func(text string, _ int64) bool { return strings.Count(text, `"b":`) > 1 },
		"depth":     func(text string, _ int64) bool { return strings.Contains(text, "[[[[[[[[") },
		"zero":      func(text string, _ int64) bool { return strings.Contains(text, "\x00") },
		"not UTF-8": func(text string, _ int64) bool { return strings.ToValidUTF8(text, "") != text },
		"empty":     func(text string, _ int64) bool { return text == "" },
		"negative":  func(_ string, n int64) bool { return n < -1<<40 },
	} {
		for how, fail := range map[string]func(f *failing){
			"fails":  func(f *failing) { f.Errorf("the bug") },
			"panics": func(*failing) { panic("the bug") },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				var failed [][2]any
				inputs, kept := tried(t, func(f *failing, text string, n int64) {
					if bug(text, n) {
						failed = append(failed, [2]any{text, n})
						fail(f)
					}
				}, slices.Repeat([]string{`{"a":[1],"b":2}`, `{"c":[{}]}`}, 10)...)
				if len(failed) != 1 || len(kept) != 1 {
					t.Fatalf("of %d inputs, %q failed, %q were kept", inputs, failed, kept)
				}
				want := marshal([]reflect.Value{reflect.ValueOf(failed[0][0]), reflect.ValueOf(failed[0][1])})
				if kept[0] != want {
					t.Errorf("%q was kept, not %q", kept[0], want)
				}
			})
		}
	}
}

func TestTheFirstSeedIsFollowedByMore(t *testing.T) {
	inputs, kept := tried(t, func(*failing, string, int64) {}, "a", "b", "")
	if inputs != firstSeed+2*perSeed || kept != nil {
		t.Errorf("%d inputs, %q", inputs, kept)
	}
}

func TestMarshalWritesWhatGoTestReads(t *testing.T) {
	got := marshal([]reflect.Value{
		reflect.ValueOf("\x00\xff\"é\n"), reflect.ValueOf([]byte("[]uint8(\n")), reflect.ValueOf(byte('\'')), reflect.ValueOf(uint32(7)),
		reflect.ValueOf(int64(-7)), reflect.ValueOf(true), reflect.ValueOf(-1.5),
	})
	want := "go test fuzz v1\nstring(\"\\x00\\xff\\\"\\u00e9\\n\")\n[]byte(\"[]uint8(\\n\")\nbyte('\\'')\nuint32(7)\nint64(-7)\nbool(true)\nfloat64(-1.5)\n"
	if got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}

func FuzzTheTargetMayChangeItsBytes(f *testing.F) {
	f.Add([]byte("abc"))
	seen := map[string]bool{}
	f.Cleanup(func() {
		if len(seen) < 2 && !seedsAlone() {
			f.Errorf("all inputs are %v", seen)
		}
	})
	Fuzz(f, func(t *testing.T, b []byte) {
		seen[string(b)] = true
		clear(b)
	})
}
