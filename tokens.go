package auth

import (
	"context"
	"sync"
	"time"

	"github.com/datixlab/auth/internal/jose"
	"github.com/datixlab/auth/internal/record"
	"github.com/datixlab/auth/internal/stampcache"
	"github.com/datixlab/auth/store"
)

// An AccessToken is what a client sends with its requests: a JWT (RFC 7519, typed as in RFC
// 9068) that belongs to one session. It is valid for Config.AccessTokenTTL, or until its
// session ends, if that is sooner.
type AccessToken struct {
	Token     Secret
	ExpiresIn time.Duration // from the return of the call
	ExpiresAt time.Time     // UTC
	// RefreshUntil is when the session ends unless it is refreshed before, UTC. It is ExpiresAt
	// without Config.RefreshAfterExpiry.
	RefreshUntil time.Time
}

// mint signs the session's current token, or returns ErrUnavailable. The same state of session
// and account results in the same claims. So it results in the same token, except with ES256,
// which draws a random number.
func (m *Manager) mint(ctx context.Context, uid, sid string, a *account, s *sessionRecord) (AccessToken, error) {
	issued := s.Issued.Truncate(time.Second)
	expires := s.tokenExpires(m.cfg.AccessTokenTTL)
	validity := jose.Validity{Issued: issued.Unix(), Expires: expires.Unix()}
	if m.cfg.TokenNotBefore {
		validity.From = issued.Add(-clockSkew).Unix()
	}
	token, err := m.signer.Token(ctx, &jose.Payload{
		Claims: jose.Claims{
			Issuer: m.cfg.Issuer, Audience: m.cfg.Audience, ClientID: m.cfg.ClientID,
			Subject: userIDOf(uid), Session: sessionIDOf(sid), ID: s.Token,
			Validity: validity,
		},
		AuthTime: s.Created.Unix(), AMR: s.AMR, Org: a.Org, Role: a.Role,
		Enrols: m.cfg.TwoFactorPolicy.enrolmentOnly(m.user(userIDOf(uid), a), s.Issued),
	})
	if err != nil {
		return AccessToken{}, unavailable(err)
	}
	return AccessToken{Token: Secret(token), ExpiresIn: expires.Sub(issued), ExpiresAt: expires.UTC(), RefreshUntil: m.end(s).UTC()}, nil
}

// VerifyAccessToken returns the identity that the token stands for, as session and account
// are now. A change or revocation made anywhere is seen at once. (A store may allow its
// operator a bounded delay: see [store.Stamper].) Role and profile are the account's, not
// the token's. The error is:
//   - ErrInvalidToken for a malformed, expired or superseded token, an ended session or a
//     disabled user.
//   - ErrTwoFactorSetupRequired if Config.TwoFactorPolicy lets the session only set up a
//     second factor.
//   - ErrUnavailable if the store did not answer.
func (m *Manager) VerifyAccessToken(ctx context.Context, token Secret) (id Identity, err error) {
	if err = m.identify(ctx, token, &id); err == nil && id.EnrollmentOnly {
		m.ReportDenied(ctx, id, "two_factor_setup_required")
		return Identity{}, ErrTwoFactorSetupRequired
	}
	return id, err
}

// VerifyForEnrollment is [Manager.VerifyAccessToken] for the routes on which a user sets up a
// second factor. It also accepts a session that may do nothing else, and then sets
// Identity.EnrollmentOnly. Grant nothing on it that the policy protects.
func (m *Manager) VerifyForEnrollment(ctx context.Context, token Secret) (id Identity, err error) {
	err = m.identify(ctx, token, &id)
	return id, err
}

// identify is VerifyForEnrollment. It fills id, which is zero, or leaves it as it is. It does
// not return the Identity, since that has 300 bytes: copying it at each return was a third of
// the cost of a check.
func (m *Manager) identify(ctx context.Context, token Secret, id *Identity) error {
	if err := m.ready(); err != nil {
		return err
	}
	now := m.now()
	at := m.cache.token(string(token))
	if r := at.entry; r != nil && m.cache.valid(r, now) {
		r.snapshot.identifyToken(id, r.id, r.times.Expires)
		m.noteUse(r.snapshot, r.id)
	} else {
		var err error
		if now, err = m.proveToken(ctx, token, at, now, id); err != nil {
			return err
		}
	}
	id.EnrollmentOnly = m.cfg.TwoFactorPolicy.enrolmentOnly(id.User, now)
	return nil
}

