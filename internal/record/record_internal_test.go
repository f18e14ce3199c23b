package record

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/datixlab/auth/internal/fuzztest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// everything has a field of every kind.
type everything struct {
	Text  string
	Bytes []byte
	Texts []string
	N     uint64
	Yes   bool
	At    time.Time
	Pairs []pair
	newer []byte
}

type pair struct {
	Name string
	N    uint64
}

func (e *everything) Fields(c *Codec) {
	c.String(&e.Text)
	c.Bytes(&e.Bytes)
	c.Strings(&e.Texts)
	c.Uint(&e.N)
	c.Bool(&e.Yes)
	c.Time(&e.At)
	List(c, &e.Pairs, func(p *pair) {
		c.String(&p.Name)
		c.Uint(&p.N)
	})
	c.Rest(&e.newer)
}

func full() *everything {
	return &everything{
		Text: "Ädä", Bytes: []byte{0, 1}, Texts: []string{"a", "", "c", "d", "e", "f"}, N: 1<<64 - 1, Yes: true,
		At: time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC), Pairs: []pair{{"x", 1}, {"", 0}}, newer: []byte("newer"),
	}
}

func TestEveryKindOfFieldComesBackAsItWasWritten(t *testing.T) {
	for _, want := range []*everything{full(), {}} {
		got := new(everything)
		if err := decode("k", encode("k", want), got, new(Arena)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
	}
}

func TestARecordIsDamagedUnderAnotherKeyOrWithAnyBitChangedOrCut(t *testing.T) {
	b := encode("k", full())
	if err := decode("kx", b, new(everything), new(Arena)); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another key: %v", err)
	}
	for i := range len(b) * 8 {
		d := bytes.Clone(b)
		d[i/8] ^= 1 << (i % 8)
		if err := decode("k", d, new(everything), new(Arena)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("with bit %d changed: %v", i, err)
		}
	}
	for n := range len(b) {
		if err := decode("k", b[:n], new(everything), new(Arena)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

type rawBody struct{ b []byte }

func (r *rawBody) Fields(c *Codec) { c.Rest(&r.b) }

// Whatever is in a record with a good checksum, reading it ends, takes memory in
// proportion to it, and what is read comes back when it is written.
func FuzzBody(f *testing.F) {
	f.Add(encode("k", full())[headerLen:])
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	saw := fuzztest.BothWays(f)
	fuzztest.Fuzz(f, func(t *testing.T, body []byte) {
		first, second := new(everything), new(everything)
		err := decode("k", encode("k", &rawBody{body}), first, new(Arena))
		if saw(err == nil); err != nil {
			return
		}
		if err := decode("k", encode("k", first), second, new(Arena)); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%+v came back as %+v: %v", first, second, err)
		}
	})
}

// What was read first stays as it is while more is read into the same Arena.
func TestAnArenaKeepsWhatItReturned(t *testing.T) {
	var a Arena
	var texts []string
	for i := range 1000 {
		text := a.Join(string(rune('a'+i%26)), "/", a.Text([]byte{byte('0' + i%10)}))
		texts = append(texts, text)
	}
	for i, text := range texts {
		if want := string(rune('a'+i%26)) + "/" + string(rune('0'+i%10)); text != want {
			t.Fatalf("text %d is %q, want %q", i, text, want)
		}
	}
	if a.Size() != 4*1000 {
		t.Errorf("%d bytes", a.Size())
	}
	lists := [][]string{a.list(2), a.list(2), a.list(1), a.list(9)}
	for i, l := range lists {
		for j := range l {
			l[j] = string(rune('a' + i))
		}
		lists[i] = append(l, "more") // in memory of its own
	}
	for i, l := range lists {
		for _, text := range l[:len(l)-1] {
			if text != string(rune('a'+i)) {
				t.Fatalf("list %d is %q", i, l)
			}
		}
	}
}

var errOff = errors.New("off")

type faults struct{ calls []string }

func over(s store.Store) (Records, *faults) {
	f := new(faults)
	return Records{Store: s, Timeout: time.Minute, Unavailable: errOff, Turns: new(Turns), Fault: func(_ context.Context, call string) {
		f.calls = append(f.calls, call)
	}}, f
}

func TestWhatWasWrittenIsUnchangedUntilAnotherWrite(t *testing.T) {
	r, _ := over(memstore.New())
	a, b := New[everything]("p/a"), New[everything]("p/a")
	a.Rec.N = 1
	if err := r.Write(t.Context(), &a, a.Put(), store.Check("p/b").Was(nil)); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context(), b.Put()); !errors.Is(err, store.ErrConflict) || errors.Is(err, errOff) {
		t.Errorf("a second first write: %v, want ErrConflict alone", err)
	}
	if err := r.Read(t.Context(), &b); err != nil || b.Rec.N != 1 || !b.Exists() {
		t.Fatalf("%+v, %v", b, err)
	}
	if a.Rec.N = 2; r.Write(t.Context(), &a, a.Put()) != nil {
		t.Error("what was written does not count as read")
	}
	if err := r.Commit(t.Context(), b.Unchanged()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an older read: %v, want ErrConflict", err)
	}
	if err := r.Write(t.Context(), &a, a.Remove()); err != nil || a.Exists() {
		t.Errorf("after its removal it exists: %v, %v", a.Exists(), err)
	}
	if b.Rec.N = 3; r.Commit(t.Context(), b.Overwrite()) != nil || r.Read(t.Context(), &a) != nil || a.Rec.N != 3 {
		t.Errorf("overwritten: %+v", a)
	}
}

func TestAllLeavesOutWhatIsDamagedAndReadSaysSo(t *testing.T) {
	s := memstore.New()
	r, f := over(s)
	good, bad := New[everything]("p/x.2"), New[everything]("p/x.1")
	if err := s.Commit(t.Context(), good.Put(), store.Put(bad.Key, []byte("damaged"))); err != nil {
		t.Fatal(err)
	}
	rows, err := All[everything](t.Context(), r, "p/x.")
	if err != nil || len(rows) != 1 || rows[0].Key != good.Key || len(f.calls) != 0 {
		t.Errorf("%+v, %v, %q", rows, err, f.calls)
	}
	err = r.Read(t.Context(), &good, &bad)
	if !errors.Is(err, ErrDamaged) || !errors.Is(err, errOff) || !bad.Exists() || len(f.calls) != 1 || f.calls[0] != "damaged" {
		t.Errorf("%v, %q", err, f.calls)
	}
}

func TestAFailureIsReportedUnlessTheCallerHasGone(t *testing.T) {
	s := memstore.New()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, f := over(s)
	row := New[everything]("p/a")
	calls := []func(ctx context.Context) error{
		func(ctx context.Context) error { return r.Read(ctx, &row) },
		func(ctx context.Context) error { return r.Commit(ctx, row.Put()) },
		func(ctx context.Context) error { _, err := r.List(ctx, "p/", 1); return err },
		func(ctx context.Context) error { _, err := r.Walk(ctx, s, ""); return err },
		func(ctx context.Context) error {
			_, err := r.Hit(ctx, "p/h", store.Limit{Burst: 1, Every: time.Second}, 1, time.Now())
			return err
		},
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), gone} {
		for i, call := range calls {
			if err := call(ctx); !errors.Is(err, errOff) {
				t.Errorf("call %d: %v", i, err)
			}
		}
	}
	if want := []string{"get", "commit", "list", "walk", "hit"}; !reflect.DeepEqual(f.calls, want) {
		t.Errorf("reported %q, want %q", f.calls, want)
	}
}

func TestRetryEndsAtOnceOrAtItsBound(t *testing.T) {
	r, _ := over(memstore.New())
	reads, steps := 0, 0
	read := func() error { reads++; return nil }
	err := r.RetryFrom(t.Context(), "p", read, func() error { steps++; return store.ErrConflict })
	if !errors.Is(err, errOff) || !errors.Is(err, store.ErrConflict) || steps != maxAttempts || reads != maxAttempts-1 {
		t.Errorf("%v after %d steps and %d reads", err, steps, reads)
	}
	steps = 0
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Retry(gone, "p", func() error { steps++; return store.ErrConflict }); !errors.Is(err, context.Canceled) || steps != 1 {
		t.Errorf("%v after %d steps", err, steps)
	}
	for _, want := range []error{nil, errOff} {
		steps = 0
		if err := r.Retry(t.Context(), "p", func() error { steps++; return want }); err != want || steps != 1 {
			t.Errorf("%v after %d steps", err, steps)
		}
	}
}
