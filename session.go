package auth

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/datixlab/auth/internal/ident"
	"github.com/datixlab/auth/internal/netprefix"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/store"
)

// A Session is a login that has not ended, as its owner may see it.
type Session struct {
	ID          string    // "ses_…"
	AMR         []string  // as in Identity
	Client      Client    // where the login came from; without RequestID
	CreatedAt   time.Time // when the login was, UTC
	RefreshedAt time.Time // when the last refresh was, or the login, UTC
	ExpiresAt   time.Time // when it ends unless it is refreshed before, UTC
}

// maxSuperseded is how many superseded tokens of a session may be within their grace at
// once.
const maxSuperseded = 16

// A sessionRecord allows the tokens of its session. A token whose session has no record, or
// one of another epoch, is rejected.
type sessionRecord struct {
	Epoch     uint64
	Created   time.Time
	Expires   time.Time
	AMR       []string
	Address   string
	UserAgent string
	tokenIDs
	Issued time.Time // when the current token was signed
	Parent string    // the token that was refreshed for the current one
	// Lifetime is how long the current token is accepted, before the session ends. It is 0 in the
	// record of a version that did not store it: then it is Config.AccessTokenTTL.
	Lifetime time.Duration
	ByDevice bool   // a trusted device stood in for the code
	Org      string // "org_…" of the account; "" from an older version
	newer    []byte
}

// tokenIDs are the jtis of the tokens that a session accepts.
type tokenIDs struct {
	Token      string       // the current one's
	Superseded []superseded // those before it that are still within their grace
	// Unused is Token until the first use of Token is written, see firstUses. It is "" for
	// the token of a login, which has no parent.
	Unused string
}

// A superseded token has been refreshed, and is accepted until its grace ends.
type superseded struct {
	Token string
	Until time.Time
}

// Fields implements [record.Fields].
func (s *sessionRecord) Fields(c *record.Codec) {
	c.Uint(&s.Epoch)
	c.Time(&s.Created)
	c.Time(&s.Expires)
	c.Strings(&s.AMR)
	c.String(&s.Address)
	c.String(&s.UserAgent)
	c.String(&s.Token)
	c.Time(&s.Issued)
	record.List(c, &s.Superseded, func(t *superseded) {
		c.String(&t.Token)
		c.Time(&t.Until)
	})
	c.String(&s.Unused)
	c.String(&s.Parent)
	lifetime := uint64(s.Lifetime)
	c.Uint(&lifetime)
	s.Lifetime = time.Duration(lifetime)
	c.Bool(&s.ByDevice)
	c.String(&s.Org)
	c.Rest(&s.newer)
}

func sessionRow(uid, sid string) record.Row[sessionRecord] {
	return record.New[sessionRecord](sessionKey(uid, sid))
}

// alive reports whether the session belongs to the account as it is now.
func (s *sessionRecord) alive(acct *record.Row[account], now time.Time) bool {
	return acct.Exists() && acct.Rec.usable() && s.Token != "" && s.Epoch == acct.Rec.Epoch && (s.Org == "" || s.Org == acct.Rec.Org) && now.Before(s.Expires)
}

// accepts reports whether the session accepts the token with this id. Until is the end of
// its grace if it is superseded, else zero. The jti is the id in memory of t, which outlives
// id.
func (t *tokenIDs) accepts(id []byte, now time.Time) (jti string, until time.Time, ok bool) {
	if string(id) == t.Token {
		return t.Token, time.Time{}, true
	}
	for i := range t.Superseded {
		if r := &t.Superseded[i]; string(id) == r.Token && now.Before(r.Until) {
			return r.Token, r.Until, true
		}
	}
	return "", time.Time{}, false
}

// has reports whether the session accepts the token with this id, or did before its grace ended.
func (t *tokenIDs) has(id []byte) bool {
	if string(id) == t.Token {
		return true
	}
	return slices.ContainsFunc(t.Superseded, func(r superseded) bool { return string(id) == r.Token })
}

// refreshInterval is the least time between two refreshes of one session that are written.
const refreshInterval = 5 * time.Second

// justRefreshed reports whether the current token was made by a refresh within
// refreshInterval.
func (s *sessionRecord) justRefreshed(now time.Time) bool {
	return !s.Issued.Equal(s.Created) && isRecent(s.Issued, now, refreshInterval)
}

// rotate makes next the current token, for lifetime. The one before it is accepted for grace.
func (s *sessionRecord) rotate(next string, now time.Time, lifetime, grace time.Duration) {
	s.Superseded = slices.DeleteFunc(s.Superseded, func(r superseded) bool { return !now.Before(r.Until) })
	s.Superseded = append(s.Superseded, superseded{s.Token, now.Add(grace)})
	if extra := len(s.Superseded) - maxSuperseded; extra > 0 {
		s.Superseded = slices.Delete(s.Superseded, 0, extra)
	}
	s.Parent, s.Token, s.Unused, s.Issued, s.Lifetime = s.Token, next, next, now, lifetime
}

