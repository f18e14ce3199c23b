package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datixlab/auth/internal/password"
	"github.com/datixlab/auth/internal/seal"
	"github.com/datixlab/auth/internal/slots"
	"github.com/datixlab/auth/store"
)

// A Manager is the whole of authentication over one store. All methods may be
// called by any number of goroutines, and any number of Managers, in any number of
// processes, may share a store if they have the same Config.Secrets.
type Manager struct {
	cfg     Config
	records records
	keys    *seal.Keyring
	signers signers
	peppers map[string]func() []byte // by key id
	hashing *slots.Slots
	decoy   string // the hash that a password is compared with where there is no account
	hooks   *hooks
	usage   *usage
	closed  atomic.Bool
	closing sync.Once
}

// What the keys that are derived from a root secret are for. Changing one is
// changing the key.
const (
	labelToken  = "access token hs256"
	labelTOTP   = "totp secret"
	labelTemp   = "temp token"
	labelPepper = "backup code pepper"
)

// New returns a Manager over s, or an error that names every field of cfg that is
// missing or unsafe. It does not touch the store. Close the Manager before the store.
func New(s store.Store, cfg Config) (*Manager, error) {
	if s == nil {
		return nil, errors.New("auth: New needs a store")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	roots := make([][]byte, len(cfg.Secrets))
	for i, secret := range cfg.Secrets {
		roots[i] = []byte(secret)
	}
	keys, err := seal.New(roots...)
	if err != nil {
		return nil, fmt.Errorf("auth: Config.Secrets: %w", err)
	}
	cfg.Secrets = nil // the keyring has what is needed of them
	decoy, err := password.Hash(password.Params(cfg.PasswordHash), newRandomID())
	if err != nil {
		return nil, fmt.Errorf("auth: Config.PasswordHash: %w", err)
	}
	m := &Manager{
		cfg: cfg, keys: keys, decoy: decoy,
		records: records{s, cfg.StoreTimeout},
		peppers: map[string]func() []byte{},
		hooks:   newHooks(cfg),
	}
	tokenKeys, peppers := keys.Derive(labelToken, 32), keys.Derive(labelPepper, 32)
	for i, id := range keys.IDs() {
		m.signers = append(m.signers, newSigner(id, tokenKeys[i]))
		m.peppers[id] = hidden(peppers[i])
	}
	parallel := cfg.HashSlots
	if parallel == 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	m.hashing = slots.New(parallel, max(cfg.HashQueue, 0), cfg.HashWait)
	m.usage = newUsage(m)
	return m, nil
}

// Close writes what is kept in memory (the use of API keys), waits for hooks that
// are under way, and makes every later call return ErrClosed. It does not close the
// store. Closing again does nothing.
func (m *Manager) Close() error {
	var err error
	m.closing.Do(func() {
		m.closed.Store(true)
		err = m.usage.close()
		m.hooks.close()
	})
	return err
}

// String returns "auth.Manager": nothing of a Manager is for printing.
func (m *Manager) String() string { return "auth.Manager" }

// Format implements [fmt.Formatter] for every verb, so that none reaches a key.
func (m *Manager) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(m.String())) }

// LogValue implements [slog.LogValuer].
func (m *Manager) LogValue() slog.Value { return slog.StringValue(m.String()) }

func (m *Manager) ready() error {
	if m.closed.Load() {
		return ErrClosed
	}
	return nil
}

func (m *Manager) now() time.Time { return m.cfg.Now().UTC() }

func (m *Manager) emit(ctx context.Context, e Event) {
	e.Time = m.now()
	e.Client = ClientFrom(ctx)
	e.Client.UserAgent = clipped(e.Client.UserAgent, 200)
	m.hooks.event(e)
}

func (m *Manager) notice(ctx context.Context, t EventType, uid string, a *account, to string) {
	m.hooks.notify(Notice{
		Type: t, To: to, UserID: userPrefix + uid, Name: a.FullName, Time: m.now(), Client: ClientFrom(ctx),
	})
}

func publicUser(uid string) string {
	if uid == "" {
		return ""
	}
	return userPrefix + uid
}

const (
	maxName = 100 // code points in a person's, an organization's or a key's name
	adminID = "admin"
)

// A Registration is what a person enters to get an account.
type Registration struct {
	Email    string
	Password Secret
	FullName string
	// OrganizationName is the organization that is made for the account. Empty:
	// one named after the user.
	OrganizationName string
}

