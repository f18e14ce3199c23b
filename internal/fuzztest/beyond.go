package fuzztest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// Each seed is followed by inputs that are made from it, the first seed by more, so that a
// target of few seeds has its share.
const (
	perSeed   = 40
	firstSeed = 400
)

// Fuzz calls f.Fuzz with the target. When go test runs the seeds, each is followed by inputs that are
// made from it and from the seeds before it: some hundreds a target, and none with -short. They are
// the same in every run; another number in FUZZSEED of the environment makes others. An input that
// fails is printed and left in testdata/fuzz, as go test -fuzz does it, so go test runs it from
// then on. The target must not call t.Parallel. It may end a seed early with t.Skip, and then the
// seed is not followed.
func Fuzz(f *testing.F, target any) {
	f.Helper()
	if seedsAlone() {
		f.Fuzz(target)
		return
	}
	m := &mutator{random: rand.New(rand.NewPCG(seed(), 0))} //nolint:gosec // inputs of tests are no secrets
	call := reflect.ValueOf(target)
	f.Fuzz(reflect.MakeFunc(call.Type(), func(args []reflect.Value) []reflect.Value {
		t := args[0].Interface().(*testing.T)
		before := clone(args[1:]) // the target may write into its bytes
		call.Call(args)
		m.follow(t, call, before)
		return nil
	}).Interface())
}

func seedsAlone() bool { return fuzzing() || testing.Short() }

// follow tries inputs near a seed until one fails.
func (m *mutator) follow(t testing.TB, target reflect.Value, seed []reflect.Value) {
	t.Helper()
	n := perSeed
	if len(m.seeds) == 0 {
		n = firstSeed
	}
	m.seeds = append(m.seeds, seed)
	beyond.Store(true)
	defer beyond.Store(false)
	for range n {
		if t.Failed() {
			return
		}
		try(t, target, m.mutated(seed))
	}
}

// beyond is set while the input is not a seed. The targets of a process run one after the other.
var beyond atomic.Bool

// try calls the target with one input, and keeps the input if it fails.
func try(t testing.TB, target reflect.Value, input []reflect.Value) {
	t.Helper()
	text := marshal(input)
	returned := false
	defer func() {
		if t.Failed() || !returned && !t.Skipped() { // it may have panicked
			keep(t, text)
		}
	}()
	target.Call(append([]reflect.Value{reflect.ValueOf(t)}, input...))
	returned = true
}

// keep prints an input and leaves it where go test finds it.
func keep(t testing.TB, text string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	dir := filepath.Join("testdata", "fuzz", name)
	path := filepath.Join(dir, fmt.Sprintf("%016x", rand.Uint64())) //nolint:gosec // a name
	err := os.MkdirAll(dir, 0o777)                                  //nolint:gosec // as other files of the tree
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o666) //nolint:gosec // the same
	}
	t.Errorf("with the input that is now in %s (error: %v):\n%s", path, err, text)
}

// marshal writes an input as the files in testdata/fuzz have it.
func marshal(input []reflect.Value) string {
	var b strings.Builder
	b.WriteString("go test fuzz v1\n")
	for _, v := range input {
		switch x := v.Interface().(type) {
		case string:
			fmt.Fprintf(&b, "string(%+q)\n", x)
		case []byte:
			fmt.Fprintf(&b, "[]byte(%+q)\n", x)
		case byte:
			fmt.Fprintf(&b, "byte(%q)\n", x)
		default:
			fmt.Fprintf(&b, "%T(%v)\n", x, x)
		}
	}
	return b.String()
}

// seed returns what FUZZSEED has, or else 1.
func seed() uint64 {
	n, err := strconv.ParseUint(os.Getenv("FUZZSEED"), 10, 64)
	if err != nil {
		return 1
	}
	return n
}