// tokenExpires returns when the current token expires. Usual is Config.AccessTokenTTL.
func (s *sessionRecord) tokenExpires(usual time.Duration) time.Time {
	expires := s.Issued.Truncate(time.Second).Add(cmp.Or(s.Lifetime, usual))
	if expires.After(s.Expires) {
		expires = s.Expires
	}
	return expires.Truncate(time.Second)
}

// repeats reports whether the refresh of the token with this id may be one whose reply was lost:
// it is the parent of the current token, and no use of that is written. A version without these
// fields refreshes without changing them, and Unused is not the current token then.
func (s *sessionRecord) repeats(id []byte) bool {
	return s.Unused == s.Token && string(id) == s.Parent
}

// end returns when a session ends unless it is refreshed before: no token of it opens anything or
// can be refreshed from then on.
func (m *Manager) end(s *sessionRecord) time.Time {
	end := s.tokenExpires(m.cfg.AccessTokenTTL)
	if m.cfg.RefreshAfterExpiry == 0 {
		return end
	}
	if end = end.Add(m.cfg.RefreshAfterExpiry); end.After(s.Expires) {
		return s.Expires
	}
	return end
}

// goesOn reports whether a token of the session opens something or can be refreshed.
func (m *Manager) goesOn(s *sessionRecord, acct *record.Row[account], now time.Time) bool {
	return s.alive(acct, now) && now.Before(m.end(s))
}

// public returns what the owner of the session may see.
func (s *sessionRecord) public(sid string, end time.Time) Session {
	addr, _ := netip.ParseAddr(s.Address)
	return Session{
		ID: sessionIDOf(sid), AMR: s.AMR, Client: Client{Addr: addr, UserAgent: s.UserAgent},
		CreatedAt: s.Created, RefreshedAt: s.Issued, ExpiresAt: end,
	}
}

// startSession is the only function that begins a session, and so makes its first token. It
// checks the account's state and factors. If a factor is missing it returns a temp token, whose
// record has first, and nothing else. The session is made in one Commit with extra, which
// requires the account as it was read. So no login survives a concurrent change of password,
// factors or state. It returns store.ErrConflict if the account or a condition of extra has
// changed.
func (m *Manager) startSession(ctx context.Context, uid string, acct *record.Row[account], amr []string, first firstStep, extra ...store.Op) (LoginResult, error) {
	if !acct.Exists() || !acct.Rec.usable() {
		return LoginResult{}, ErrInvalidCredentials
	}
	own, byDevice := first.onAccount(acct), ""
	user := m.user(userIDOf(uid), &acct.Rec)
	if m.cfg.RequireVerifiedEmail && acct.Rec.emailUnverified() {
		m.emit(ctx, Event{Type: EventAccessDenied, UserID: user.ID, OrganizationID: user.OrganizationID, Reason: "email_not_verified"})
		return LoginResult{}, ErrEmailNotVerified
	}
	if acct.Rec.Enrolment != "" && !slices.Contains(amr, "mfa") {
		use, refused, err := m.useDevice(ctx, uid, &acct.Rec, first.Device)
		if err != nil {
			return LoginResult{}, err
		}
		if use == nil {
			return m.askForCode(ctx, uid, acct, own, first, refused)
		}
		extra, byDevice = append(extra, use...), "trusted_device"
	}

	now := m.now()
	ttl := m.cfg.SessionTTL
	if slices.Contains(amr, "mfa") {
		ttl = m.cfg.MultiFactorSessionTTL
	}
	client := clientOf(ctx)
	sid := ident.Random()
	s := sessionRow(uid, sid)
	s.Rec = sessionRecord{
		Epoch: acct.Rec.Epoch, Created: now, Expires: now.Add(ttl), AMR: amr,
		UserAgent: client.UserAgent, tokenIDs: tokenIDs{Token: ident.Random()}, Issued: now,
		Lifetime: m.cfg.AccessTokenTTL, ByDevice: byDevice != "", Org: acct.Rec.Org,
	}
	if client.Addr.IsValid() {
		s.Rec.Address = netprefix.Unmapped(client.Addr).String()
	}
	token, err := m.mint(ctx, uid, sid, &acct.Rec, &s.Rec)
	if err != nil {
		return LoginResult{}, err
	}
	ops := append([]store.Op{own, s.Put().Until(s.Rec.Expires)}, extra...)
	surplus, err := m.surplusSessions(ctx, uid, acct)
	if err != nil {
		return LoginResult{}, err
	}
	before := m.cache.stamps.Of(store.Partition(acct.Key))
	err = m.records.Commit(ctx, append(ops, surplus...)...)
	actor := cmp.Or(first.Actor, sessionIDOf(sid))
	m.report(ctx, err, Event{
		Type: EventLoginSucceeded, Actor: actor, UserID: user.ID, OrganizationID: user.OrganizationID,
		SessionID: sessionIDOf(sid), AMR: amr, Reason: byDevice,
	})
	if err != nil {
		return LoginResult{}, err
	}
	if e, ok := m.cfg.TwoFactorPolicy.due(user, now); ok {
		e.SessionID, e.Actor = sessionIDOf(sid), actor
		m.emit(ctx, e)
	}
	m.cacheSession(ctx, uid, sid, before)
	return LoginResult{
		AccessToken: token, User: user, EnrollmentOnly: m.cfg.TwoFactorPolicy.enrolmentOnly(user, now),
		session: sessionIDOf(sid), actor: actor, byDevice: byDevice != "",
	}, nil
}

