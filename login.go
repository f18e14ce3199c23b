package auth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/datixlab/auth/internal/emailaddr"
	"github.com/datixlab/auth/internal/parallel"
	"github.com/datixlab/auth/internal/printable"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A LoginResult is the outcome of a step of a login. It has an access token or, if the
// account has a second factor, a temp token for [Manager.VerifyTwoFactor].
type LoginResult struct {
	AccessToken AccessToken // zero if TempToken is set
	TempToken   Secret      // "" if AccessToken is set
	DeviceToken Secret      // of VerifyTwoFactorAndTrust; else ""
	User        User        // the user that logged in; zero if TempToken is set

	TempTokenExpiresAt   time.Time // UTC; zero without a TempToken
	DeviceTokenExpiresAt time.Time // UTC; zero without a DeviceToken

	// DeviceRefused is true if the device token of a [Manager.LoginWithDevice] is good for nothing, so that
	// a code is asked for. Discard it: each time that it is sent may count as a wrong code.
	DeviceRefused bool

	// EnrollmentOnly is true if Config.TwoFactorPolicy lets the session only set up a
	// second factor.
	EnrollmentOnly bool

	session string // "ses_…"
	actor   string // of the events of the login
	hasRoom bool   // of TempToken: see hasRoom
	// byDevice is true if a trusted device stood in for the code, and refusedDevice is true if a
	// device token did not.
	byDevice, refusedDevice bool
}

// TwoFactorRequired reports whether the login waits for its second factor.
func (r LoginResult) TwoFactorRequired() bool { return r.TempToken != "" }

// Login proves an account by its password. It begins a session, or returns a temp token if
// the account has a second factor. The error is ErrInvalidCredentials for an unknown address,
// a wrong password, a disabled account and one without a password, after the same work. It is ErrRateLimited if
// Config.Limits is exceeded, whether or not the address has an account. Then no password is
// compared, not even the right one. It is ErrOverloaded if no hashing slot came free. With
// Config.RequireVerifiedEmail it is ErrEmailNotVerified after the right password.
func (m *Manager) Login(ctx context.Context, email string, password Secret) (LoginResult, error) {
	return m.loginOn(ctx, email, password, "")
}

// loginOn is Login on a device that may be trusted.
func (m *Manager) loginOn(ctx context.Context, email string, password, device Secret) (LoginResult, error) {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return LoginResult{}, err
	}
	canonical, ok := emailaddr.Canonical(email)
	if !ok {
		canonical = "not an address: " + printable.Bound(email, emailaddr.MaxLen) // counted like an address without an account
	}
	digest, prefix := emailDigest(canonical), clientPrefix(ctx)
	uid, known, err := m.emailOwner(ctx, digest)
	if err != nil {
		return LoginResult{}, err
	}
	isKnown := byProgram(ctx) || slices.Contains(known.Rec.Prefixes, prefix)
	if isKnown {
		ctx = m.preferLane(ctx, digest)
	}
	charged, err := m.charge(ctx, uid, m.loginBudgets(ctx, digest, isKnown))
	if err != nil {
		return LoginResult{}, err
	}
	var result LoginResult
	err = m.settle(ctx, charged, func(ctx context.Context) (done bool, err error) {
		first := firstStepOf(ctx, isKnown, charged)
		first.Device = device
		result, err = m.login(ctx, uid, canonical, password, first)
		if errors.Is(err, ErrInvalidCredentials) {
			m.emit(ctx, Event{Type: EventLoginFailed, UserID: userIDOf(uid)})
		}
		if err == nil && result.TwoFactorRequired() {
			m.refund(ctx, rightFirstStep(charged, result.hasRoom), budget.backOnSuccess)
			if result.refusedDevice {
				m.chargeDevice(ctx, uid, isKnown)
			}
			result.hasRoom, result.refusedDevice = false, false // they concern nobody else
			return false, nil
		}
		return err == nil || errors.Is(err, ErrEmailNotVerified), err // the password was right
	})
	if err == nil && !result.TwoFactorRequired() {
		m.noteNetwork(ctx, known, prefix, result)
	}
	return result, err
}