// A NewUser is an account that the host makes, in an organization that exists.
type NewUser struct {
	Email          string
	Password       Secret
	FullName       string
	OrganizationID string
	Role           string
}

// Register makes an account and an organization with it as its first admin. The
// error is an [*InputError] that names every field at fault, ErrEmailTaken, or
// ErrRateLimited. A success and ErrEmailTaken tell the caller whether an address
// has an account; Config.Limits.RegisterByAddress bounds how often.
func (m *Manager) Register(ctx context.Context, r Registration) (User, error) {
	org := r.OrganizationName
	if strings.TrimSpace(org) == "" {
		org = r.FullName
	}
	bad := checkText("organization_name", r.OrganizationName, maxName, false)
	return m.create(ctx, NewUser{Email: r.Email, Password: r.Password, FullName: r.FullName, Role: adminID}, org, bad)
}

// CreateUser makes an account in an organization that exists. It is for the host:
// it trusts its caller with OrganizationID and Role.
func (m *Manager) CreateUser(ctx context.Context, u NewUser) (User, error) {
	if _, err := m.Organization(ctx, u.OrganizationID); err != nil {
		return User{}, err
	}
	if !validRole(u.Role) {
		return User{}, invalidField("role", "invalid_characters", "A role is 1 to 64 letters, digits, '_', '-', '.' or ':'.")
	}
	return m.create(ctx, u, "", nil)
}

// create is claim, then create: see emailClaim for what a crash in between means.
func (m *Manager) create(ctx context.Context, u NewUser, newOrg string, bad *FieldError) (User, error) {
	if err := m.ready(); err != nil {
		return User{}, err
	}
	canonical, err := m.checkNewUser(ctx, u, bad)
	if err != nil {
		return User{}, err
	}
	if newOrg != "" { // by a person, not by the host
		limit := budget{key: "a." + clientPrefix(ctx) + "/register", limit: m.cfg.Limits.RegisterByAddress}
		if err := m.charge(ctx, "", []budget{limit}); err != nil {
			return User{}, err
		}
	}
	now := m.now()
	uid := newTimedID(now)
	claim, err := m.claimEmail(ctx, canonical, uid)
	if err != nil {
		return User{}, err
	}
	hash, err := m.hashPassword(ctx, u.Password) // only who has the address pays for it
	if err != nil {
		_ = m.records.commit(context.WithoutCancel(ctx), claim.remove())
		return User{}, err
	}
	acct := newRow[account](userKey(uid, "acct"))
	acct.rec = account{Email: u.Email, FullName: u.FullName, Role: u.Role, Created: now}
	if newOrg == "" {
		acct.rec.Org = strings.TrimPrefix(u.OrganizationID, orgPrefix)
	} else if acct.rec.Org, err = m.createOrganization(ctx, newOrg, now); err != nil {
		return User{}, err
	}
	pass := newRow[passwordRecord](userKey(uid, "pass"))
	pass.rec = passwordRecord{Hash: hash, Changed: now}
	err = m.records.commit(ctx, acct.put(), pass.put())
	if errors.Is(err, store.ErrConflict) { // we were so slow that the address went to another
		_ = m.records.commit(ctx, claim.remove())
		return User{}, ErrEmailTaken
	}
	if err != nil {
		return User{}, err
	}
	user := acct.rec.user(uid)
	m.emit(ctx, Event{Type: EventRegistered, UserID: user.ID, OrganizationID: user.OrganizationID})
	return user, nil
}

func (m *Manager) checkNewUser(ctx context.Context, u NewUser, bad *FieldError) (canonical string, err error) {
	var fields []FieldError
	canonical, ok := canonicalEmail(u.Email)
	switch {
	case u.Email == "":
		fields = append(fields, FieldError{"email", "required", "It is required."})
	case !ok:
		fields = append(fields, FieldError{"email", "invalid_email", "It is not an email address."})
	}
	if e := checkText("full_name", u.FullName, maxName, true); e != nil {
		fields = append(fields, *e)
	}
	if bad != nil {
		fields = append(fields, *bad)
	}
	weak := m.checkPassword(ctx, "password", u.Password, u.Email)
	if weak != nil {
		return "", &InputError{Err: ErrWeakPassword, Fields: append([]FieldError{*weak}, fields...)}
	}
	if fields != nil {
		return "", &InputError{Err: ErrInvalidInput, Fields: fields}
	}
	return canonical, nil
}