// surplusSessions returns the operations that remove ended sessions and, beyond the limit,
// those that were not refreshed for longest. Logins at the same time may exceed the limit
// until the next login. The limit is for what an account can fill the store with, and no
// decision rests on it.
func (m *Manager) surplusSessions(ctx context.Context, uid string, acct *record.Row[account]) ([]store.Op, error) {
	const mostAtOnce = 50
	rows, err := m.sessionRows(ctx, uid)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	live := rows[:0]
	for _, s := range rows {
		if s.Rec.alive(acct, m.now()) {
			live = append(live, s)
		} else if len(ops) < mostAtOnce {
			ops = append(ops, store.Delete(s.Key))
		}
	}
	slices.SortFunc(live, func(a, b record.Row[sessionRecord]) int { return a.Rec.Issued.Compare(b.Rec.Issued) })
	for i := 0; len(live)-i >= m.cfg.MaxSessions && len(ops) < mostAtOnce; i++ {
		ops = append(ops, store.Delete(live[i].Key))
	}
	return ops, nil
}

// sessionRows reads the session records of the user. A damaged one is left out: its
// token is rejected as well.
func (m *Manager) sessionRows(ctx context.Context, uid string) ([]record.Row[sessionRecord], error) {
	return record.All[sessionRecord](ctx, m.records, sessionKey(uid, ""))
}

// Sessions returns the sessions of the user that open something or can be refreshed, the newest
// login first. The error is ErrNotFound if there is no such user.
func (m *Manager) Sessions(ctx context.Context, userID string) ([]Session, error) {
	uid, acct, err := m.findUser(ctx, userID)
	if err != nil {
		return nil, err
	}
	rows, err := m.sessionRows(ctx, uid)
	if err != nil {
		return nil, err
	}
	var live []Session
	now := m.now()
	for _, s := range rows {
		if m.goesOn(&s.Rec, acct, now) {
			live = append(live, s.Rec.public(strings.TrimPrefix(s.Key, sessionKey(uid, "")), m.end(&s.Rec)))
		}
	}
	slices.SortFunc(live, func(a, b Session) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return live, nil
}

// RevokeSession ends one session of the user at once, in every process. The error is
// ErrNotFound if the user has no such session.
func (m *Manager) RevokeSession(ctx context.Context, userID, sessionID string) error {
	defer m.calls.Begin()()
	if err := m.ready(); err != nil {
		return err
	}
	uid, okUser := parseUser(userID)
	sid, okSession := parseSession(sessionID)
	if !okUser || !okSession {
		return ErrNotFound
	}
	err := m.endSession(ctx, uid, sid)
	if errors.Is(err, ErrInvalidToken) {
		return ErrNotFound
	}
	m.reportByProgram(ctx, err, Event{Type: EventSessionRevoked, UserID: userID, SessionID: sessionID})
	return err
}

// RevokeSessions ends every session of the user, every login that waits for its second factor and
// the trust in every device, at once and in every process. The error is ErrNotFound if there is no such user.
func (m *Manager) RevokeSessions(ctx context.Context, userID string) error {
	return m.changeAccount(ctx, userID, Event{Type: EventSessionRevoked, Reason: "all"}, endSessions)
}

// endSession removes a session's record without a condition, also a damaged one. So it works
// in a store that is out of memory and takes only deletions. It returns ErrInvalidToken if
// there is no record.
func (m *Manager) endSession(ctx context.Context, uid, sid string) error {
	s := sessionRow(uid, sid)
	if err := m.records.Read(ctx, &s); err != nil && !errors.Is(err, record.ErrDamaged) {
		return err
	}
	if !s.Exists() {
		return ErrInvalidToken
	}
	return m.records.Commit(ctx, store.Delete(s.Key))
}
