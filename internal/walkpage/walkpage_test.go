package walkpage_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/datixlab/auth/internal/walkpage"
	"github.com/datixlab/auth/store"
)

// A shelf is what a test walks: keys in the order of their hashes, on pages whose size is another
// each time.
type shelf struct {
	rng   *rand.Rand
	keys  map[string]bool
	most  int
	walks int
}

func place(key string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return h.Sum32()
}

func (s *shelf) walk(after string) (store.Page, error) {
	s.walks++
	at := uint64(0)
	if after != "" {
		at, _ = strconv.ParseUint(after, 10, 64)
	}
	var left []string
	for key := range s.keys {
		if uint64(place(key)) >= at {
			left = append(left, key)
		}
	}
	slices.SortFunc(left, func(a, b string) int { return int(int64(place(a)) - int64(place(b))) })
	var page store.Page
	for i, key := range left {
		if i >= 1+s.rng.IntN(s.most) {
			page.Next = fmt.Sprint(place(key))
			break
		}
		page.Records = append(page.Records, store.Record{Key: key})
	}
	s.rng.Shuffle(len(page.Records), func(i, j int) { page.Records[i], page.Records[j] = page.Records[j], page.Records[i] })
	return page, nil
}

func every(string) bool { return true }

func TestNothingThatWasThereThroughoutIsLeftOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		s := &shelf{rng: rng, keys: map[string]bool{}, most: 1 + rng.IntN(40)}
		there := map[string]bool{}
		for i := range rng.IntN(200) {
			s.keys[fmt.Sprint("k", i)], there[fmt.Sprint("k", i)] = true, true
		}
		limit := 1 + rng.IntN(20)
		var from walkpage.Place
		for pages := 0; ; pages++ {
			if pages > 1000 {
				t.Fatal("the list has no end")
			}
			found, next, err := walkpage.Read(from, limit, s.walk, every)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range found {
				delete(there, rec.Key)
			}
			if next == (walkpage.Place{}) {
				break
			}
			parsed, ok := walkpage.Parse(next.String())
			if !ok || parsed != next {
				t.Fatalf("%q is parsed as %q, %v", next, parsed, ok)
			}
			from = parsed
			if pages > 200 { // what grows faster than it is read may have no end
				continue
			}
			for range rng.IntN(8) {
				s.keys[fmt.Sprint("new", rng.Int())] = true
				all := slices.Sorted(maps.Keys(s.keys))
				if key := all[rng.IntN(len(all))]; key[0] == 'n' && rng.IntN(2) == 0 {
					delete(s.keys, key)
				}
			}
		}
		if len(there) > 0 {
			t.Fatalf("round %d: %d of those that were there throughout are missing", round, len(there))
		}
	}
}

// A store that does not change has each item once, on pages of the size that is wanted.
func TestPagesHaveTheSizeThatIsWanted(t *testing.T) {
	walk := func(after string) (store.Page, error) {
		at, _ := strconv.Atoi(after)
		var page store.Page
		for i := range 7 {
			page.Records = append(page.Records, store.Record{Key: fmt.Sprintf("%03d", at*7+i)})
		}
		if at < 9 {
			page.Next = strconv.Itoa(at + 1)
		}
		return page, nil
	}
	for _, limit := range []int{1, 3, 7, 8, 20, 69, 70, 71} {
		var all []string
		var from walkpage.Place
		for done := false; !done; done = from == (walkpage.Place{}) {
			found, next, err := walkpage.Read(from, limit, walk, every)
			if err != nil || len(found) > limit || len(found) < limit && next != (walkpage.Place{}) {
				t.Fatalf("limit %d: a page of %d, %v", limit, len(found), err)
			}
			for _, rec := range found {
				all = append(all, rec.Key)
			}
			from = next
		}
		slices.Sort(all)
		if len(all) != 70 || len(slices.Compact(all)) != 70 {
			t.Errorf("limit %d: %d items", limit, len(all))
		}
	}
}

func TestAPageOfWhatIsRareEnds(t *testing.T) {
	walks := 0
	found, next, err := walkpage.Read(walkpage.Place{}, 50, func(string) (store.Page, error) {
		walks++
		return store.Page{Records: []store.Record{{Key: "x"}}, Next: strconv.Itoa(walks)}, nil
	}, func(string) bool { return false })
	if len(found) != 0 || next == (walkpage.Place{}) || err != nil || walks > 2048 {
		t.Errorf("%v, %q, %v after %d pages of the store", found, next, err, walks)
	}
	broken := errors.New("broken")
	if _, _, err := walkpage.Read(next, 50, func(string) (store.Page, error) { return store.Page{}, broken }, every); err != broken {
		t.Errorf("%v, want the error of the walk", err)
	}
}

func TestWhatIsNoPlaceIsNotParsed(t *testing.T) {
	for _, text := range []string{"x", "\x00", "\x00\x00", "\x01a\x00\x05b", "\x00\x00\x01ab", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if p, ok := walkpage.Parse(text); ok {
			t.Errorf("%q is parsed as %q", text, p)
		}
	}
}