// dummyUID has the form of a user's digits and is never a user's: those begin with the time.
const dummyUID = "00000000000000000000000000000"

// login is Login after its budgets were charged. It compares the password once with every
// hash that it reads, so again only if the password is changed at the same time.
func (m *Manager) login(ctx context.Context, uid, canonical string, password Secret, first firstStep) (result LoginResult, err error) {
	lookup := uid
	if uid == "" {
		lookup = dummyUID // so that an unknown address costs the same reads
	}
	acct, pass := accountRow(lookup), passwordRow(lookup)
	proven, stale := "", false
	read := func() error { return m.records.Read(ctx, &acct, &pass) }
	prove := func() error {
		usable := acct.Exists() && acct.Rec.usable() && emailaddr.Same(acct.Rec.Email, canonical) && !hasNone(&pass)
		if !usable || proven == "" || proven != pass.Rec.Hash {
			if stale, err = m.verifyPassword(ctx, pass.Rec.Hash, password, usable); err != nil {
				return err
			}
			proven = pass.Rec.Hash
		}
		return nil
	}
	if err := read(); err != nil {
		return result, err
	}
	if err := prove(); err != nil { // before the turn, since it takes long
		return result, err
	}
	err = m.records.RetryFrom(ctx, userPartition(lookup), read, func() error {
		if err := prove(); err != nil {
			return err
		}
		result, err = m.startSession(ctx, uid, &acct, first.amr(), first)
		return err
	})
	if err == nil && stale {
		m.rehash(ctx, pass, password)
	}
	return result, err
}

// askForCode ends a first step whose account has a second factor: it returns a temp token. Refused
// says what is wrong with the device token, "" if there is none.
func (m *Manager) askForCode(ctx context.Context, uid string, acct *record.Row[account], own store.Op, first firstStep, refused string) (LoginResult, error) {
	result, err := m.newTempToken(ctx, uid, acct, own, first)
	if err != nil {
		return LoginResult{}, err
	}
	due := Event{Type: EventSecondFactorRequired, Actor: first.Actor, UserID: userIDOf(uid), OrganizationID: acct.Rec.Org}
	if first.Method != "" {
		due.AMR = first.amr()
	}
	if refused != "" {
		m.emit(ctx, Event{Type: EventSecondFactorFailed, UserID: due.UserID, OrganizationID: due.OrganizationID, Action: "device", Reason: refused})
	}
	m.emit(ctx, due)
	result.refusedDevice, result.DeviceRefused = refused == deviceEnded, refused != ""
	return result, nil
}

// rehash replaces a hash that verifyPassword has found stale, unless the password was changed
// meanwhile. If it fails, the login has succeeded all the same.
func (m *Manager) rehash(ctx context.Context, pass record.Row[passwordRecord], password Secret) {
	hash, err := m.hashPassword(ctx, password)
	if err != nil {
		return
	}
	pass.Rec.Hash = hash
	_ = m.records.Commit(ctx, pass.Put())
}

// A firstStep is what the second step of a login must know of the first: how it was counted, and
// what it proved. The flags are bits of one number, so that later versions can add some.
type firstStep struct {
	Digest []byte // of the pendingLogin
	Flags  uint64
	Method string // of LoginAs, stored as a firstMethod; "" for a password
	// Of a login that is under way, and not stored:
	Device      Secret // the device token of a LoginWithDevice
	Actor       string // of a LoginAs
	ProvesEmail bool   // of a LoginAs
}

// A firstMethod is the method of a firstStep. It has a record of its own, because an element of
// a list cannot grow: an older program would not find the end of it.
type firstMethod struct {
	Digest []byte // of the pendingLogin
	Method string
}

// amr returns the authentication methods (RFC 8176) of a login with this first step, and with
// what more was proven.
func (f firstStep) amr(more ...string) []string {
	return append([]string{cmp.Or(f.Method, "pwd")}, more...)
}

// onAccount returns the operation on the account of the Commit that the first step ends with. The
// account stays as it was read, or its address is proven.
func (f firstStep) onAccount(acct *record.Row[account]) store.Op {
	if !f.ProvesEmail || acct.Rec.emailVerified() {
		return acct.Unchanged()
	}
	acct.Rec.proveEmail()
	return acct.Put()
}

