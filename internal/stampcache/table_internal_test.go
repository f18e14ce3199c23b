package stampcache

import (
	"strconv"
	"sync"
	"testing"

	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

func (t *Table[T]) count() (n int) {
	for i := range t.sets {
		for j := range t.sets[i].ways {
			if t.sets[i].ways[j].Load() != nil {
				n++
			}
		}
	}
	return n
}

func is(want string) func(*string) bool { return func(v *string) bool { return *v == want } }

func never(*string) bool { return false }

// put stores a text that is new, or in its own place.
func put(t *Table[string], hash uint64, text string) {
	t.Put(hash, &text, t.Find(hash, is(text)), never)
}

func TestWhatATableHoldsIsBounded(t *testing.T) {
	for most, want := range map[int]int{1: 4, 4: 4, 5: 8, 64: 64, 65: 128} {
		table := New[string](most)
		for i := range 10_000 {
			put(&table, uint64(i), strconv.Itoa(i))
		}
		if n := table.count(); n != want || table.Off() {
			t.Errorf("of %d: it holds %d, want %d", most, n, want)
		}
	}
	for _, most := range []int{0, -1} {
		if table := New[string](most); !table.Off() {
			t.Errorf("a table of %d is not off", most)
		}
	}
}

// A set that is full gives a place away; what is known again keeps its own.
func TestWhatIsKnownAgainTakesItsOwnPlace(t *testing.T) {
	table := New[string](ways)
	for i := range ways {
		put(&table, 7, strconv.Itoa(i))
	}
	for range 100 {
		put(&table, 7, "0")
	}
	for i := range ways {
		if table.Find(7, is(strconv.Itoa(i))) == nil {
			t.Errorf("%d is forgotten", i)
		}
	}
}

func TestWhatIsOutdatedGoesFirst(t *testing.T) {
	table := New[string](ways)
	for i := range ways {
		put(&table, 7, strconv.Itoa(i))
	}
	text := "new"
	table.Put(7, &text, nil, is("2"))
	if table.Find(7, is("2")) != nil || table.Find(7, is("new")) != &text || table.count() != ways {
		t.Error("another went")
	}
}

func TestWhatIsThereTwiceIsReplacedWhereItIsFound(t *testing.T) {
	table := New[string](ways)
	for range 2 {
		text := "s"
		table.Put(7, &text, nil, never)
	}
	text := "s"
	table.Put(7, &text, table.Find(7, is("s")), never)
	if table.Find(7, is("s")) != &text {
		t.Error("an older one is found")
	}
}

func TestAgainIsTrueOfTheLastThatWasNoted(t *testing.T) {
	table := New[string](ways) // one set
	for i, c := range []struct {
		hash  uint64
		again bool
	}{{1, false}, {1, true}, {2, false}, {1, false}, {1, true}} {
		if got := table.Again(c.hash); got != c.again {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestATableServesManyGoroutines(t *testing.T) {
	table := New[string](64)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 10_000 {
				put(&table, uint64(i%100), strconv.Itoa(i%100))
				if v := table.Find(uint64(i%100), is(strconv.Itoa(i%100))); v != nil && *v != strconv.Itoa(i%100) {
					t.Errorf("%d is %s", i%100, *v)
				}
				table.Again(uint64(i))
			}
		})
	}
	all.Wait()
}

// A store that tells no stamps is one of which nothing is known, for certain or not.
func TestAStampIsOfThePresentState(t *testing.T) {
	s := memstore.New()
	stamps := NewReader(s)
	before := stamps.Of("p")
	if !before.Known() || stamps.Changed("p", before) || stamps.Outdated("p", before) {
		t.Error("it changed without a change")
	}
	if err := s.Commit(t.Context(), store.Put("p/any", nil)); err != nil {
		t.Fatal(err)
	}
	if !stamps.Changed("p", before) || !stamps.Outdated("p", before) {
		t.Error("it did not change")
	}
	if (Stamp{}).Known() || !stamps.Changed("p", Stamp{}) {
		t.Error("the unknown stamp is as good as a known one")
	}
	after := stamps.Of("p")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, none := range []Reader{{}, NewReader(nil), NewReader(plain{s}), stamps} {
		if none.Of("p").Known() || !none.Changed("p", after) || none.Outdated("p", after) {
			t.Error("a stamp of a store that tells none")
		}
	}
}

type plain struct{ store.Store }