// An Organization is what its members have in common.
type Organization struct {
	ID        string // "org_…"
	Name      string
	CreatedAt time.Time // UTC
}

// Organization returns the organization with this id, or ErrNotFound.
func (m *Manager) Organization(ctx context.Context, organizationID string) (Organization, error) {
	if err := m.ready(); err != nil {
		return Organization{}, err
	}
	oid, ok := bareID(organizationID, orgPrefix, timedLen)
	if !ok {
		return Organization{}, ErrNotFound
	}
	org := newRow[orgRecord](orgKey(oid))
	if err := m.records.read(ctx, &org); err != nil {
		return Organization{}, err
	}
	if !org.exists() {
		return Organization{}, ErrNotFound
	}
	return Organization{ID: organizationID, Name: org.rec.Name, CreatedAt: org.rec.Created}, nil
}

func (m *Manager) createOrganization(ctx context.Context, name string, now time.Time) (oid string, err error) {
	oid = newTimedID(now)
	org := newRow[orgRecord](orgKey(oid))
	org.rec = orgRecord{Name: name, Created: now}
	return oid, m.records.commit(ctx, org.put())
}

// A LoginResult is the outcome of a step of a login: an access token or, where the
// account has a second factor, a temp token for [Manager.VerifyTwoFactor].
type LoginResult struct {
	AccessToken AccessToken // zero where TempToken is set
	TempToken   Secret
	User        User
}

// TwoFactorRequired reports whether the login waits for its second factor.
func (r LoginResult) TwoFactorRequired() bool { return r.TempToken != "" }

// Login proves an account by its password. An unknown address, a wrong password and
// a disabled account are one and the same: ErrInvalidCredentials, after the same
// work. ErrRateLimited says the same of every address too, and while it does no
// password is looked at, not even the right one.
func (m *Manager) Login(ctx context.Context, email string, pw Secret) (LoginResult, error) {
	if err := m.ready(); err != nil {
		return LoginResult{}, err
	}
	canonical, known := canonicalEmail(email)
	if !known {
		canonical = "not an address: " + email // counted like one that nobody has
	}
	prefix := clientPrefix(ctx)
	budgets := append(m.passwordBudgets(emailDigest(canonical), prefix), m.addressBudget(prefix))
	var result LoginResult
	err := m.guess(ctx, "", budgets, func() (done bool, err error) {
		uid := ""
		if known {
			if uid, err = m.emailOwner(ctx, canonical); err != nil {
				return false, err
			}
		}
		result, err = m.login(ctx, uid, canonical, pw)
		if errors.Is(err, ErrInvalidCredentials) {
			m.emit(ctx, Event{Type: EventLoginFailed, UserID: publicUser(uid)})
		}
		return err == nil && !result.TwoFactorRequired(), err
	})
	return result, err
}

// nobody is the bare id of no user: ids begin with the time.
const nobody = "00000000000000000000000000000"

// login is Login behind its budgets. It looks at the password once for every hash
// that it finds, so again only if the password was changed at this very moment.
func (m *Manager) login(ctx context.Context, uid, canonical string, pw Secret) (result LoginResult, err error) {
	lookup := uid
	if uid == "" {
		lookup = nobody // so that an unknown address costs the same reads
	}
	acct, pass := newRow[account](userKey(lookup, "acct")), newRow[passwordRecord](userKey(lookup, "pass"))
	proven := ""
	err = retry(ctx, func() error {
		if err := m.records.read(ctx, &acct, &pass); err != nil {
			return err
		}
		usable := acct.exists() && acct.rec.open() && sameEmail(acct.rec.Email, canonical)
		if !usable || proven == "" || proven != pass.rec.Hash {
			stale, err := m.verifyPassword(ctx, pass.rec.Hash, pw, usable)
			if err != nil {
				return err
			}
			proven = pass.rec.Hash
			if stale {
				defer m.rehash(ctx, pass, pw)
			}
		}
		result, err = m.admit(ctx, uid, &acct, byPassword)
		return err
	})
	return result, err
}

// rehash replaces a hash that is cheaper than the configuration asks for, unless
// the password was changed meanwhile. It is an improvement, never a condition.
func (m *Manager) rehash(ctx context.Context, pass row[passwordRecord], pw Secret) {
	hash, err := m.hashPassword(ctx, pw)
	if err != nil {
		return
	}
	pass.rec.Hash = hash
	_ = m.records.commit(ctx, pass.put())
}