// addFirst adds the first step of the login with this digest.
func (t *tempRecord) addFirst(digest []byte, f firstStep) {
	f.Digest = digest
	t.Firsts = append(t.Firsts, f)
	if f.Method != "" {
		t.Methods = append(t.Methods, firstMethod{digest, f.Method})
	}
}

// first returns the first step of the login with this digest. If an older program made the
// login there is none, and the zero firstStep has no flag.
func (t *tempRecord) first(digest []byte) (first firstStep) {
	for _, f := range t.Firsts {
		if subtle.ConstantTimeCompare(f.Digest, digest) == 1 {
			first = f
		}
	}
	for _, f := range t.Methods {
		if subtle.ConstantTimeCompare(f.Digest, digest) == 1 {
			first.Method = f.Method
		}
	}
	return first
}

// pruneFirsts removes the first steps of logins that are no longer there.
func (t *tempRecord) pruneFirsts() {
	t.Firsts = slices.DeleteFunc(t.Firsts, func(f firstStep) bool { return t.find(f.Digest) < 0 })
	t.Methods = slices.DeleteFunc(t.Methods, func(f firstMethod) bool { return t.find(f.Digest) < 0 })
}

const (
	firstKnown     uint64 = 1 << iota // its network was known to the account
	firstPreferred                    // it had a place in the preferred lane
	firstOnAccount                    // it was charged to accountBudget
	firstOnDaily                      // it was charged to dailyBudgets
)

// firstStepOf returns the first step of a login that was charged to these budgets.
func firstStepOf(ctx context.Context, known bool, charged []budget) (f firstStep) {
	if known {
		f.Flags |= firstKnown
	}
	if inPreferredLane(ctx) {
		f.Flags |= firstPreferred
	}
	for _, b := range charged {
		switch b.name {
		case "account":
			f.Flags |= firstOnAccount
		case "account_daily":
			f.Flags |= firstOnDaily
		}
	}
	return f
}

// rightFirstStep returns those of the budgets of a right password that get back their attempt
// before the second step. The others stay charged: that of strangers together, since a thief of
// the password must not begin logins without end. So does the tight one of the account, unless
// the network has few logins that wait. Nothing is reset.
func rightFirstStep(charged []budget, hasRoom bool) (back []budget) {
	for _, b := range charged {
		if b.keepOnSuccess || hasRoom && b.name == "account_address" {
			b.resetOnSuccess = false
			back = append(back, b)
		}
	}
	return back
}

func (f firstStep) has(flag uint64) bool { return f.Flags&flag != 0 }

// chargedFor returns the budgets of the account that the first step was charged to. A complete
// login gives back these and no others.
func (m *Manager) chargedFor(uid string, f firstStep, digest, prefix string) []budget {
	if f.Method != "" {
		return []budget{m.provenBudget(uid, prefix)}
	}
	budgets := []budget{m.accountAddressBudget(digest, prefix)}
	if f.has(firstOnAccount) {
		budgets = append(budgets, m.accountBudget(digest, prefix))
	}
	if f.has(firstOnDaily) {
		budgets = append(budgets, m.dailyBudgets(digest, prefix)...)
	}
	return budgets
}

// settleFirstStep gives back what the first step of a complete login was charged, and notes its
// network.
func (m *Manager) settleFirstStep(ctx context.Context, s *secondStep, result LoginResult) {
	ctx = context.WithoutCancel(ctx) // the login is done, whatever its client does
	canonical, ok := emailaddr.Canonical(s.acct.Rec.Email)
	if !ok {
		return
	}
	digest := emailDigest(canonical)
	parallel.Do(
		func() {
			m.refund(ctx, m.chargedFor(s.uid, s.first, digest, s.prefix), budget.backOnSuccess)
		},
		func() {
			if _, known, err := m.emailOwner(ctx, digest); err == nil {
				m.noteNetwork(ctx, known, s.prefix, result)
			}
		},
	)
}
