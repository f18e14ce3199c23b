package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/datixlab/auth/store"
)

var contextRules = []Rule{{
	Name:  "ContextDone",
	Says:  "a call with a context that is done returns that context's error, and nothing is done",
	check: checkContextDone,
}}

func checkContextDone(p *probe) {
	l := store.Limit{Burst: 5, Every: time.Hour}
	now := base()
	p.commit(store.Put("c/k", []byte("v")))
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	late, cancel := context.WithDeadline(p.ctx, time.Unix(0, 0))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		if values, err := p.s.Get(ctx, "c/k"); !errors.Is(err, ctx.Err()) || values != nil {
			failf("Get: %v and error %v, want nothing and %v", values, err, ctx.Err())
		}
		if items, err := p.s.List(ctx, "c/", "", 10); !errors.Is(err, ctx.Err()) || items != nil {
			failf("List: %v and error %v, want nothing and %v", items, err, ctx.Err())
		}
		for _, op := range []store.Op{store.Put("c/k", nil), store.Delete("c/k"), store.Put("c/new", nil).Absent(), store.Check("c/k").Absent()} {
			if err := p.s.Commit(ctx, op); !errors.Is(err, ctx.Err()) {
				failf("Commit: error %v, want %v", err, ctx.Err())
			}
		}
		if d, err := p.s.Hit(ctx, "c/k", l, 1, now); !errors.Is(err, ctx.Err()) || d.OK {
			failf("Hit: %+v and error %v, want nothing and %v", d, err, ctx.Err())
		}
	}
	p.want("c/k", []byte("v"))
	p.want("c/new", nil)
	if d := p.hit("c/k", l, 1, now); d.Left != 4 {
		failf("Hit with a context that is done was counted: %+v", d)
	}

	ctx, cancel := context.WithCancel(p.ctx)
	if err := p.s.Commit(ctx, store.Put("c/after", []byte("v"))); err != nil {
		failf("Commit: %v", err)
	}
	cancel()
	p.want("c/after", []byte("v"))
}
