package storetest

import (
	"fmt"

	"github.com/datixlab/auth/store"
)

var conditionRules = []Rule{{
	Name:  "Conditions",
	Says:  "a Commit takes effect if its condition holds, and is ErrConflict and changes nothing if not",
	check: checkConditions,
}, {
	Name:  "Was",
	Says:  "a Commit conditioned on what Get returned succeeds, be that nothing, an empty value or bytes",
	check: checkWas,
}}

// Every condition on every state with every write.
func checkConditions(p *probe) {
	states := [][]byte{nil, {}, []byte("v")}
	conditions := []struct {
		name  string
		on    func(store.Op) store.Op
		holds func(state []byte) bool
	}{
		{"always", func(o store.Op) store.Op { return o }, func([]byte) bool { return true }},
		{"absent", store.Op.Absent, func(s []byte) bool { return s == nil }},
		{"equal-nil", equal(nil), is("")},
		{"equal-empty", equal([]byte{}), is("")},
		{"equal-v", equal([]byte("v")), is("v")},
		{"equal-V", equal([]byte("V")), is("V")},
		{"equal-v0", equal([]byte("v\x00")), is("v\x00")},
		{"equal-vv", equal([]byte("vv")), is("vv")},
	}
	writes := []struct {
		name  string
		op    func(key string) store.Op
		after func(state []byte) []byte
	}{
		{"check", store.Check, func(s []byte) []byte { return s }},
		{"put", func(k string) store.Op { return store.Put(k, []byte("new")) }, func([]byte) []byte { return []byte("new") }},
		{"put-empty", func(k string) store.Op { return store.Put(k, nil) }, func([]byte) []byte { return []byte{} }},
		{"delete", store.Delete, func([]byte) []byte { return nil }},
	}
	for i, state := range states {
		for _, c := range conditions {
			for _, w := range writes {
				key := fmt.Sprintf("c/%d/%s/%s", i, c.name, w.name)
				if state != nil {
					p.commit(store.Put(key, state))
				}
				if c.holds(state) {
					p.commit(c.on(w.op(key)))
					p.want(key, w.after(state))
				} else {
					p.conflict(c.on(w.op(key)))
					p.want(key, state)
				}
			}
		}
	}
}

func equal(old []byte) func(store.Op) store.Op {
	return func(o store.Op) store.Op { return o.Equal(old) }
}

func is(value string) func([]byte) bool {
	return func(state []byte) bool { return state != nil && string(state) == value }
}

func checkWas(p *probe) {
	for _, value := range [][]byte{{}, []byte("a"), nil, []byte("b"), {}, nil} {
		op := store.Put("w/k", value)
		if value == nil {
			op = store.Delete("w/k")
		}
		p.commit(op.Was(p.get("w/k")[0]))
		p.want("w/k", value)
	}
}
