package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/datixlab/auth/store"
)

var valueRules = []Rule{{
	Name:  "NilAndEmpty",
	Says:  "a record that does not exist is nil, one with an empty value is empty and not nil",
	check: checkNilAndEmpty,
}, {
	Name:  "Values",
	Says:  "a value is any bytes, and comes back as it was put",
	check: checkValues,
}, {
	Name:  "Keys",
	Says:  "a key's characters mean nothing to a store: every key is a record of its own",
	check: checkKeys,
}}

func checkNilAndEmpty(p *probe) {
	p.commit(store.Put("e/nil", nil), store.Put("e/empty", []byte{}))
	values := p.get("e/nil", "e/none", "e/empty", "e/none")
	for i, there := range []bool{true, false, true, false} {
		if (values[i] != nil) != there || len(values[i]) != 0 {
			failf("Get of two empty records and of none: number %d is %s", i, describe(values[i]))
		}
	}
	for _, item := range p.list("e/", "", 10) {
		if item.Value == nil || len(item.Value) != 0 {
			failf("List: the value of the empty record %q is %#v, want it empty and not nil", item.Key, item.Value)
		}
	}
	if n := len(p.list("e/", "", 10)); n != 2 {
		failf("List shows %d of 2 empty records", n)
	}
}

func checkValues(p *probe) {
	var every []byte
	for i := range 256 {
		every = append(every, byte(i))
	}
	big := make([]byte, store.MaxValue)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range big {
		big[i] = byte(rnd.Uint32())
	}
	almost := bytes.Clone(big)
	almost[len(almost)-1]++
	values := [][]byte{
		every, big, make([]byte, store.MaxValue), []byte("\x00"), []byte("\x00\x00"), []byte("a\x00"), []byte("\xff\xfe"),
		[]byte("\xed\xa0\x80"), []byte(" "), []byte("\r\n"), []byte("0"), []byte("1"), []byte("01"), []byte("1.0"), []byte("-1"),
		[]byte("1e3"), []byte("nil"), []byte("null"), []byte("NULL"), []byte("false"), []byte(`""`), []byte("OK"), []byte("'; --"),
	}
	for i, v := range values {
		p.commit(store.Put(fmt.Sprintf("v/%02d", i), v))
	}
	for i, v := range values {
		key := fmt.Sprintf("v/%02d", i)
		p.want(key, v)
		p.conflict(store.Delete(key).Equal(append(bytes.Clone(v), 0)))
		p.conflict(store.Delete(key).Equal(v[:len(v)-1]))
		p.commit(store.Check(key).Equal(v))
	}
	p.conflict(store.Delete("v/01").Equal(almost))
	for i, item := range p.list("v/", "", 100) {
		if !bytes.Equal(item.Value, values[i]) {
			failf("List: the value of %q is %s, want %s", item.Key, describe(item.Value), describe(values[i]))
		}
	}
	p.commit(store.Put("v/01", []byte("s")).Equal(big))
	p.want("v/01", []byte("s"))
}

func checkKeys(p *probe) {
	keys := []string{
		"k/*", "k/?", "k/[a]", "k/[^a]", `k/\`, "k/%", "k/_", "k/a", "k/A", "k/a/", "k/a/b", "k/a.b", "k/a:b", "k/a,b", "k/.", "k/..",
		"k/../x", "k//", "k/'", `k/"`, "k/;--", "k/$1", "k/#", "k/@", "k/-", "k/0", "k/00", "k/%00", "k/&amp;", "k/<a>",
	}
	for c := byte(0x21); c <= 0x7e; c++ {
		if c != '{' && c != '}' {
			keys = append(keys, fmt.Sprintf("k/every-%c-", c))
		}
	}
	for i, key := range keys {
		p.commit(store.Put(key, fmt.Append(nil, i)).Absent())
	}
	for i, key := range keys {
		p.want(key, fmt.Append(nil, i))
		for _, item := range p.list(key, "", 100) {
			if len(item.Key) < len(key) || item.Key[:len(key)] != key {
				failf("List(%q) shows %q", key, item.Key)
			}
		}
	}
	for i, key := range keys {
		if n := len(p.list("k/", "", store.MaxList)); n != len(keys)-i {
			failf("List shows %d records where there are %d", n, len(keys)-i)
		}
		p.commit(store.Delete(key).Equal(fmt.Append(nil, i)))
	}
	other := []string{"k*/a", "k?/a", "[k]/a", "K/a", "kk/a", "k./a", "*/a", "%/a"}
	for _, key := range other {
		p.commit(store.Put(key, []byte(key)).Absent())
	}
	for _, key := range other {
		prefix := store.Partition(key) + "/"
		if items := p.list(prefix, "", 10); len(items) != 1 || items[0].Key != key {
			failf("List(%q) shows %d records, first %+v, want %q alone", prefix, len(items), items, key)
		}
	}
}