// proveToken is identify for a token without a valid cached check; at may have an outdated
// one, whose signature is not verified again. A session that is cached is not read again. The
// time that it returns is the instant of the check: now, or when the records had been read.
func (m *Manager) proveToken(ctx context.Context, token Secret, at lookup, now time.Time, id *Identity) (time.Time, error) {
	t := tokenChecks.Get().(*tokenCheck)
	defer func() {
		t.claims.Reset()
		*t = tokenCheck{claims: t.claims}
		tokenChecks.Put(t)
	}()
	if err := m.openToken(ctx, token, t, at.entry, now); err != nil {
		return now, err
	}
	s := m.cache.session(t.claims.Subject, t.claims.Session)
	// On a store whose stamps lag behind, a refresh elsewhere may have made a token that the
	// cached session does not have yet.
	if s == nil || !s.ids.has(t.claims.ID) {
		var err error
		if s, err = m.readSession(ctx, t); err != nil {
			return now, err
		}
		now = t.read
	}
	if !now.Before(s.expires) {
		return now, m.refuseToken(ctx, &s.identity.User, s.identity.SessionID, "ended")
	}
	jti, end, ok := s.ids.accepts(t.claims.ID, now)
	if !ok {
		return now, m.refuseToken(ctx, &s.identity.User, s.identity.SessionID, "superseded")
	}
	if m.cache.shouldStore(at, s, true) {
		r := &cachedCheck{token: string(token), id: jti, times: t.claims.Validity, snapshot: s}
		from, until := r.times.Span()
		r.from, r.until = nanos(from), min(nanos(until), nanos(s.expires), nanos(end))
		m.cache.put(at, r)
	}
	s.identifyToken(id, jti, t.claims.Expires)
	m.noteUse(s, jti)
	return now, nil
}

// Authenticate returns the identity that an access token or an API key stands for. It is
// [Manager.VerifyAPIKey] for a credential for which [Manager.IsAPIKey] is true, and
// [Manager.VerifyAccessToken] for any other.
func (m *Manager) Authenticate(ctx context.Context, credential Secret) (id Identity, err error) {
	if m.IsAPIKey(credential) {
		return m.VerifyAPIKey(ctx, credential)
	}
	return m.VerifyAccessToken(ctx, credential)
}

// A tokenCheck is a proven, unexpired token with the session and the account that it belongs
// to, once these are read. The session may have superseded the token.
type tokenCheck struct {
	claims          jose.Parsed
	user, sessionID string
	uid, sid        string // their digits
	acct            record.Row[account]
	session         record.Row[sessionRecord]
	stamp           stampcache.Stamp // from before the records were read
	read            time.Time        // when they had been read
}

// tokenChecks are used again by later checks. No Identity keeps a part of one.
var tokenChecks = sync.Pool{New: func() any { return new(tokenCheck) }}

// openToken is readClaims for a token that must be current at now.
func (m *Manager) openToken(ctx context.Context, token Secret, t *tokenCheck, known *cachedCheck, now time.Time) error {
	if err := m.readClaims(ctx, token, t, known); err != nil {
		return err
	}
	if !t.claims.Current(now) {
		return m.refuseExpired(ctx, t)
	}
	return nil
}

