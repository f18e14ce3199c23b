package storetest

import (
	"bytes"
	"runtime/debug"

	"github.com/datixlab/auth/store"
)

var copyRules = []Rule{{
	Name:  "CopiesIn",
	Says:  "what a caller passes in is left as it is, and may be changed after the call",
	check: checkCopiesIn,
}, {
	Name:  "CopiesOut",
	Says:  "what a caller gets back is its own, for as long as it likes",
	check: checkCopiesOut,
}}

func checkCopiesIn(p *probe) {
	value, old := []byte("value"), []byte("first")
	p.commit(store.Put("c/other", []byte("other")), store.Put("c/k", old))
	ops := []store.Op{store.Put("c/k", value).Equal(old), store.Check("c/other").Equal([]byte("other"))}
	p.commit(ops...)
	if string(value) != "value" || string(old) != "first" || ops[0].Key != "c/k" || ops[0].When != store.IfEqual || len(ops) != 2 {
		failf("Commit changed what it was given: value %q, old %q, %+v", value, old, ops[0])
	}
	fill(value, '!')
	fill(old, '!')
	ops[0] = store.Delete("c/k")
	p.want("c/k", []byte("value"))

	buf := bytes.Repeat([]byte("x"), 1000)
	part := buf[:5]
	p.commit(store.Put("c/part", part))
	if !bytes.Equal(buf, bytes.Repeat([]byte("x"), 1000)) {
		failf("Commit wrote behind the end of the value it was given")
	}
	fill(buf, '!')
	p.want("c/part", []byte("xxxxx"))
	if v := p.list("c/part", "", 1); len(v) != 1 || string(v[0].Value) != "xxxxx" {
		failf("List shows %+v after the caller changed what it had passed to Commit", v)
	}

	keys := []string{"c/part", "c/other", "c/k"}
	values := p.get(keys...)
	if keys[0] != "c/part" || keys[1] != "c/other" || keys[2] != "c/k" {
		failf("Get changed the keys it was given to %q", keys)
	}
	keys[0], keys[1] = "c/k", "c/k"
	if string(values[1]) != "other" {
		failf("Get of %q = %q", "c/other", values[1])
	}
}

func checkCopiesOut(p *probe) {
	// Memory that an engine has mapped for reading faults when it is written to, or
	// after it is unmapped.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			failf("a result of Get or List is not the caller's memory: fault at %#x", r.Addr())
		default:
			panic(r)
		}
	}()

	keys := []string{"c/a", "c/b", "c/c"}
	for _, key := range keys {
		p.commit(store.Put(key, []byte(key+"-value")))
	}
	intact := func(who string) {
		for i, v := range p.get(keys...) {
			if string(v) != keys[i]+"-value" {
				failf("after the caller changed what %s returned, Get(%q) = %q", who, keys[i], v)
			}
		}
		for i, item := range p.list("c/", "", 10) {
			if item.Key != keys[i] || string(item.Value) != keys[i]+"-value" {
				failf("after the caller changed what %s returned, List shows %q in %q", who, item.Value, item.Key)
			}
		}
	}
	first, second := p.get(keys...), p.get(keys...)
	page, again := p.list("c/", "", 10), p.list("c/", "", 10)
	for i := range keys {
		_ = append(first[i], "overrun"...)
		fill(first[i], '!')
		first[i] = nil
		_ = append(page[i].Value, "overrun"...)
		fill(page[i].Value, '!')
		page[i] = store.Item{}
		for j, v := range append(first[i+1:], second...) {
			if bytes.ContainsAny(v, "!") || !bytes.HasSuffix(v, []byte("-value")) {
				failf("changing result %d of Get changed another, number %d, to %q", i, j, v)
			}
		}
		for j, item := range append(page[i+1:], again...) {
			if !bytes.HasSuffix(item.Value, []byte("-value")) {
				failf("changing item %d of List changed another, number %d, to %q", i, j, item.Value)
			}
		}
	}
	intact("Get or List")

	for i := range 20 {
		p.commit(store.Put("c/a", bytes.Repeat([]byte{byte(i)}, 20_000)), store.Put("c/b", nil), store.Delete("c/c"))
	}
	if err := p.s.Close(); err != nil {
		failf("Close: %v", err)
	}
	for i, key := range keys {
		if string(second[i]) != key+"-value" || string(again[i].Value) != key+"-value" || again[i].Key != key {
			failf("what Get and List had returned of %q turned into %q and %q under later Commits and Close",
				key, second[i], again[i].Value)
		}
	}
}

func fill(b []byte, c byte) {
	for i := range b {
		b[i] = c
	}
}
