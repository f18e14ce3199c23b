package storetest

import (
	"time"

	"github.com/datixlab/auth/store"
)

var joinRules = []Rule{{
	Name:  "Joined",
	Says:  "stores on the same records share records, conditions and counters, and each is closed by itself",
	needs: isShared,
	check: checkJoined,
}}

func checkJoined(p *probe) {
	other := p.open("Join", p.place.Join)
	now := base()
	l := store.Limit{Burst: 5, Every: time.Hour}
	p.commit(store.Put("j/k", []byte("p")).Absent())
	other.want("j/k", []byte("p"))
	other.conflict(store.Put("j/k", nil).Absent())
	other.commit(store.Put("j/k", []byte("other")).Equal([]byte("p")))
	p.want("j/k", []byte("other"))
	p.conflict(store.Delete("j/k").Equal([]byte("p")))
	p.hit("j/k", l, 2, now)
	if d := other.hit("j/k", l, 2, now); !d.OK || d.Left != 1 {
		failf("2 attempts here and 2 there: %+v, want 1 left of 5", d)
	}
	other.close()
	other.wantClosed()
	p.want("j/k", []byte("other"))
	if d := p.hit("j/k", l, 1, now); !d.OK || d.Left != 0 {
		failf("fifth attempt, after the other store was closed: %+v, want OK and none left", d)
	}
}
