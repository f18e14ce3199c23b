package auth

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/store"
)

// A CheckStatus says how serious a [Check] is. The texts are stable.
type CheckStatus string

// The states of a Check.
const (
	CheckOK   CheckStatus = "ok"
	CheckWarn CheckStatus = "warn" // it works, and an operator should look at it
	CheckFail CheckStatus = "fail" // something does not work
)

// A Check is one thing that [Manager.Doctor] has looked at.
type Check struct {
	Name   string // a stable word
	Status CheckStatus
	Detail string // a sentence for the operator, without a secret
}

// What is slow for a store, and when its clock differs too much.
const (
	slowRead  = 50 * time.Millisecond
	slowWrite = 200 * time.Millisecond
	offClock  = 2 * time.Second
)

// Doctor looks at the Manager and its store as they run, for an operator. The names of its checks
// are version, secrets, hashing, read, write, store, clock, rosters, listing, mail and events. It
// writes one record and removes it. A check that fails is no error: the error is ErrClosed.
func (m *Manager) Doctor(ctx context.Context) ([]Check, error) {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return nil, err
	}
	checks := []Check{m.checkVersion(), m.checkSecrets(), m.checkHashing()}
	checks = append(checks, m.checkLatency(ctx)...)
	checks = append(checks, m.checkStore(ctx)...)
	return append(checks, m.examineRosters(ctx), m.checkListing(),
		present("mail", m.SendsMail(), "There is a Mailer.", "There is no Mailer: nobody can reset a forgotten password or verify an address."),
		present("events", m.events != nil, "Events have a handler.", "Events have no handler: nobody can say later who did what.")), nil
}

func present(name string, there bool, yes, no string) Check {
	if there {
		return Check{name, CheckOK, yes}
	}
	return Check{name, CheckWarn, no}
}

func (m *Manager) checkVersion() Check {
	version, goVersion := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version, goVersion = info.Main.Version, info.GoVersion
		for _, dep := range info.Deps {
			if dep.Path == "github.com/datixlab/auth" {
				version = dep.Version
			}
		}
	}
	return Check{"version", CheckOK, fmt.Sprintf("Version %s of the library, built with %s.", version, goVersion)}
}

func (m *Manager) checkSecrets() Check {
	var sizes []string
	for _, n := range m.secretSizes {
		sizes = append(sizes, fmt.Sprint(n))
	}
	return Check{"secrets", CheckOK, fmt.Sprintf("Secrets: %d, of %s bytes. The first signs and seals.", len(sizes), strings.Join(sizes, ", "))}
}

func (m *Manager) checkHashing() Check {
	p := password.Params(m.cfg.PasswordHash)
	detail := fmt.Sprintf("Argon2id with %d KiB, %d passes and %d lanes, %d at the same time.", p.Memory, p.Time, p.Threads, m.cfg.HashSlots)
	return present("hashing", p.MeetsOWASP(), detail, detail+" That is below OWASP's table: passwords are too cheap to guess.")
}

// checkLatency measures one read and one write.
func (m *Manager) checkLatency(ctx context.Context) []Check {
	read := measured("read", slowRead, func() error {
		row := rostersRow()
		return m.records.Read(ctx, &row)
	})
	write := measured("write", slowWrite, func() error {
		return m.records.Commit(ctx, store.Put(doctorKey, []byte{}).Until(m.now().Add(time.Minute)))
	})
	if write.Status != CheckFail {
		_ = m.records.Commit(context.WithoutCancel(ctx), store.Delete(doctorKey))
	}
	return []Check{read, write}
}

func measured(name string, slow time.Duration, call func() error) Check {
	began := time.Now()
	err := call()
	took := time.Since(began).Round(10 * time.Microsecond)
	switch {
	case err != nil:
		return Check{name, CheckFail, fmt.Sprintf("It failed after %v: %v.", took, err)}
	case took > slow:
		return Check{name, CheckWarn, fmt.Sprintf("It took %v, and %v is slow.", took, slow)}
	}
	return Check{name, CheckOK, fmt.Sprintf("It took %v.", took)}
}

// checkStore asks the store for its own state.
func (m *Manager) checkStore(ctx context.Context) []Check {
	kind := fmt.Sprintf("%T", m.records.Store)
	unknown := []Check{
		{"store", CheckOK, kind + ". It does not say how it is."},
		{"clock", CheckOK, "The store has no clock of its own."},
	}
	examiner, ok := m.records.Store.(store.Examiner)
	if !ok {
		return unknown
	}
	bounded, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout)
	defer cancel()
	asked := m.now()
	found, err := examiner.Examine(bounded)
	switch {
	case err != nil:
		unknown[0].Status, unknown[0].Detail = CheckFail, fmt.Sprintf("%s: %v.", kind, err)
	case len(found.Warnings) > 0:
		unknown[0].Status, unknown[0].Detail = CheckWarn, found.Kind+": "+strings.Join(found.Warnings, " ")
	default:
		unknown[0].Detail = found.Kind + "."
	}
	if err == nil && !found.Time.IsZero() {
		unknown[1] = clockCheck(found.Time, asked, m.now())
	}
	return unknown
}

// clockCheck compares the clock of a store with that of this process before and after it was read.
func clockCheck(there, before, after time.Time) Check {
	var off time.Duration
	switch {
	case there.Before(before):
		off = there.Sub(before)
	case there.After(after):
		off = there.Sub(after)
	}
	c := Check{"clock", CheckOK, fmt.Sprintf("The clock of the store differs by %v.", off.Round(time.Millisecond))}
	switch {
	case off.Abs() > clockSkew:
		c.Status = CheckFail
	case off.Abs() > offClock:
		c.Status = CheckWarn
	}
	return c
}

func (m *Manager) examineRosters(ctx context.Context) Check {
	const name = "rosters"
	complete, err := m.rostersComplete(ctx)
	switch {
	case err != nil:
		return Check{name, CheckFail, fmt.Sprintf("It is not known: %v.", err)}
	case complete:
		return Check{name, CheckOK, "Every account is in the roster of its organization."}
	case !m.walks():
		return Check{name, CheckWarn, "The store cannot be walked, so accounts of a version without rosters are in none."}
	}
	return Check{name, CheckWarn, "Accounts are still being added to the rosters of their organizations."}
}

func (m *Manager) checkListing() Check {
	return present("listing", m.walks(), "The store lists all users.", "The store cannot be walked, so it does not list all users, and RevokeAll does not work.")
}

// walks reports whether the store can be walked.
func (m *Manager) walks() bool {
	_, ok := m.records.Store.(store.Walker)
	return ok
}

// Stats are numbers of a Manager at one instant.
type Stats struct {
	HashSlots      int  // passwords and codes that are hashed at the same time, at most
	HashesWaiting  int  // calls that wait for such a slot
	RostersWritten bool // every account is in the roster of its organization, as far as this Manager knows
}

// Stats returns the numbers of the Manager. It asks no store.
func (m *Manager) Stats() Stats {
	preferred, other := m.hashSlots.Waiting()
	return Stats{HashSlots: m.cfg.HashSlots, HashesWaiting: preferred + other, RostersWritten: m.complete.Load()}
}
