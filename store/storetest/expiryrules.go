package storetest

import (
	"fmt"
	"time"

	"github.com/datixlab/auth/store"
)

var expiryRules = []Rule{{
	Name:  "KeptUntilExpiry",
	Says:  "a record is never dropped before its expiry, and without one never",
	check: checkKeptUntilExpiry,
}, {
	Name:  "ExpiryReplaced",
	Says:  "a Set puts its own expiry, or none, in place of the one before",
	check: checkExpiryReplaced,
}, {
	Name:  "Expired",
	Says:  "a record past its expiry is there as it was or is gone, for all calls alike",
	check: checkExpired,
}}

// churn makes a store that collects while it writes do so.
func churn(p *probe) {
	past := time.Now().Add(-time.Hour)
	for i := range 10 {
		p.commit(store.Put(fmt.Sprintf("x/churn%d", i), nil).Until(past))
		p.commit(store.Put(fmt.Sprintf("other%d/churn", i), nil).Until(past))
	}
}

func checkKeptUntilExpiry(p *probe) {
	now := time.Now()
	expiries := []time.Time{
		{}, // never
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), // beyond what fits in an int64 of nanoseconds
		time.Date(2107, 1, 1, 0, 0, 0, 0, time.UTC), // beyond 32 bits of seconds
		time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC),
		now.Add(time.Hour),
		now.Add(time.Hour).Round(0).In(time.FixedZone("", -12*3600)),
		now.Add(30*time.Second + 1),
	}
	for i, at := range expiries {
		p.commit(store.Put(fmt.Sprintf("x/%d", i), []byte("v")).Until(at))
	}
	churn(p)
	for i, at := range expiries {
		key := fmt.Sprintf("x/%d", i)
		if p.get(key)[0] == nil {
			failf("at %v the record with the expiry %v is gone", time.Now(), at)
		}
		p.want(key, []byte("v"))
		p.conflict(store.Put(key, nil).Absent())
		p.commit(store.Check(key).Equal([]byte("v")))
	}
	if n := len(p.list("x/", "", store.MaxList)); n < len(expiries) {
		failf("List shows %d records, where %d have not expired", n, len(expiries))
	}

	// To the instant: a store that rounds an expiry must round it up.
	for i := range 3 {
		key := fmt.Sprintf("x/soon%d", i)
		at := time.Now().Add(40 * time.Millisecond)
		p.commit(store.Put(key, []byte("v")).Until(at))
		for n := 0; ; n++ {
			if n < 5 {
				p.commit(store.Put("x/churn", nil).Until(at.Add(-time.Hour)))
			}
			v := p.get(key)[0]
			left := time.Until(at)
			if left <= 0 {
				break
			}
			if v == nil {
				failf("a record is gone %v before its expiry", left)
			}
		}
	}
}

func checkExpiryReplaced(p *probe) {
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	v := []byte("v")
	p.commit(store.Put("x/cleared", nil).Until(past))
	p.commit(store.Put("x/cleared", v))
	p.commit(store.Put("x/prolonged", nil).Until(past))
	p.commit(store.Put("x/prolonged", v).Until(future))
	p.commit(store.Put("x/anew", nil).Until(past))
	p.commit(store.Delete("x/anew"))
	p.commit(store.Put("x/anew", v))
	soon := time.Now().Add(50 * time.Millisecond)
	p.commit(store.Put("x/soon", v).Until(soon))
	p.commit(store.Put("x/soon", v))
	p.commit(store.Put("x/soon/2", v).Until(soon))
	p.commit(store.Put("x/soon/2", v).Until(future))
	p.commit(store.Put("x/soon/3", v).Until(soon))
	p.commit(store.Delete("x/soon/3"))
	p.commit(store.Put("x/soon/3", v))
	for time.Now().Before(soon) {
		p.want("x/soon", v)
	}
	churn(p)
	for _, key := range []string{"x/cleared", "x/prolonged", "x/anew", "x/soon", "x/soon/2", "x/soon/3"} {
		p.want(key, v)
	}
}

func checkExpired(p *probe) {
	for i, past := range []time.Time{
		time.Now(), time.Now().Add(-time.Hour), time.Unix(0, 0), time.Unix(-1, 0), time.Time{}.Add(1),
		time.Date(-100, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		key := fmt.Sprintf("x/%d", i)
		p.commit(store.Put(key, []byte("v")).Until(past))
		churn(p)
		if v := p.get(key)[0]; v != nil && string(v) != "v" {
			failf("past its expiry %v the record holds %s", past, describe(v))
		}
		// It may go between two calls, but having gone it does not come back.
		gone := p.get(key)[0] == nil
		if items := p.list(key, "", 1); gone && len(items) != 0 {
			failf("List shows a record past its expiry %v that Get no longer returns", past)
		}
		if gone {
			p.commit(store.Put(key, []byte("new")).Absent())
		} else if !p.try(store.Put(key, []byte("new")).Equal([]byte("v"))) {
			p.commit(store.Put(key, []byte("new")).Absent())
		}
		churn(p)
		p.want(key, []byte("new"))
	}
}