// readClaims fills t with the claims of token, or returns ErrInvalidToken. If known is a cached
// check of the token, the signature is not verified again. The token may have expired.
func (m *Manager) readClaims(ctx context.Context, token Secret, t *tokenCheck, known *cachedCheck) error {
	c := &t.claims
	if known != nil {
		c.Issuer, c.Audience, c.WellFormed, c.Validity = m.cfg.Issuer, m.cfg.Audience, true, known.times
		c.SetIDs(known.snapshot.identity.User.ID, known.snapshot.identity.SessionID, known.id)
	} else if !m.tokenKeys.Verify(string(token), m.format, c) {
		m.emit(ctx, Event{Type: EventTokenRefused, Reason: malformed})
		return ErrInvalidToken
	}
	switch {
	case !c.WellFormed:
		return m.refuseToken(ctx, &User{}, "", "expired") // its ids are not a Manager's, perhaps an email address
	case c.Issuer != m.cfg.Issuer || c.Audience != m.cfg.Audience:
		return m.refuseExpired(ctx, t)
	}
	return nil
}

// refuseExpired is refuseToken for a token that has expired, or is of another issuer or audience.
func (m *Manager) refuseExpired(ctx context.Context, t *tokenCheck) error {
	return m.refuseToken(ctx, &User{ID: string(t.claims.Subject)}, string(t.claims.Session), "expired")
}

// readToken reads the session and the account of t into in. It returns ErrInvalidToken if the
// session has ended, or ErrUnavailable.
func (m *Manager) readToken(ctx context.Context, t *tokenCheck, in *record.Arena) error {
	if err := m.readRecords(ctx, m.records, t, in); err != nil {
		return err
	}
	if !t.alive() {
		u := m.user(t.user, &t.acct.Rec)
		return m.refuseToken(ctx, &u, t.sessionID, "ended")
	}
	return nil
}

// readRecords is readToken without the refusal: the session may have ended.
func (m *Manager) readRecords(ctx context.Context, from record.Records, t *tokenCheck, in *record.Arena) error {
	t.user, t.sessionID = in.Text(t.claims.Subject), in.Text(t.claims.Session)
	t.uid, t.sid = t.user[len(userPrefix):], t.sessionID[len(sessionPrefix):]
	t.acct.Key, t.session.Key = accountKeyIn(in, t.uid), sessionKeyIn(in, t.uid, t.sid)
	t.stamp = m.cache.stamps.Of(store.Partition(t.acct.Key))
	err := from.ReadIn(ctx, in, &t.acct, &t.session)
	t.read = m.now() // the store may have taken some time
	return err
}

// event returns an event of type e whose actor is the session of the token.
func (t *tokenCheck) event(e EventType) Event {
	return Event{
		Type: e, Actor: t.sessionID, UserID: t.user, OrganizationID: t.acct.Rec.Org, SessionID: t.sessionID,
	}
}

func (t *tokenCheck) alive() bool { return t.session.Rec.alive(&t.acct, t.read) }

// snapshot returns the snapshot of the records that were read into a.
func (m *Manager) snapshot(t *tokenCheck, a *snapshotArena) *snapshot {
	s := &a.snapshot
	s.identity.User, s.identity.SessionID = m.user(t.user, &t.acct.Rec), t.sessionID
	s.identity.AuthTime, s.identity.AMR = t.session.Rec.Created, t.session.Rec.AMR
	s.identity.TrustedDevice = t.session.Rec.ByDevice
	s.ids, s.expires = t.session.Rec.tokenIDs, t.session.Rec.Expires
	return a.finish(store.Partition(t.acct.Key), t.stamp)
}

// readSession reads the session of a token, caches its snapshot and returns it.
func (m *Manager) readSession(ctx context.Context, t *tokenCheck) (*snapshot, error) {
	a := newSnapshotArena()
	if err := m.readToken(ctx, t, &a.Arena); err != nil {
		return nil, err
	}
	s := m.snapshot(t, a)
	m.cache.putSession(s)
	return s, nil
}

// refuseToken returns ErrInvalidToken for a token whose signature is valid, and emits the
// reason.
func (m *Manager) refuseToken(ctx context.Context, u *User, session, reason string) error {
	if u.Disabled {
		reason = "disabled"
	}
	m.emit(ctx, Event{
		Type: EventTokenRefused, UserID: u.ID, OrganizationID: u.OrganizationID, SessionID: session, Reason: reason,
	})
	return ErrInvalidToken
}
